"""Balances real captions and labels, and compares the defaults that the command could have.

    M4JAX_REAL=... python -m experiments.real_captions --config=configs/real_captions.py \
        --workdir=results/real-captions

annotates the captions of `real_sources.SOURCES` by their words, balances each with every one of
`VARIANTS`, as `experiments.balance` does, and writes tables and figures of what became of the
shares within labels, and between its marks the table of `README.md`; no captions. Minutes.
"""

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from experiments import command, real_report, real_sources
from experiments.real_sources import MAN
from m4jax import files, settings, tables
from m4jax.errors import InputError, nearest
from m4jax.files import parquet
from m4jax.report import style
from m4jax.tables import figures, outcome, solving
from m4jax.tables.outcome import UNDECIDED

# The defaults that the command could have, by name: the paper's bounds on E[q (s − π) y], at keep
# rate 0.5 and soft, as the command had them, or at the largest keep rate; bounds on the shares.
VARIANTS: dict[str, dict[str, Any]] = {
    "ε = 1e-3, half": {
        "eps_representation": 1e-3,
        "eps_association": 1e-3,
        "keep_rate": 0.5,
        "penalty": 10.0,
    },
    "ε = 1e-3": {"eps_representation": 1e-3, "eps_association": 1e-3},
    "ε = 1e-6": {"eps_representation": 1e-6, "eps_association": 1e-6},
    "±10 points": {"band": 0.10},
    "±5 points": {"band": 0.05},
    "±2 points": {"band": 0.02},
    "±0 points": {"band": 0.0},
}
DEFAULT = "±5 points"
TARGET = 0.5
ROUNDING = 1e-3  # of shares, as the verdicts have it
SHARE = ("name", "label", "verdict", "decided", "before_n", "before", "before_low", "before_high",
         "after_effective", "after", "after_low", "after_high", "gap_before",
         "gap_after")  # fmt: skip
RATES = (0.5, 0.7, 0.8, 0.84, 0.88, 0.92, 0.96, 1.0)


@dataclasses.dataclass(frozen=True)
class RealConfig:
    """What is balanced."""

    sources: tuple[str, ...] = tuple(real_sources.SOURCES)  # some of these
    lexicon: str = "en_v2"  # words by which captions are annotated
    frontier: tuple[float, ...] = RATES  # keep rates at which the default is solved

    def __post_init__(self):
        for name in self.sources:
            if name not in real_sources.SOURCES:
                hint = nearest(name, real_sources.SOURCES)
                raise InputError(f"config.sources: unknown {name!r}; {hint}")


def main(console: Console) -> int:
    """Balances, writes, and prints the table."""
    config = settings.record(RealConfig, command.config(), "config", "configs/real_captions.py")
    folder, root = command.workdir(), real_sources.root()
    summaries, shares, points = [], [], []
    with tempfile.TemporaryDirectory() as spare:
        for source in config.sources:
            table = real_sources.SOURCES[source](root, config.lexicon)
            made = dict(balanced(table, Path(spare) / source, config.frontier))
            decided = {row["label"] for row in made[DEFAULT].rows if row["verdict"] != UNDECIDED}
            for variant, one in made.items():
                about = {"source": source, "variant": variant}
                rows = [row | {"decided": row["label"] in decided - {""}} for row in one.rows]
                summaries.append(about | summary(one, rows))
                shares += [about | {name: row[name] for name in SHARE} for row in rows]
                points += [about | point for point in one.points]
                console.print(f"{source}, {variant}: kept {one.certificate['kept']:.1%}")
            _figure(made[DEFAULT], folder / "figures" / source)
    real_report.write(folder, summaries=summaries, shares=shares, points=points)
    console.print(real_report.markdown(summaries), soft_wrap=True)
    return 0


@dataclasses.dataclass(frozen=True)
class Made:
    """A balancing.

    Attributes:
        certificate: of its weights.
        rows: of its verdicts, the worst first.
        points: of its frontier; none if it was not asked for.
        code: the exit code of the command.
    """

    certificate: dict[str, Any]
    rows: list[dict[str, Any]]
    points: list[dict[str, Any]]
    code: int


def balanced(
    table: pa.Table, folder: Path, frontier: tuple[float, ...]
) -> Iterator[tuple[str, Made]]:
    """Yields what becomes of a table with every variant, by its name."""
    path = folder / "examples.parquet"
    path.parent.mkdir(parents=True)
    parquet.write(table, path)
    labels = tuple(name for name in table.column_names[1:] if name != MAN)
    fields = {"files": (str(path),), "attributes": (MAN,), "labels": labels}
    for variant, asked in VARIANTS.items():
        rates = frontier if variant == DEFAULT else ()
        config = tables.TableConfig(**fields | {"frontier": rates} | asked)
        job = tables.Job(config, folder / variant)
        for name in tables.stages(config):
            tables.STAGES[name](job, lambda what, done, total: None)
        points = files.read_sealed(job.frontier)["points"] if rates else []
        rows = solving.judged(job)
        code = outcome.exit_code(outcome.counts(rows), accepted=False)
        yield variant, Made(tables.certificate(job.folder), rows, points, code)


def summary(made: Made, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns a balancing in numbers: what is kept, and how far shares within labels are off.

    Args:
        made: the balancing.
        rows: of its verdicts, with `decided`: whether the share within that label counts here.
    """
    decided = [row for row in rows if row["decided"]]
    facts = {
        "examples": made.certificate["examples"],
        "kept": made.certificate["kept"],
        "effective": made.certificate["effective_sample_size"],
        "decided": len(decided),
        "undecided": sum(bool(row["label"]) for row in rows) - len(decided),
    }
    far = {
        when: np.array([abs(row[when] - TARGET) for row in decided]) for when in ("before", "after")
    }
    for when, distance in far.items():
        gaps = np.array([abs(row[f"gap_{when}"]) for row in decided])
        for points in (2, 5, 10):
            facts[f"within_{points}_{when}"] = int((distance <= points / 100 + ROUNDING).sum())
        facts[f"largest_{when}"] = float(distance.max(initial=0.0))
        facts[f"mean_{when}"] = float(distance.mean()) if decided else 0.0
        facts[f"gap_{when}"] = float(gaps.mean()) if decided else 0.0
    (all_,) = [row for row in rows if row["attribute"] and not row["label"]]
    facts |= {"all_before": all_["before"], "all_after": all_["after"]}
    facts["least_effective"] = float(min((row["after_effective"] for row in decided), default=0.0))
    found = outcome.counts(rows)
    return (
        facts
        | {name: found.get(name, 0) for name in outcome.WORST_FIRST}
        | {"exit_code": made.code}
    )


def _figure(made: Made, path: Path) -> None:
    """Draws the shares of a source, as the command does."""
    with style.page():
        drawn = figures.association(made.rows)
        if drawn:
            real_report.save(drawn[0], path, drawn[1])


if __name__ == "__main__":
    command.run(main)
