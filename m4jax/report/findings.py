"""What a study found, in plain words with numbers; each sentence follows what the numbers say."""

import dataclasses
import math

from m4jax.report.results import ORACLE, Estimate, Results
from m4jax.report.style import display, number, signed

AB_MEAN = {"metric": "association_bias_mean", "split": "faces"}
RB = {"metric": "representation_bias", "split": "objects"}
QUALITY = {  # what is told of the cost: name -> metric and split
    "accuracy on occupations": ("acc1", "workers"),
    "accuracy on things": ("acc1", "objects"),
    "perceived-gender accuracy": ("gender_acc1", "faces"),
    "image→text recall@5": ("text_retrieval_recall@5", "scenes"),
    "text→image recall@5": ("image_retrieval_recall@5", "scenes"),
}
MOST = 2  # compared versions that are told of; the others are in the tables


def sentences(results: Results) -> list[str]:
    """Returns at most seven sentences: the data, the model, what balancing changes, its cost.

    A change is called one only if its 95% interval excludes zero. Points are percentage points.

    Args:
        results: of a study, complete or not; what was not measured is passed over.
    """
    compared = results.select(kind="difference").versions
    balanced = [version for version in compared if version != ORACLE][:MOST]
    found = [_data(results), _model(results)]
    found += [_bias(results, version) for version in balanced]
    found += [_oracle(results)]
    found += [_cost(results, version) for version in balanced]
    return [sentence for sentence in found if sentence]


def _data(results: Results) -> str:
    """Says what the reference's data associate."""
    first = results.reference
    table = results.select(kind="data", version=first)
    jobs = table.select(metric="association_bias", split="occupations")
    known = sorted((gap, job) for job, gap in jobs.pairs("label", "value") if math.isfinite(gap))
    parts = []
    if known and known[-1][0] > 0:
        gap, job = known[-1]
        parts.append(f"“{job}” goes with men {_percent(gap)} points more often than with women")
    if known and known[0][0] < 0:
        gap, job = known[0]
        parts.append(f"“{job}” goes with women {_percent(-gap)} points more often than with men")
    men = table.one(metric="representation_bias", label="man")
    if men.known and men.value:
        side = "above" if men.value > 0 else "below"
        parts.append(f"men are {_percent(abs(men.value))} points {side} the share aimed at")
    return f"In the {display(first)} data {_list(parts)}." if parts else ""


def _model(results: Results) -> str:
    """Says whether the reference's model repeats its data."""
    first = results.reference
    table = results.select(kind="version", version=first)
    r = table.one(metric="association_correlation", split="faces")
    association, representation = table.one(**AB_MEAN), table.one(**RB)
    if not association.known:
        return ""
    if not r.bounded:
        follows = "can't be compared with that of the data"
    elif r.low > 0:
        follows = f"follows that of the data (r = {_told(r, 1, 2)} over occupations)"
    else:
        follows = f"does not clearly follow that of the data (r = {_told(r, 1, 2)})"
    sentence = (
        f"The association bias (AB) of the model trained on {display(first)} data {follows} and "
        f"is {_told(association)} points in size on average"
    )
    if representation.known:
        share = Estimate(*(0.5 + x for x in dataclasses.astuple(representation)))
        sentence += (
            f"; it prefers “man” to “woman” for {_told(share)} percent of pictures without a "
            f"person, a representation bias (RB) of {signed(100 * representation.value)} points"
        )
    return f"{sentence}."


def _bias(results: Results, version: str) -> str:
    """Says what a version does to AB and to RB."""
    parts = [
        f"{name} {_change(results, version, metric)}"
        for name, metric in (("mean |AB|", AB_MEAN), ("RB", RB))
    ]
    return f"With “{display(version)}” data, {'; '.join(parts)}."


def _change(results: Results, version: str, metric: dict[str, str]) -> str:
    """Says how a bias changes, where the interval of the difference allows to say it."""
    pooled = results.select(kind="version", **metric)
    old, new = pooled.one(version=results.reference), pooled.one(version=version)
    change = results.one(kind="difference", version=version, **metric)
    if not (old.known and new.known and change.bounded):
        return "can't be compared"
    values = f"from {_percent(old.value)} to {_percent(new.value)} points"
    seeds = results.select(kind="run", version=version, **metric)["value"]
    told = f"difference {_told(change, sign=True)}"
    if len(seeds) > 1:
        told += f"; single seeds {_percent(seeds.min())} to {_percent(seeds.max())}"
    if not _direction(change):
        return f"does not clearly change, {values} ({told})"
    # Not a matter of chance in the pictures, nor of one seed against another.
    turned = old.value * new.value < 0 < new.low * new.high and (seeds * new.value > 0).all()
    if len(seeds) > 1 and seeds.min() < 0 < seeds.max():
        return f"moves {values}, its sign depending on the seed ({told})"
    if turned:
        return f"changes its sign, {values} ({told})"
    if abs(new.value) < abs(old.value):
        less = _percent(1 - abs(new.value / old.value), 0)
        return f"falls {values}, {less}% less ({told})"
    return f"grows {values} ({told})"


def _oracle(results: Results) -> str:
    """Says what a world at parity leaves of the bias, and which versions come as low."""
    pooled = results.select(kind="version")
    association, representation = (pooled.one(version=ORACLE, **m) for m in (AB_MEAN, RB))
    if results.reference == ORACLE or not association.known:
        return ""
    sentence = f"The oracle, a world at parity, leaves a mean |AB| of {_told(association)}"
    if representation.known:
        sentence += f" and an RB of {_told(representation, sign=True)}"
    others = [v for v in results.select(kind="difference").versions if v != ORACLE]
    means = {f"“{display(v)}”": pooled.one(version=v, **AB_MEAN) for v in others}
    low = [name for name, mean in means.items() if mean.low <= association.high]
    high = [name for name, mean in means.items() if mean.low > association.high]
    parts = [f"not clearly higher in mean |AB|, by their intervals: {_list(low)}"] if low else []
    parts += [f"clearly higher in mean |AB|: {_list(high)}"] if high else []
    return "; ".join([f"{sentence} points", *parts]) + "."


def _cost(results: Results, version: str) -> str:
    """Says which accuracies and recalls a version lowers, raises, or leaves."""
    table = results.select(kind="difference", version=version)
    told: dict[str, list[str]] = {"lower": [], "higher": [], "no clear change": []}
    kinds = {-1: "lower", 1: "higher", 0: "no clear change"}
    for name, (metric, split) in QUALITY.items():
        change = table.one(metric=metric, split=split)
        if change.bounded:
            told[kinds[_direction(change)]].append(f"{name} ({_told(change, sign=True)})")
    parts = [f"{kind}: {_list(names)}" for kind, names in told.items() if names]
    return f"Quality with “{display(version)}” data, in points: {'; '.join(parts)}." * bool(parts)


def _direction(change: Estimate) -> int:
    """Returns 1 or −1 if the interval lies above or below zero, else 0."""
    return int(change.low > 0) - int(change.high < 0)


def _percent(fraction: float, digits: int = 1) -> str:
    return number(100 * fraction, digits)


def _told(estimate: Estimate, scale: int = 100, digits: int = 1, *, sign: bool = False) -> str:
    """Returns "value [low, high]", in percent unless scaled otherwise."""
    write = signed if sign else number
    text = write(scale * estimate.value, digits)
    if not estimate.bounded:
        return text
    return f"{text} [{', '.join(write(scale * x, digits) for x in (estimate.low, estimate.high))}]"


def _list(names: list[str]) -> str:
    """Returns "a", "a and b", or "a, b and c"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
