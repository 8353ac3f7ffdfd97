"""What the confirmation's report says beside its table and its claims, in numbers; none is tested.

All of it is computed from the results; sentences on runs or verdicts that aren't there are left
out. Source: derived.
"""

from collections.abc import Mapping, Sequence

from m4jax.evaluation.metrics import (
    AB,
    GENDER_AT_WORK,
    IMAGE_TO_TEXT_50,
    RB_SIZE,
    TEXT_TO_IMAGE_50,
    Metric,
)
from m4jax.report import claims, claims_brief, claims_levels, data_means
from m4jax.report.claims import ByClaim
from m4jax.report.claims_table import heading
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.contrasts import (
    AT_PARITY,
    BALANCED,
    ORIGINAL,
    SUBSAMPLE,
    Levels,
    Runs,
    difference,
    single,
)
from m4jax.report.results import Results, Rows
from m4jax.report.style import number, shown

GIST = (RB_SIZE, AB, IMAGE_TO_TEXT_50, TEXT_TO_IMAGE_50)
SMALLEST = {part.metric: part.smallest for claim in CLAIMS for part in claim.parts if part.smallest}
CAPS, BOTH = {"version": "caps"}, {"version": "caps and parity"}
NOISY, ON = {"captions": "noisy"}, {"filter": "on"}
WITHIN = 50  # the k of recall at k


def levels(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns the few levels that the table of claims is read by; none without such runs."""
    del by_claim
    runs, lines = Runs(results), []
    for metric in GIST:
        means = [_mean(runs, metric, x) for x in (ORIGINAL, BALANCED, AT_PARITY)]
        left = _difference(runs, metric, BALANCED, AT_PARITY)
        if None in means or not left:
            return []
        cells = [shown(metric, mean) for mean in means]
        m = SMALLEST[metric]
        cells += [left, f"{shown(metric, m)} ({m / means[0]:.0%})"]
        lines.append(f"| {heading(metric)} | {' | '.join(cells)} |")
    pairs = claims_levels.pictures(results, IMAGE_TO_TEXT_50)
    chance = " to ".join(number(100 * right * WITHIN / pairs, 1) for right in (1, 2))
    return [
        "Levels behind these differences: means over seeds, in points or percent; m also as a "
        "share of the original's level. Balanced − parity, what balancing leaves, is not tested.",
        "",
        "| | original | balanced | at parity (oracle) | balanced − parity [95%] | m |",
        "| --- | --- | --- | --- | --- | --- |",
        *lines,
        "",
        f"R@50 by chance: {chance}%, since one or two of {pairs:,} answers are right. Mean |AB| is "
        "a mean of sizes: chance alone keeps it above zero.",
    ]


def notes(results: Results, by_claim: ByClaim) -> Mapping[str, Sequence[str]]:
    """Returns number of a claim -> sentences on what is reported beside it."""
    runs, data = Runs(results), data_means.by_levels(results)
    return {
        "3": _proxies(results, data),
        "5": _shares(runs),
        "7": _presupposed(by_claim),
        "8": _at_work(runs),
        "A": _kept(results, data, "A.1", NOISY | BALANCED | ON, NOISY | BALANCED),
        "C": [
            *_caps(runs),
            *_kept(results, data, "C.2", BOTH, CAPS),
        ],
    }


def _mean(runs: Runs, metric: Metric, of: Levels) -> float | None:
    values = runs.pairs(single(of, free=()), metric).values
    return float(values.mean()) if len(values) else None


def _difference(runs: Runs, metric: Metric, one: Levels, minus: Levels) -> str:
    """Returns a mean difference and its interval; "" without such runs."""
    pairs = runs.pairs(difference(one, minus, free=()), metric)
    return claims_brief.effect(metric, pairs.effect()) if len(pairs.values) else ""


def _data(results: Results, data: Rows, of: Levels) -> Mapping[str, float] | None:
    """Returns the row of the data with some levels, all others at their defaults; None without."""
    wanted = {name: of.get(name, results.default(name)) for name in results.factors}
    rows = (row for row in data if all(row[name] == x for name, x in wanted.items()))
    return next(rows, None)


def _kept(results: Results, data: Rows, contrast: str, one: Levels, other: Levels) -> Sequence[str]:
    """Says how much is kept of the data on both sides of a contrast."""
    rows = [_data(results, data, of) for of in (one, other)]
    if None in rows:
        return []
    shares = [f"{row['keep_rate']:.0%}" for row in rows]
    return [f"{contrast} compares {shares[0]} of the data kept with {shares[1]}."]


def _proxies(results: Results, data: Rows) -> Sequence[str]:
    """Says how far apart the weights with and without proxies are."""
    rows = [_data(results, data, {"version": x}) for x in ("balanced_proxies", "balanced")]
    if None in rows:
        return []
    kept = [f"{row['keep_rate']:.0%}" for row in rows]
    worth = [f"{row['effective_sample_size']:,.0f}" for row in rows]
    return [
        f"Proxies hardly change the data, and may be no treatment here: {kept[0]} are kept with "
        f"them and {kept[1]} without; the weights are worth {worth[0]} and {worth[1]} examples "
        "(effective sample size)."
    ]


def _shares(runs: Runs) -> Sequence[str]:
    """Says which shares of balancing's effect the last tenth takes away, and brings back."""
    parts = []
    for metric in (RB_SIZE, AB):
        ends = [_mean(runs, metric, x) for x in (ORIGINAL, BALANCED)]
        stages = ("last 10%", "original in last 10%")
        between = [_mean(runs, metric, BALANCED | {"stage": stage}) for stage in stages]
        if None in (*ends, *between) or ends[0] == ends[1]:
            return []
        whole = ends[0] - ends[1]
        parts.append((ends[0] - between[0]) / whole)
        parts.append((between[1] - ends[1]) / whole)
    rb_gone, rb_back, ab_gone, ab_back = (f"{part:.0%}" for part in parts)
    return [
        f"With claim 4: of what balancing throughout takes away, balancing the last 10% takes away "
        f"{rb_gone} of |RB| and {ab_gone} of mean |AB|; original data in the last 10% bring back "
        f"{rb_back} and {ab_back} (ratios of means, without intervals)."
    ]


def _presupposed(by_claim: ByClaim) -> Sequence[str]:
    """Says whether there is a harm to be undone."""
    harm = next(claim for claim in CLAIMS if claim.number == "6b")
    verdict = claims.verdict(harm, by_claim["6b"])
    if verdict == "supported":
        return []
    return [f"6b is *{verdict}*: without a harm that is shown, that it is undone is not shown."]


def _at_work(runs: Runs) -> Sequence[str]:
    """Says how the gender of people at work is recognised, which claim 8 does not ask."""
    means = [_mean(runs, GENDER_AT_WORK, x) for x in (ORIGINAL, BALANCED)]
    if None in means:
        return []
    before, after = (shown(GENDER_AT_WORK, mean) for mean in means)
    found = _difference(runs, GENDER_AT_WORK, BALANCED, ORIGINAL)
    return [
        f"Claim 8 is of faces. Gender of people at work, not registered, goes from {before} to "
        f"{after}%: {found}."
    ]


def _caps(runs: Runs) -> Sequence[str]:
    """Says how caps alone compare with as many examples drawn at random."""
    found = [_difference(runs, metric, CAPS, SUBSAMPLE) for metric in (AB, RB_SIZE)]
    if not all(found):
        return []
    return [f"Caps minus a subsample as large: mean |AB| {found[0]}, |RB| {found[1]}."]
