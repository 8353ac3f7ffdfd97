"""What the confirmation says in a few sentences, above all else; every number is computed.

The sentences say what goes from where to where, and the verdict of each contrast, so that they hold
for whatever the runs found. Source: derived.
"""

from collections.abc import Mapping, Sequence

from m4jax.evaluation.metrics import AB, RB, RB_SIZE, Metric
from m4jax.report import (
    claims_brief,
    claims_table,
    confirmation_stricter,
    confirmation_words,
)
from m4jax.report.claims import ByClaim, Finding
from m4jax.report.confirmation_beside import at_work, between, filtered, mean, shares
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.confirmation_readings import of_claim
from m4jax.report.contrasts import AT_PARITY, BALANCED, ORIGINAL, Runs
from m4jax.report.results import Results
from m4jax.report.style import shown

ORDER = ("supported", "supported in part", "contradicted", "undecided")


def section(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns the sentences as lines of Markdown; none if something they need is missing.

    They need every contrast, and of those that decide enough seeds for a test.
    """
    runs, found = Runs(results), claims_table.numbered(by_claim)
    if any(f.effect is None or (f.part.decides and not f.tested) for f in found.values()):
        return []
    sentences = (
        _verdicts(by_claim),
        _balancing(runs, found),
        _when(runs, found),
        _price(runs, found),
        _noise(runs, found),
        _emoji(by_claim),
    )
    return ["## In short", "", *(f"- {text}" for text in sentences)] if all(sentences) else []


def _told(found: Mapping[str, Finding], number: str) -> str:
    """Returns "−0.8 [−1.3, −0.4] (2.5, supported)"."""
    finding = found[number]
    told_as = f"{number}, {claims_table.told(finding)}"
    return f"{claims_brief.effect(finding.part.metric, finding.effect)} ({told_as})"


def _levels(runs: Runs, metric: Metric) -> Sequence[str] | None:
    """Returns the means of original data, of balanced data and at parity."""
    means = [mean(runs, metric, x) for x in (ORIGINAL, BALANCED, AT_PARITY)]
    return None if None in means else [shown(metric, x) for x in means]


def _verdicts(by_claim: ByClaim) -> str:
    """Says which claims have which verdict, each in a few words."""
    of: dict[str, list[str]] = {}
    for claim in CLAIMS:
        verdict = claims_table.told_of(claim, by_claim[claim.number])
        if verdict == "supported in part":  # a few words would not say which part
            of.setdefault(verdict, []).append(claim.number)
            continue
        short = confirmation_words.BRIEF[claim.number].short
        of.setdefault(verdict, []).append(f"{short} ({claim.number})")
    ordered = [*(x for x in ORDER if x in of), *(x for x in of if x not in ORDER)]
    told = " ".join(f"*{v[0].upper()}{v[1:]}:* {', '.join(of[v])}." for v in ordered)
    return "".join([told, *_in_part(by_claim)])


def _in_part(by_claim: ByClaim) -> list[str]:
    """Returns of each claim that is supported in part what is and what isn't, as a list below."""
    lines = []
    for claim in CLAIMS:
        findings = by_claim[claim.number]
        if claims_table.told_of(claim, findings) == "supported in part":
            halves = claims_brief.halves(claim, findings, confirmation_words.BRIEF[claim.number])
            lines.append(f"\n  - Of claim {claim.number}, {'; '.join(halves)}.")
    return lines


def _balancing(runs: Runs, found: Mapping[str, Finding]) -> str:
    """Says what balancing does to both biases, in both worlds, and what it leaves."""
    rb, ab = _levels(runs, RB_SIZE), _levels(runs, AB)
    left = between(runs, RB_SIZE, BALANCED, AT_PARITY)
    signed_left = between(runs, RB, BALANCED, AT_PARITY)
    if rb is None or ab is None:
        return ""
    return (
        f"*Balancing.* Where it keeps half of the data, the size of representation bias, |RB|, "
        f"goes from {rb[0]} to {rb[1]} points ({_verdict(found, '2.1')}), association bias, mean "
        f"|AB|, from {ab[0]} to {ab[1]} ({_verdict(found, '2.2')}). Data at parity give {rb[2]} "
        f"and {ab[2]}: of |RB| {left} is left, of RB with its sign {signed_left} (neither is "
        f"tested). Where it keeps nine "
        f"tenths, as in the paper, mean |AB| changes by {_told(found, '2.5')}, |RB| by "
        f"{_told(found, '2.6')}."
    )


def _when(runs: Runs, found: Mapping[str, Finding]) -> str:
    """Says what balancing in the last tenth does, and undoes."""
    both = [shares(runs, metric) for metric in (RB_SIZE, AB)]
    if None in both:
        return ""
    (rb_gone, rb_back), (ab_gone, ab_back) = both
    return (
        "*When.* Balanced in the last tenth of training alone, a model loses "
        f"{rb_gone} of the |RB| that balancing throughout takes away ({_verdict(found, '4.1')}) "
        f"and {ab_gone} of the mean |AB|. Original data in the last tenth bring back {rb_back} "
        f"({_verdict(found, '4.3')}) and {ab_back} (shares are ratios of means, without intervals)."
    )


def _price(runs: Runs, found: Mapping[str, Finding]) -> str:
    """Says what balancing changes of quality."""
    work = at_work(runs)
    if work is None:
        return ""
    before, after, change = work
    return (
        "*Its price.* Accuracy, where nine tenths are kept: on things "
        f"{_told(found, '6a.1')}, on occupations {_told(found, '6a.2')}. Recall at 50, where "
        f"half is kept: image→text {_told(found, '6b.3')}, text→image {_told(found, '6b.4')}. "
        f"Gender of faces falls by less than 2 points, or rises: {_told(found, '8.1')}; "
        f"of people at work from {before} to {after}%, {change} (not tested)."
    )


def _noise(runs: Runs, found: Mapping[str, Finding]) -> str:
    """Says what a filter and wrong attributes do to balancing."""
    context = filtered(runs)
    if not context:
        return ""
    return (
        "*Noise.* On balanced data with noisy captions, filtering by a model's own score changes "
        f"mean |AB| by {_told(found, 'A.1')}; on original data, too ({context['original']}). "
        f"Balancing changes mean |AB| by {context['AB']} with it and by {context['AB without']} "
        f"without, RB by {context['RB']} and by {context['RB without']} (what has no number is not "
        f"tested). 20% wrong attributes change mean |AB| by {_told(found, 'B.1')}, bounds that "
        f"know of them by {_told(found, 'B.2')}."
    )


def _emoji(by_claim: ByClaim) -> str:
    """Says which claims hang on how the chance of few emoji is reckoned."""
    stricter = list(confirmation_stricter.few(by_claim).values())
    names = {x.name for other in stricter for x in of_claim(by_claim, other)}
    now, *then = (
        [x for x in claims_table.numbered(one).values() if x.verdict == "contradicted"]
        for one in (by_claim, *stricter)
    )
    lost = ", and no contrast would stay contradicted" if now and not any(then) else ""
    ordered = [claim.number for claim in CLAIMS if claim.number in names]
    weaker = f"claims {', '.join(ordered)} would have weaker verdicts" if ordered else "no claim"
    weaker += "" if ordered else " would have another verdict"
    return (
        "*What this hangs on.* Models of up to 0.77 million parameters, pictures made of emoji, "
        f"and {confirmation_stricter.EMOJI['faces']} emoji of faces for each gender. "
        "Their chance is taken for normal, which with so few is probably too narrow: taken more "
        f"strictly, {weaker}{lost} ([how](#stricter-analyses))."
    )


def _verdict(found: Mapping[str, Finding], number: str) -> str:
    return f"{number}, {claims_table.told(found[number])}"
