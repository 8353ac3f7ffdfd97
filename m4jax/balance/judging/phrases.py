"""Verdicts in words."""

import numpy as np

from m4jax.balance.judging.judgement import (
    BALANCED,
    CANNOT,
    KINDS,
    ROUNDING,
    VACUOUS,
    VIOLATED,
    Judgement,
)
from m4jax.balance.judging.tallies import PROPORTIONS

SAID_BALANCED = "balanced: "
DROP = "the data can't decide; the best that weights can do is to drop them"


def part_name(found: Judgement, r: int) -> str:
    """Returns what a part r ≥ 1 is called."""
    features = found.moments.recipe
    single = (*features.names.labels, *features.names.columns)
    if r <= len(single):
        return single[r - 1]
    return " and ".join(name for _, name in features.products[r - 1 - len(single)])


def texts(found: Judgement, scale: np.ndarray) -> list[str]:
    """Returns each verdict in words."""
    write = {VIOLATED: _violated, CANNOT: _cannot, VACUOUS: _vacuous}
    plain = {i: KINDS[i] for i in range(BALANCED, len(KINDS))}
    return [
        plain[kind] if kind in plain else write[kind](found, i, scale[i])
        for i, kind in enumerate(found.kinds.tolist())
    ]


def _violated(found: Judgement, i: int, scale: float) -> str:
    by = show(found.beyond[1, i] * scale, found.moments.units[i], difference=True)
    if np.isnan(found.eps[i]):
        return f"violated by {by}"
    moment, eps = found.moment[1, i], found.eps[i]
    if moment <= eps + ROUNDING:
        return f"violated by {by}, which its bound allowed: |E[q (s − π) y]| ≤ {eps:g}"
    over = f"|E[q (s − π) y]| is {moment:.3g}, its bound {eps:g}"
    if found.beyond[1, i] > 0:
        return f"violated by {by}: {over}"
    return f"violated: {over}; the share is {show(found.value[1, i], 'share')}, near its target"


def _vacuous(found: Judgement, i: int, scale: float) -> str:
    if np.isnan(found.eps[i]):
        return "vacuous: its bounds are all that a share can be"
    share = found.tally.whole[0, i] / found.tally.whole[0].max()
    off = show(abs(found.value[1, i] - found.target[i]), "share", difference=True)
    return (
        f"vacuous: even one-sided data would meet |E[q (s − π) y]| ≤ {found.eps[i]:g}, as only "
        f"{100 * share:.2g}% of the data count here; the share is {off} off its target"
    )


def _cannot(found: Judgement, i: int, scale: float) -> str:
    whole, part, rest = found.tally.n[:, i].tolist()
    if whole == 0:
        return "can't be: no example at all, so that nothing can be said"
    if not found.tally.kept > 0:
        return "can't be: the weights are no numbers, or keep nothing"
    if min(part, rest) < found.least or not found.moments.imposed[i]:
        return f"can't be: {_few(found, i)}: {DROP}"
    if found.dropped[i]:
        return f"can't be: the weights drop all {_count(whole, 'example')}, nothing is left"
    if np.isnan(found.value[1, i]):
        return "can't be: the weights keep nothing here"
    lower = show(found.moments.lower[i] * scale, found.moments.units[i])
    return f"can't be: the data have less than {lower}"


def _few(found: Judgement, i: int) -> str:
    """Says who is there, where one of two groups has too few examples or none."""
    whole, part, rest = found.tally.n[:, i].tolist()
    k, r = int(found.attribute[i]), int(found.part[i])
    if k < 0:
        return f"{part:,.6g} of {_count(whole, 'example')} have it"
    who = found.moments.recipe.names.attributes[k]
    among = f"{whole:,.6g} {part_name(found, r)}" if r > 0 else _count(whole, "example")
    if part == 0 or rest == 0:
        return f"{'only' if rest == 0 else 'no'} {who} among {among}"
    return f"{part:,.6g} {who} and {rest:,.6g} others among {among}"


def show(value: float, unit: str, *, difference: bool = False) -> str:
    """Returns a value in its unit as people write it: 45.0%, 5.0 points, 1,200 tokens."""
    if unit in PROPORTIONS:
        return f"{100 * value:.1f} points" if difference else f"{100 * value:.1f}%"
    return f"{value:,.0f} {unit}" if abs(value) >= 1000 else f"{value:.4g} {unit}"


def summary(found: Judgement) -> str:
    """Returns what all constraints have come to in one line."""
    counts, total = np.bincount(found.kinds, minlength=len(KINDS)), len(found.kinds)
    if not total:
        return "not balanced: nothing was asked, no constraint bounds anything"
    if counts[:BALANCED].sum() == 0:
        return f"{SAID_BALANCED}{_count(total, 'constraint')}, {counts[-1]:,} of which held before"
    said = ("violated", "can't be met", "vacuous")
    told = [f"{n:,} {what}" for n, what in zip(counts, said, strict=False) if n]
    line = f"not balanced: of {_count(total, 'constraint')} {', '.join(told)}"
    if counts[VIOLATED]:
        bad = np.where(found.kinds == VIOLATED, np.nan_to_num(_relative(found)), -1.0)
    else:
        bad = np.where(found.kinds == found.kinds.min(), found.tally.n[0], -1.0)
    i = int(bad.argmax())
    scale = 1.0 if found.moments.relative[i] else found.moments.scale[i]
    value = show(found.value[1, i] * scale, found.moments.units[i])
    write = {VIOLATED: _violated, CANNOT: _cannot, VACUOUS: _vacuous}[int(found.kinds[i])]
    return f"{line}; the worst: {found.moments.names[i]}, {value}: {write(found, i, scale)}"


def _count(total: float, what: str) -> str:
    return f"{total:,.6g} {what}{'' if total == 1 else 's'}"


def _relative(found: Judgement) -> np.ndarray:
    """Returns how far each value is beyond its bounds, as `_severity` has it."""
    sizes = np.abs(np.stack([found.moments.lower, found.moments.upper]))
    size = np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.inf).min(axis=0)
    size[~np.isfinite(size)] = 1.0
    share = np.isin(found.moments.units, PROPORTIONS)
    return found.beyond[1] / np.where(share, 1.0, size)
