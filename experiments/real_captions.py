"""Balances real captions and labels, and compares the defaults that the command could have.

    M4JAX_REAL=... python -m experiments.real_captions --config=configs/real_captions.py \
        --workdir=results/real-captions

annotates the captions of `real_sources.SOURCES` by their words, balances each with every one of
`VARIANTS`, as `experiments.balance` does, and writes tables and figures of what became of the
shares within labels, and between its marks the table of `README.md`; no captions. Minutes.
"""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.console import Console

from experiments import command, real_report, real_sources
from m4jax import files, settings, tables
from m4jax.errors import InputError, nearest
from m4jax.files import parquet
from m4jax.report import style
from m4jax.tables import outcome

# The defaults that the command could have, by name. The first is what it had: the paper's bounds on
# E[q (s − π) y], soft. The others bound the shares within labels, at the largest keep rate.
VARIANTS: dict[str, dict[str, Any]] = {
    "absolute 1e-3": {
        "eps_representation": 1e-3,
        "eps_association": 1e-3,
        "keep_rate": 0.5,
        "penalty": 10.0,
    },
    "±10 points": {"band": 0.10},
    "±5 points": {"band": 0.05},
    "±2 points": {"band": 0.02},
}
DEFAULT = "±5 points"
RATES = tuple(round(0.1 * i, 1) for i in range(1, 11))


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
            place = Path(spare) / source
            table = real_sources.SOURCES[source](root, config.lexicon)
            for variant, made in balanced(table, place, config.frontier):
                console.print(f"{source}, {variant}: kept {made.certificate['kept']:.1%}")
                about = {"source": source, "variant": variant}
                summaries.append(about | summary(made))
                shares += [about | row for row in made.rows]
                points += [about | point for point in made.points]
                if variant == DEFAULT:
                    _figure(made, folder / "figures" / source)
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
    columns = table.column_names[1:]
    fields = {
        "files": (str(path),),
        "attributes": (real_sources.MAN,),
        "labels": tuple(name for name in columns if name != real_sources.MAN),
        "allow_violations": True,
    }
    for variant, asked in VARIANTS.items():
        rates = frontier if variant == DEFAULT else ()
        config = tables.TableConfig(**fields | {"frontier": rates, "penalty": np.inf} | asked)
        job = tables.Job(config, folder / variant)
        for name in tables.stages(config):
            tables.STAGES[name](job, lambda what, done, total: None)
        certificate = tables.certificate(job.folder)
        points = files.read_sealed(job.frontier)["points"] if rates else []
        rows = outcome.judge(job.whole(job.patterns()), job.weights())
        code = outcome.exit_code(outcome.counts(rows), accepted=False)
        yield variant, Made(certificate, rows, points, code)


def summary(made: Made) -> dict[str, Any]:
    """Returns a balancing in numbers: what is kept, and how far shares within labels are off."""
    target = 0.5
    within = [row for row in made.rows if row["label"]]
    decided = [row for row in within if row["verdict"] != outcome.UNDECIDED]
    far = {
        when: np.array([abs(row[when] - target) for row in decided]) for when in ("before", "after")
    }
    gaps = {
        when: np.array([abs(row[f"gap_{when}"]) for row in decided]) for when in ("before", "after")
    }
    facts = {
        "examples": made.certificate["examples"],
        "kept": made.certificate["kept"],
        "effective": made.certificate["effective_sample_size"],
        "labels": len(within),
        "decided": len(decided),
        "undecided": len(within) - len(decided),
    }
    for points in (2, 5, 10):
        for when, distance in far.items():
            facts[f"within_{points}_{when}"] = int((distance <= points / 100 + 1e-6).sum())
    for when in far:
        facts[f"largest_{when}"] = float(far[when].max(initial=0.0))
        facts[f"mean_{when}"] = float(far[when].mean()) if decided else 0.0
        facts[f"gap_{when}"] = float(gaps[when].mean()) if decided else 0.0
    least = [row["after_effective"] for row in decided]
    facts["least_effective"] = float(np.min(least, initial=np.inf))
    names = ("violated", "vacuous", "can't be", "balanced", "was balanced")
    found = outcome.counts(made.rows)
    return facts | {name: found.get(name, 0) for name in names} | {"exit_code": made.code}


def _figure(made: Made, path: Path) -> None:
    """Draws the shares of a source, as the command does."""
    with style.page():
        drawn = tables.figures.association(made.rows)
        if drawn:
            style.save(drawn[0], path, drawn[1])
