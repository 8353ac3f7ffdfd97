"""Effects of conditions: differences from another one, over seeds and over pictures."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.evaluation import metrics, paired
from m4jax.evaluation.metrics import Metric
from m4jax.files import parquet

# What is shown: RB with its sign and its size, mean |AB|, what a model is for.
SHOWN = (metrics.RB, metrics.RB_SIZE, metrics.AB, metrics.GENDER, metrics.OCCUPATIONS,
         metrics.THINGS, metrics.IMAGE_TO_TEXT, metrics.TEXT_TO_IMAGE)  # fmt: skip
NAMES = ("RB", "|RB|", "mean |AB|", "gender", "occupations", "things", "image→text R@5",
         "text→image R@5")  # fmt: skip
QUALITY = NAMES[3:]
FIELDS = ("value", "ci_low", "ci_high", "n", "metric_version")


@dataclasses.dataclass(frozen=True)
class Value:
    """A metric of a model: its value, and how it differs over resamples of the pictures."""

    value: float
    draws: np.ndarray


class Study:
    """All results, by condition and seed.

    Args:
        rows: each with condition, seed, metric, split, value and draws.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]]):
        self.rows = list(rows)
        self._values = {
            (row["condition"], row["seed"], row["metric"], row["split"]): Value(
                np.nan if row["value"] is None else row["value"], np.asarray(row["draws"], float)
            )
            for row in self.rows
        }
        self.conditions = tuple(dict.fromkeys(row["condition"] for row in self.rows))
        self.seeds = tuple(sorted({row["seed"] for row in self.rows}))

    def get(self, condition: str, seed: int, name: str) -> Value:
        """Returns a metric of `NAMES` of one model."""
        metric: Metric = SHOWN[NAMES.index(name)]
        found = self._values[condition, seed, metric.name, metric.split]
        if not metric.absolute:
            return found
        moved = np.abs(found.value + found.draws)
        return Value(abs(found.value), moved - moved.mean() if moved.size else moved)

    def level(self, condition: str, name: str, seeds: Sequence[int]) -> tuple[float, float]:
        """Returns mean and standard deviation over seeds; NaN where it can't be told."""
        values = np.array([self.get(condition, seed, name).value for seed in seeds])
        deviation = values.std(ddof=1) if len(values) > 1 else np.nan
        return float(values.mean()), float(deviation)

    def differences(
        self, condition: str, minus: str, name: str, seeds: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the differences [n] over seeds, and their draws [n, B] over pictures."""
        pairs = [[self.get(c, seed, name) for c in (condition, minus)] for seed in seeds]
        values = np.array([a.value - b.value for a, b in pairs])
        if any(x.draws.size == 0 for pair in pairs for x in pair):
            return values, None
        return values, np.stack([a.draws - b.draws for a, b in pairs])

    def mean(self, condition: str, name: str, seeds: Sequence[int]) -> dict[str, float]:
        """Returns the mean of a metric with its interval over seeds and pictures."""
        found = [self.get(condition, seed, name) for seed in seeds]
        values = np.array([x.value for x in found])
        draws = [x.draws for x in found]
        if not np.isfinite(values).all():
            return dict.fromkeys(("mean", "low", "high"), float("nan")) | {"n": len(seeds)}
        both = paired.effect(values, np.stack(draws) if all(x.size for x in draws) else None)
        return {"mean": both.mean, "low": both.low, "high": both.high, "n": both.n}

    def effect(
        self, condition: str, minus: str, name: str, seeds: Sequence[int]
    ) -> dict[str, float]:
        """Returns a mean difference with its intervals: over both, pictures alone, seeds alone."""
        values, draws = self.differences(condition, minus, name, seeds)
        if not np.isfinite(values).all():
            names = ("mean", "low", "high", "pictures", "seeds", "p")
            return dict.fromkeys(names, float("nan")) | {"n": len(seeds)}
        both, alone = paired.effect(values, draws), paired.effect(values)
        return {
            "mean": both.mean,
            "low": both.low,
            "high": both.high,
            "pictures": 1.96 * both.pictures,  # half an interval
            "seeds": alone.high - alone.mean,
            "p": paired.wilcoxon(values),
            "n": both.n,
        }


SCHEMA = pa.schema(
    [
        ("condition", pa.string()), ("seed", pa.int64()), ("run_id", pa.string()),
        ("metric", pa.string()), ("split", pa.string()), ("value", pa.float64()),
        ("ci_low", pa.float64()), ("ci_high", pa.float64()), ("n", pa.int64()),
        ("metric_version", pa.string()), ("draws", pa.list_(pa.float32())),
    ]
)  # fmt: skip


def shown(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns those of a model's results that the study shows."""
    wanted = {(metric.name, metric.split) for metric in SHOWN}
    kept = [row for row in results if (row["metric"], row["split"]) in wanted and not row["label"]]
    return [{name: row[name] for name in ("metric", "split", "draws", *FIELDS)} for row in kept]


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes `results.parquet`, with a checksum beside it."""
    with files.atomic(path) as temporary:
        parquet.write(pa.Table.from_pylist(list(rows), SCHEMA), temporary)


def read(path: Path) -> Study:
    """Reads `results.parquet`."""
    return Study(parquet.read(path).to_pylist())
