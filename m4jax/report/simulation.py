"""Studies of which the truth is known, through the whole analysis: its errors and its power.

Source: derived.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation.metrics import Metric
from m4jax.report import claims as testing
from m4jax.report.claims import ByClaim, Claim, Finding, Part
from m4jax.report.contrasts import Pairs, Unit
from m4jax.report.results import Rows

TRUTHS = ("nothing", "smallest", "planned")
VERDICTS = ("supported", "supported in part", "no effect", "contradicted", "undecided",
            "not tested")  # fmt: skip


class Chance(NamedTuple):
    """How far runs differ by chance, by metric ("objects/acc1": split and name).

    Attributes:
        seeds: standard deviation, over seeds, of the difference of two runs of one seed.
        pictures: standard deviation of the mean of such differences over other pictures.
    """

    seeds: Mapping[str, float]
    pictures: Mapping[str, float]


def key(metric: Metric) -> str:
    """Returns what a metric is called here: its split and its name."""
    return f"{metric.split}/{metric.name}"


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What is tested, and what is true.

    Attributes:
        claims: to test.
        chance: of the runs.
        truth: one of `TRUTHS`; see `effect`.
        planned: metric, or claim and metric ("9 objects/acc1"), -> the effect that is planned.

    Raises:
        InputError: for a metric of which no chance is given, or an unknown truth.
    """

    claims: Sequence[Claim]
    chance: Chance
    truth: str
    planned: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if self.truth not in TRUTHS:
            raise InputError(f"truth: expected one of {', '.join(TRUTHS)}, got {self.truth!r}")
        for part in (part for claim in self.claims for part in claim.parts):
            for name in ("seeds", "pictures"):
                if key(part.metric) not in getattr(self.chance, name):
                    raise InputError(f"chance: {name}: {key(part.metric)} is missing; give its "
                                     "standard deviation")  # fmt: skip

    def mean(self, claim: Claim, part: Part) -> float:
        """Returns the true mean of a contrast of a claim."""
        name = key(part.metric)
        planned = self.planned.get(f"{claim.number} {name}", self.planned.get(name, 0.0))
        return effect(part, self.truth, planned)


def effect(part: Part, truth: str, planned: float = 0.0) -> float:
    """Returns the true mean of a part's contrast in a kind of world.

    "nothing": 0, and exactly at the margin where there is one. "smallest": exactly m on the side
    that is expected, where there is an m; else as in "nothing". "planned": as large as planned on
    the side that is expected, and 0 where no difference is.
    """
    if truth == "planned":
        return part.expected * planned
    if truth == "smallest" and part.smallest:
        return (part.expected or 1) * part.smallest
    return 0.0 - part.expected * part.margin


def simulate(
    scenario: Scenario, *, seeds: int, studies: int, random_seed: int = 0
) -> Iterator[ByClaim]:
    """Yields what `claims.judge` finds in each of some studies.

    Each set of levels that contrasts name is a run for each seed, with chance of its own that all
    contrasts with this run share; what other pictures would change is shared by all seeds. Of a
    contrast with alternatives the first is taken.

    Args:
        scenario: what is tested, and what is true.
        seeds: in each study.
        studies: how many.
        random_seed: of all that is drawn.
    """
    rng = np.random.default_rng(random_seed)
    units = tuple(Unit((), seed) for seed in range(seeds))
    for _ in range(studies):
        runs: dict[tuple, tuple[np.ndarray, float]] = {}
        pairs = {
            claim.number: [
                _pairs(part, scenario.mean(claim, part), units, scenario.chance, runs, rng)
                for part in claim.parts
            ]
            for claim in scenario.claims
        }
        yield testing.judge(scenario.claims, pairs)


def _pairs(
    part: Part,
    mean: float,
    units: tuple[Unit, ...],
    chance: Chance,
    runs: dict[tuple, tuple[np.ndarray, float]],
    rng: np.random.Generator,
) -> Pairs:
    """Returns the values of a contrast; `runs`: those that are drawn already."""
    name = key(part.metric)
    values, spread = np.full(len(units), mean), 0.0
    for a, levels in part.contrast.alternatives[0]:
        of_run = (name, *sorted({**part.contrast.fixed, **levels}.items()))
        if of_run not in runs:
            own = rng.normal(0, chance.seeds[name] / np.sqrt(2), len(units))
            runs[of_run] = own, rng.normal(0, chance.pictures[name] / np.sqrt(2))
        values = values + a * sum(runs[of_run])
        spread += a**2 * chance.pictures[name] ** 2 / 2
    moved = np.tile([np.sqrt(spread), -np.sqrt(spread)], (len(units), 1))
    return Pairs(values, moved, units, ((),) * len(units))


def false_difference(finding: Finding, mean: float) -> bool:
    """Tells whether a difference is called what it is not, given the true mean."""
    part = finding.part
    distance = float(part.distance(mean))
    if part.expected == 0:
        return finding.verdict == "contradicted" and distance >= 0
    return (finding.verdict == "supported" and distance <= 0) or (
        finding.verdict == "contradicted" and distance >= 0
    )


def false_null(finding: Finding, mean: float) -> bool:
    """Tells whether a true mean of m or more is said to be within ±m."""
    return finding.small and abs(mean) >= finding.part.smallest


def rates(
    scenario: Scenario, *, seeds: int, studies: int, random_seed: int = 0
) -> tuple[Rows, dict[str, float | int | str]]:
    """Returns the shares of verdicts by claim and contrast, and those of studies that err.

    Arguments are those of `simulate`.
    """
    found = list(simulate(scenario, seeds=seeds, studies=studies, random_seed=random_seed))
    base, rows = {"truth": scenario.truth, "seeds": seeds}, []
    false = np.zeros((2, studies), bool)
    for claim in scenario.claims:
        of_claim = [testing.verdict(claim, study[claim.number]) for study in found]
        rows.append(base | {"claim": claim.number, "contrast": ""} | _shares(of_claim))
        for i, part in enumerate(claim.parts):
            if not part.decides:
                continue
            findings = [study[claim.number][i] for study in found]
            mean = scenario.mean(claim, part)
            false |= [[rule(f, mean) for f in findings] for rule in (false_difference, false_null)]
            rows.append(
                base
                | {"claim": claim.number, "contrast": part.text, "true": mean}
                | _shares([f.verdict for f in findings])
            )
    fields = ("truth", "seeds", "claim", "contrast", "true", *VERDICTS)
    rows = [{field: row.get(field, "") for field in fields} for row in rows]
    wrong = {"false_difference": float(false[0].mean()), "false_null": float(false[1].mean())}
    return rows, base | {"studies": studies} | wrong


def _shares(verdicts: Sequence[str]) -> dict[str, float]:
    return {name: verdicts.count(name) / len(verdicts) for name in VERDICTS}
