"""What a study could have seen: the least distances that its tests find, by number of seeds."""

import math

from m4jax.evaluation import paired
from m4jax.report.claims import ALPHA, ByClaim, Finding
from m4jax.report.claims_table import part_number, written
from m4jax.report.style import shown

SEEDS = (5, 10, 12, 20)


def tests(by_claim: ByClaim) -> int:
    """Returns the number of tests in the family of differences."""
    return sum(finding.tested for findings in by_claim.values() for finding in findings)


def section(by_claim: ByClaim) -> list[str]:
    """Returns the table of what other numbers of seeds could have shown, as lines of Markdown."""
    lines = [
        "## What could have been seen",
        "",
        "Computed afterwards, from the spread of these seeds: no plan, and rough. The least "
        "distance from zero (or from the margin) that the tests of the verdicts, by seeds and by "
        f"pictures, find 8 times of 10, corrected for {tests(by_claim)} contrasts; – where so few "
        "seeds can never reach the level. The last column is how many seeds it would take to find "
        "the distance that was seen as often. Seeds do not make up for pictures: “more pictures” "
        "where no number of seeds would do, though a verdict may have been reached all the same.",
        "",
        f"| contrast | distance seen | {' | '.join(f'{n} seeds' for n in SEEDS)} | seeds needed |",
        f"| --- | --- | {' | '.join('---' for _ in SEEDS)} | --- |",
    ]
    for claim, findings in by_claim.items():
        for place, finding in enumerate(findings):
            if finding.tested:
                text = written([f.part for f in findings], place)
                name = f"{part_number(claim, place)} {text}"
                lines.append(f"| {name} | {' | '.join(_cells(finding, tests(by_claim)))} |")
    return lines


def _cells(finding: Finding, count: int) -> list[str]:
    """Returns the distance that was seen, the least ones to be found, and the seeds needed."""
    effect, part = finding.effect, finding.part
    seen = (part.expected or 1) * part.distance(effect.mean)
    least = [math.nan] * len(SEEDS)
    if effect.deviation > 0:
        level = {"alpha": ALPHA / count, "pictures": effect.pictures}
        least = [paired.detectable(effect.deviation, n, **level) for n in SEEDS]
    distances = [shown(part.metric, seen, sign=True), *(shown(part.metric, x) for x in least)]
    return [*distances, f"{finding.needed:,}" if finding.needed else "more pictures"]
