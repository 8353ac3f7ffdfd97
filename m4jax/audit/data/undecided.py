"""Labels that the data can't decide: how many, why, and how many more examples it would take."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

NAMED = 5  # labels that are named


def decided(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Returns the labels of which balancing asks something, the most frequent first.

    Args:
        rows: of `tables.outcome.judge`.
    """
    found = [row for row in rows if row["attribute"] and row["label"] and row["imposed"]]
    found.sort(key=lambda row: -row["before_n"])
    return tuple(dict.fromkeys(row["label"] for row in found))


def sentences(rows: Sequence[Mapping[str, Any]], least: int) -> tuple[str, ...]:
    """Returns how many labels can't be decided, why, and what it would take.

    A label is decided where both groups have `least` examples with it. If all groups grow alike, it
    takes least / (examples of the smaller group) times as many; where that group has none, it can't
    be reckoned. Source: derived.

    Args:
        rows: of `tables.outcome.judge`, those within labels.
        least: examples of either group.
    """
    open_rows = _open(rows)
    if not open_rows:
        return ("Labels that the data can't decide: none.",)
    unknown = [label for label, (n, _) in open_rows.items() if not n]
    factors = {label: least / small for label, (_, small) in open_rows.items() if small}
    one_sided = len(open_rows) - len(unknown) - len(factors)
    names = sorted(open_rows, key=lambda label: -open_rows[label][0])
    listed = ", ".join(names[:NAMED]) + ", …" * (len(names) > NAMED)
    parts = [f"{len(factors):,} have both groups, but fewer than {least:,} of one"] * bool(factors)
    parts += [f"{one_sided:,} have one group alone"] * bool(one_sided)
    parts += [f"{len(unknown):,} have no example of which it is known"] * bool(unknown)
    told = [f"Labels that the data can't decide: {len(names):,} ({listed}). {'; '.join(parts)}."]
    if factors:
        most, half = max(factors.values()), float(np.median(list(factors.values())))
        told.append(
            f"With {_times(half)} times as many examples like these half of the "
            f"{len(factors):,} that have both groups could be decided, with {_times(most)} times "
            "as many all of them; of the others that can't be reckoned."
            if len(factors) > 1
            else f"With {_times(most)} times as many examples like these the one that has both "
            "groups could be decided; of the others that can't be reckoned."
        )
    return tuple(told)


def _open(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Returns label -> examples of which it is known, and those of the smaller group."""
    done = {row["label"] for row in rows if row["imposed"]}
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        if row["label"] not in done:
            n = row["before_n"]
            share = row["before"] if n and math.isfinite(row["before"]) else 0.0
            small = round(n * min(share, 1 - share))
            before = found.get(row["label"], (0, 0))
            found[row["label"]] = (max(before[0], n), max(before[1], small))
    return found


def _times(factor: float) -> str:
    """Returns a factor rounded up, to one digit after the point where it is below ten."""
    return f"{math.ceil(10 * factor) / 10:g}" if factor < 10 else f"{math.ceil(factor):,}"
