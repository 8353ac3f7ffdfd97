"""What the confirmation's report says beside its table and its claims, in numbers; none is tested.

All of it is computed from the results; sentences on runs or verdicts that aren't there are left
out. Source: derived.
"""

from collections.abc import Mapping, Sequence

from m4jax.evaluation.metrics import (
    AB,
    GENDER_AT_WORK,
    IMAGE_TO_TEXT_50,
    RB,
    RB_SIZE,
    TEXT_TO_IMAGE_50,
    Metric,
)
from m4jax.report import claims, claims_brief, claims_levels, data_means
from m4jax.report.claims import ByClaim, Finding
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

GIST = (RB_SIZE, RB, AB, IMAGE_TO_TEXT_50, TEXT_TO_IMAGE_50)
SMALLEST = {part.metric: part.smallest for claim in CLAIMS for part in claim.parts if part.smallest}
CAPS, BOTH = {"version": "caps"}, {"version": "caps and parity"}
NOISY, ON = {"captions": "noisy"}, {"filter": "on"}
MILD = {"scene": "mild"}
WITHIN = 50  # the k of recall at k


def levels(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns the few levels that the table of claims is read by; none without such runs."""
    del by_claim
    runs, lines = Runs(results), []
    for metric in GIST:
        means = [mean(runs, metric, x) for x in (ORIGINAL, BALANCED, AT_PARITY)]
        left = between(runs, metric, BALANCED, AT_PARITY)
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
        "2": _mild(runs),
        "3": _proxies(results, data),
        "5": _shares(runs),
        "6b": _sides(by_claim["6b"]),
        "7": _presupposed(by_claim),
        "8": _at_work(runs),
        "A": [
            *_filtered(runs),
            *_kept(results, data, "A.1", NOISY | BALANCED | ON, NOISY | BALANCED),
        ],
        "B": [
            x
            for part, rate in (("B.2", "20%"), ("B.3", "10%"))
            for x in _kept(
                results,
                data,
                part,
                *(BALANCED | {"noise": noise} for noise in (f"{rate}, known", rate)),
            )
        ],
        "C": [
            "Of what the claim says, C.1 is the first half and C.2 the second; C.3 and C.4 are of "
            "other objectives, not of caps.",
            *_caps(runs),
            *_kept(results, data, "C.2", BOTH, CAPS),
        ],
    }


def mean(runs: Runs, metric: Metric, of: Levels) -> float | None:
    """Returns the mean of a metric of the default model over seeds; None without such runs."""
    values = runs.pairs(single(of, free=()), metric).values
    return float(values.mean()) if len(values) else None


def between(runs: Runs, metric: Metric, one: Levels, minus: Levels) -> str:
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


def _mild(runs: Runs) -> Sequence[str]:
    """Says how biased the world is that resembles the paper's."""
    of = [(metric, mean(runs, metric, MILD | x)) for metric in (RB_SIZE, AB)
          for x in (ORIGINAL, BALANCED)]  # fmt: skip
    if any(value is None for _, value in of):
        return []
    rb, rb_after, ab, ab_after = (shown(metric, value) for metric, value in of)
    return [
        f"In the mild world, the one that resembles the paper's data, |RB| is {rb} before and "
        f"{rb_after} after, mean |AB| {ab} and {ab_after}."
    ]


def _sides(findings: Sequence[Finding]) -> Sequence[str]:
    """Says how many means are on the side of the claim, whatever their verdicts."""
    found = [f for f in findings if f.effect is not None]
    if not found:
        return []
    claimed = sum(f.part.expected * f.effect.mean > 0 for f in found)
    return [f"{claimed} of {len(found)} means are on the claim's side, whatever their verdicts."]


def filtered(runs: Runs) -> Mapping[str, str]:
    """Returns what the filter does on noisy captions, in differences and their intervals.

    "original": mean |AB| with it minus without, on original data; "AB", "RB": balanced minus
    original with it; "AB without", "RB without": without it; "scorer": mean |AB| of balanced data,
    with the filter of a scorer of balanced data, minus without. Empty if a run is missing.
    """
    other = NOISY | BALANCED | {"filter": "balanced scorer"}
    found = {
        "original": between(runs, AB, NOISY | ORIGINAL | ON, NOISY | ORIGINAL),
        "AB": between(runs, AB, NOISY | BALANCED | ON, NOISY | ORIGINAL | ON),
        "RB": between(runs, RB, NOISY | BALANCED | ON, NOISY | ORIGINAL | ON),
        "AB without": between(runs, AB, NOISY | BALANCED, NOISY | ORIGINAL),
        "RB without": between(runs, RB, NOISY | BALANCED, NOISY | ORIGINAL),
        "scorer": between(runs, AB, other, NOISY | BALANCED),
    }
    return found if all(found.values()) else {}


def _filtered(runs: Runs) -> Sequence[str]:
    """Says what the filter does to original data, and what is left of balancing with it."""
    found = filtered(runs)
    if not found:
        return []
    return [
        f"On original data the filter changes mean |AB|, too: {found['original']}. With it "
        f"balancing changes mean |AB| by {found['AB']} and RB by {found['RB']}; without it by "
        f"{found['AB without']} and {found['RB without']}. By a scorer of balanced "
        f"data it changes mean |AB| of balanced data by {found['scorer']}."
    ]


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


def shares(runs: Runs, metric: Metric) -> tuple[str, str] | None:
    """Returns which share of balancing's effect the last tenth takes away, and brings back.

    (original − balanced in the last 10%) / (original − balanced), and (original in the last 10% −
    balanced) / (original − balanced), of means over seeds, in percent; None without such runs.
    """
    stages = ("last 10%", "original in last 10%")
    levels_of = (ORIGINAL, BALANCED, *(BALANCED | {"stage": stage} for stage in stages))
    means = [mean(runs, metric, x) for x in levels_of]
    if None in means or means[0] == means[1]:
        return None
    original, balanced, late, undone = means
    whole = original - balanced
    return f"{(original - late) / whole:.0%}", f"{(undone - balanced) / whole:.0%}"


def _shares(runs: Runs) -> Sequence[str]:
    """Says which shares of balancing's effect the last tenth takes away, and brings back."""
    found = [shares(runs, metric) for metric in (RB_SIZE, AB)]
    if None in found:
        return []
    (rb_gone, rb_back), (ab_gone, ab_back) = found
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


def at_work(runs: Runs) -> tuple[str, str, str] | None:
    """Returns how the gender of people at work is recognised: original, balanced, the difference.

    None without such runs.
    """
    means = [mean(runs, GENDER_AT_WORK, x) for x in (ORIGINAL, BALANCED)]
    if None in means:
        return None
    found = between(runs, GENDER_AT_WORK, BALANCED, ORIGINAL)
    return *(shown(GENDER_AT_WORK, x) for x in means), found


def _at_work(runs: Runs) -> Sequence[str]:
    """Says how the gender of people at work is recognised, which claim 8 does not ask."""
    work = at_work(runs)
    if work is None:
        return []
    before, after, found = work
    return [
        f"Claim 8 is of faces. Gender of people at work, not registered, goes from {before} to "
        f"{after}%: {found}."
    ]


def _caps(runs: Runs) -> Sequence[str]:
    """Says how caps alone compare with as many examples drawn at random."""
    found = [between(runs, metric, CAPS, SUBSAMPLE) for metric in (AB, RB_SIZE)]
    if not all(found):
        return []
    return [f"Caps minus a subsample as large: mean |AB| {found[0]}, |RB| {found[1]}."]
