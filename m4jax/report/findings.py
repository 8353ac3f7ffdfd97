"""The findings of a study in plain words with numbers; each sentence follows from the numbers."""

import dataclasses
import math

from m4jax.evaluation.metrics import AB, AB_CORRELATION, COST, RB, Metric
from m4jax.report import contrasts
from m4jax.report.comparisons import estimate
from m4jax.report.results import ORACLE, PAPERS, PROTOTYPE, Estimate, Results
from m4jax.report.style import display, interval, number, signed

MOST = 2  # compared versions that sentences are about; the others are in the tables


def sentences(results: Results) -> list[str]:
    """Returns at most eight sentences: the data, the model, what balancing changes, its cost.

    A change is called one only if its 95% interval excludes zero. Points are percentage points.

    Args:
        results: of a study, complete or not; what was not measured is passed over.
    """
    compared = results.select(kind="difference").versions
    balanced = [version for version in compared if version != ORACLE][:MOST]
    every = [_data(results), _model(results)]
    every += [_bias(results, version) for version in balanced]
    every += [_prototype(results), _oracle(results)]
    every += [_cost(results, version) for version in balanced]
    return [sentence for sentence in every if sentence]


def _data(results: Results) -> str:
    """Says what the reference's data associate."""
    first = results.reference
    table = results.select(kind="data", version=first)
    jobs = table.select(metric="association_bias", split="occupations")
    gaps = sorted((gap, job) for job, gap in jobs.pairs("label", "value") if math.isfinite(gap))
    parts = []
    if gaps and gaps[-1][0] > 0:
        gap, job = gaps[-1]
        parts.append(f"“{job}” goes with men {_percent(gap)} points more often than with women")
    if gaps and gaps[0][0] < 0:
        gap, job = gaps[0]
        parts.append(f"“{job}” goes with women {_percent(-gap)} points more often than with men")
    men = table.one(metric="representation_bias", label="man")
    if men.measured and men.value:
        side = "above" if men.value > 0 else "below"
        parts.append(f"men are {_percent(abs(men.value))} points {side} the share aimed at")
    return f"In the {display(first)} data {_list(parts)}." if parts else ""


def _model(results: Results) -> str:
    """Says whether the reference's model repeats its data."""
    first = results.reference
    table = results.select(kind="version", version=first)
    r, association, representation = (_one(table, m) for m in (AB_CORRELATION, AB, RB))
    if not association.measured:
        return ""
    if not r.bounded:
        follows = "can't be compared with that of the data"
    elif r.low > 0:
        follows = f"follows that of the data (r = {interval(AB_CORRELATION, r)} over occupations)"
    else:
        follows = f"does not clearly follow that of the data (r = {interval(AB_CORRELATION, r)})"
    sentence = (
        f"The association bias (AB) of the model trained on {display(first)} data {follows} and "
        f"is {interval(AB, association)} points in size on average"
    )
    if representation.measured:
        share = Estimate(*(0.5 + x for x in dataclasses.astuple(representation)))
        sentence += (
            f"; it prefers “man” to “woman” for {interval(RB, share)} percent of pictures without "
            f"a person, a representation bias (RB) of {signed(100 * representation.value)} points"
        )
    return f"{sentence}."


def _bias(results: Results, version: str) -> str:
    """Says what a version does to AB and to RB."""
    parts = [f"{metric.phrase} {_change(results, version, metric)}" for metric in (AB, RB)]
    return f"With “{display(version)}” data, {'; '.join(parts)}."


def _change(results: Results, version: str, metric: Metric) -> str:
    """Says how a bias changes, where the interval of the difference allows to say it."""
    table = results.select(metric=metric.name, split=metric.split)
    pooled = table.select(kind="version")
    old, new = pooled.one(version=results.reference), pooled.one(version=version)
    change = table.one(kind="difference", version=version)
    if not (old.measured and new.measured and change.bounded):
        return "can't be compared"
    values = f"from {_percent(old.value)} to {_percent(new.value)} points"
    seeds = table.select(kind="run", version=version)["value"]
    numbers = f"difference {interval(metric, change, sign=True)}"
    if len(seeds) > 1:
        numbers += f"; single seeds {_percent(seeds.min())} to {_percent(seeds.max())}"
    if not _direction(change):
        return f"does not clearly change, {values} ({numbers})"
    # Not a matter of chance in the pictures, nor of one seed against another.
    turned = old.value * new.value < 0 < new.low * new.high and (seeds * new.value > 0).all()
    if len(seeds) > 1 and seeds.min() < 0 < seeds.max():
        return f"moves {values}, its sign depending on the seed ({numbers})"
    if turned:
        return f"changes its sign, {values} ({numbers})"
    if abs(new.value) < abs(old.value):
        less = _percent(1 - abs(new.value / old.value), 0)
        return f"falls {values}, {less}% less ({numbers})"
    return f"grows {values} ({numbers})"


def _prototype(results: Results) -> str:
    """Says how models by an objective of one's own differ from those by the paper's, seed by seed.

    The intervals are over seeds and pictures: of two seeds they are wide.
    """
    runs = contrasts.Runs(results)
    minus = contrasts.difference({"version": PROTOTYPE}, {"version": PAPERS}, free=())
    parts, count, same = [], 0, True
    for metric in (AB, RB, *COST):
        pairs = runs.pairs(minus, metric)
        if not len(pairs.values):
            continue
        found, _ = estimate(metric, pairs.effect(), difference=True)
        count, same = max(count, len(pairs.values)), same and not pairs.values.any()
        if metric not in (AB, RB) and not _direction(found):
            continue
        if len(pairs.values) == 1:
            parts.append(f"{metric.phrase} {signed(100 * found.value)}")
        else:
            words = {-1: "is lower", 1: "is higher", 0: "does not clearly differ"}
            parts.append(
                f"{metric.phrase} {words[_direction(found)]} ({interval(metric, found, sign=True)})"
            )
    if not parts:
        return ""
    start = f"“{PROTOTYPE}” beside “{PAPERS}”, the paper's objective"
    if same:
        return (
            f"{start}: no number of the models differs, so that both give the same weights here. "
            "Where all utilities are alike, or one cost is a multiple of the other, they do."
        )
    if count == 1:
        return (
            f"{start}, in points: {_list(parts)}. One seed can't tell an effect from chance; name "
            'more, as in --config.seeds="(0, 1, 2)".'
        )
    over = f"over {count} seeds and pictures"
    return f"{start}, in points, {over}: {_list(parts)}."


def _oracle(results: Results) -> str:
    """Says what a world at parity leaves of the bias, and which versions come as low."""
    pooled = results.select(kind="version")
    association, representation = (_one(pooled, m, version=ORACLE) for m in (AB, RB))
    if results.reference == ORACLE or not association.measured:
        return ""
    sentence = f"The oracle, a world at parity, leaves a mean |AB| of {interval(AB, association)}"
    if representation.measured:
        sentence += f" and an RB of {interval(RB, representation, sign=True)}"
    others = [v for v in results.select(kind="difference").versions if v != ORACLE]
    means = {f"“{display(v)}”": _one(pooled, AB, version=v) for v in others}
    low = [name for name, mean in means.items() if mean.low <= association.high]
    high = [name for name, mean in means.items() if mean.low > association.high]
    parts = [f"not clearly higher in mean |AB|, by their intervals: {_list(low)}"] if low else []
    parts += [f"clearly higher in mean |AB|: {_list(high)}"] if high else []
    return "; ".join([f"{sentence} points", *parts]) + "."


def _cost(results: Results, version: str) -> str:
    """Says which accuracies and recalls a version lowers, raises, or leaves."""
    table = results.select(kind="difference", version=version)
    names = {-1: "lower", 1: "higher", 0: "no clear change"}
    changes: dict[int, list[str]] = {direction: [] for direction in names}
    for metric in COST:
        change = _one(table, metric)
        if change.bounded:
            text = f"{metric.phrase} ({interval(metric, change, sign=True)})"
            changes[_direction(change)].append(text)
    parts = [f"{names[direction]}: {_list(texts)}" for direction, texts in changes.items() if texts]
    return f"Quality with “{display(version)}” data, in points: {'; '.join(parts)}." * bool(parts)


def _one(table: Results, metric: Metric, **where: str) -> Estimate:
    return table.one(metric=metric.name, split=metric.split, **where)


def _direction(change: Estimate) -> int:
    """Returns 1 or −1 if the interval lies above or below zero, else 0."""
    return int(change.low > 0) - int(change.high < 0)


def _percent(fraction: float, digits: int = 1) -> str:
    return number(100 * fraction, digits)


def _list(names: list[str]) -> str:
    """Returns "a", "a and b", or "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
