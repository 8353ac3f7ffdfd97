"""Tables that stand beside the claims: what the headline depends on, and when balancing acts."""

from collections.abc import Mapping

from m4jax.evaluation.metrics import AB, RB, RB_SIZE
from m4jax.report import contrasts, curves, study_words
from m4jax.report.claims import ByClaim
from m4jax.report.claims_table import heading
from m4jax.report.contrasts import BALANCED, ORIGINAL, Contrast, Runs, difference
from m4jax.report.questions import Question
from m4jax.report.results import ORACLE, Results
from m4jax.report.style import shown

BIAS = {"RB": RB, "|RB|": RB_SIZE, "mean |AB|": AB}
_WHOLE = {"stage": "throughout"}
CHECKPOINTS = 5  # of ten
_ALONG = {name: {"version": name} for name in ("original", "balanced", ORACLE)}


def balancing(version: str, **levels: str) -> Contrast:
    """Returns version − original, all else at its default but for the levels given."""
    return difference({"version": version}, ORIGINAL, free=(), **levels)


def _stopped(results: Results) -> str:
    """Says what share of balancing's effect is left when it stops, or reached when it comes late.

    Of what balancing throughout takes away of a metric, (original − x) / (original − balanced).
    """
    runs, parts = Runs(results), []
    for metric in (RB, AB):
        shares = []
        for stage in ("first 90%", "after 90%"):
            x, whole = (
                runs.pairs(difference(ORIGINAL | _WHOLE, BALANCED | {"stage": s}), metric)
                for s in (stage, "throughout")
            )
            shared = set(x.units) & set(whole.units)
            if not shared:
                return ""
            one, other = (pairs.select(shared).by_seed()[0].mean() for pairs in (x, whole))
            shares.append(f"{one / other:.0%}")
        left, reached = shares
        parts.append(f"of {metric.short} {left} with the first 90% and {reached} with the last 10%")
    return f"Of what balancing throughout takes away, balancing a part does {'; '.join(parts)}."


def _by_stage(results: Results) -> Mapping[str, Contrast]:
    del results
    stages = {"first 90%": "balanced in the first 90%", "after 90%": "balanced in the last 10%"}
    to_original = {
        f"{name} − original": difference(BALANCED | {"stage": stage}, ORIGINAL | _WHOLE, free=())
        for stage, name in stages.items()
    }
    to_balanced = {
        f"{name} − balanced throughout": difference(
            BALANCED | {"stage": stage}, BALANCED | _WHOLE, free=()
        )
        for stage, name in stages.items()
    }
    return to_original | to_balanced


def _beside(results: Results) -> Mapping[str, Contrast]:
    lines = {"balanced − original, the default model": balancing("balanced")}
    for factor, text in (("draw", "{} draw of the world"), ("data", "{} examples")):
        found = contrasts.levels(results, factor, key=str)
        lines |= {
            f"{text.format(level)}: balanced − original": balancing("balanced", **{factor: level})
            for level in found
            if level != results.default(factor)
        }
    return lines


def along(results: Results, by_claim: ByClaim) -> list[str]:
    """Returns what RB does over the last checkpoints, as lines of Markdown; none if not known."""
    del by_claim
    found = {m: curves.of_conditions(results, _ALONG, m) for m in (RB, RB_SIZE)}
    if any(set(of) != set(_ALONG) for of in found.values()):
        return []
    steps = next(iter(found[RB].values())).steps[-CHECKPOINTS:]
    lines = [
        "## Along training",
        "",
        "The verdicts are of the end of training, the only checkpoint with an annealed learning "
        "rate. Differences of the means over seeds, in points, at the last checkpoints and over "
        "them, without intervals:",
        "",
        f"| | {' | '.join(f'step {step:,}' for step in steps)} | mean |",
        f"| --- |{' --- |' * len(steps)} --- |",
    ]
    for one, other in (("original", ORACLE), ("balanced", "original")):
        for metric, of in found.items():
            values = of[one].values.mean(0) - of[other].values.mean(0)
            last = values[-CHECKPOINTS:]
            cells = " | ".join(shown(metric, x, sign=True) for x in (*last, last.mean()))
            lines.append(f"| {heading(metric)}: {one} − {other} | {cells} |")
    counts = sorted({len(curve.values) for of in found.values() for curve in of.values()})
    return [
        *lines,
        "",
        f"Of {' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))} seeds.",
    ]


BESIDE = Question(
    "Beside the headline: what balancing does to RB depends on",
    _beside,
    BIAS,
    lambda results: f"{study_words.OFFSET} {study_words.SECOND_DRAW}",
)
STOPS = Question("What is left of balancing that stops, or comes late?", _by_stage, BIAS, _stopped)
