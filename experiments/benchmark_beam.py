r"""Prices balancing on many machines: what each step costs a core, and so 10 billion pairs.

    python -m experiments.benchmark_beam --config=configs/benchmark_beam.py --workdir=runs/price \
        --config.files="('captions.tsv.gz',)" --config.caption=0

runs the workers' code on one core of this machine and counts its processor time, reading and
writing of local files included. Not counted: the runner itself, starting workers, and waiting for
storage.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from ml_collections import ConfigDict
from rich.console import Console

from configs import balance as defaults
from experiments import command
from experiments.benchmark.show import show
from m4jax import files, tables
from m4jax.data.annotation.tables import BEAM, AnnotateConfig, Found
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.tables import engines

GROUP = 200_000  # rows of a row group
COLUMNS = ("step", "rows", "rows_a_second", "vcpu_hours", "dollars")


def main(console: Console) -> int:
    """Measures the steps, and prints and writes what they cost."""
    config, folder = ConfigDict(command.config()), command.workdir()
    engines.check_installed()
    from m4jax.tables.beam.stages import BeamJob

    folder.mkdir(parents=True, exist_ok=True)
    steps: list[dict[str, Any]] = []
    found = _annotate(config, folder, steps)
    labels = [name for name, _ in found.labels.most_common(config.labels)]
    path = _repeated(folder, labels, config.rows)
    fields = {"files": (str(path),), "attributes": ("man",), "labels": tuple(labels)}
    fields |= {"engine": BEAM, "threads": 1, "frontier": ()}
    balance = tables.table_config(defaults.get_config().to_dict() | fields)
    job = BeamJob(balance, folder / "balance")
    moved = _balance(job, steps)
    rows = _priced(config, steps, moved / config.rows)
    show(console, f"{config.pairs:,.0f} pairs", rows, COLUMNS)
    files.write_json(folder / "price.json", rows)
    return 0


def _annotate(config: ConfigDict, folder: Path, steps: list[dict[str, Any]]) -> Found:
    from m4jax.tables.beam import annotating

    asked = AnnotateConfig(files=tuple(config.files), caption=config.caption)
    found = Found()
    for number, path in enumerate(asked.files):
        part, start = annotating.Part(number, path, f"{number}/"), time.process_time()
        told = annotating.annotate_part(json.dumps(part), asked, str(folder), len(asked.files))
        seconds = time.process_time() - start
        record = json.loads(told)
        if "fault" in record:
            raise InputError(record["fault"])
        found.merge(record["found"])
        steps.append({"step": "annotate", "rows": record["rows"], "seconds": seconds})
    return found


def _repeated(folder: Path, labels: list[str], rows: int) -> Path:
    """Writes the annotated captions again and again, each time with other uids."""
    paths = sorted(folder.glob("examples-*.parquet"))
    whole = pa.concat_tables(parquet.read(path).select(["man", *labels]) for path in paths)
    path = folder / "repeated.parquet"
    chosen = np.random.default_rng(0).integers(0, len(whole), rows)
    table = whole.take(pa.array(chosen))
    uids = pa.array([f"shard-{i // 10_000:06d}/{i % 10_000:06d}" for i in range(rows)])
    parquet.write(table.add_column(0, "uid", uids), path, row_group_size=GROUP)
    return path


def _balance(job: Any, steps: list[dict[str, Any]]) -> int:
    """Folds, solves and assigns; returns how many bytes workers would send each other."""
    from m4jax.tables.beam import assigning, folding, stages

    pieces, rows, moved = job.table.pieces(), len(job.table), 0
    bare = folding.bare(job.table)
    worker = folding.FoldPiece(bare, len(pieces), job.config.memory_limit)
    start = time.process_time()
    for piece in pieces:
        moved += sum(len(x[1]) for x in worker.process(piece.text()) if isinstance(x, tuple))
    steps.append({"step": "fold", "rows": rows, "seconds": time.process_time() - start})
    for name in ("fold", "solve"):
        stages.STAGES[name](job, lambda what, done, total: None)
    solved = stages.solved(job)
    worker = assigning.AssignPiece(bare, str(job.folder), len(pieces), 1, solved)
    start = time.process_time()
    worker.setup()
    uids = [x.value[1] for piece in pieces for x in _uids(worker, piece)]
    list(assigning.twice((0, uids), job.config.memory_limit))
    worker.teardown()
    steps.append({"step": "assign", "rows": rows, "seconds": time.process_time() - start})
    return moved + sum(map(len, uids))


def _uids(worker: Any, piece: Any) -> Iterator[Any]:
    """Yields the uids that a worker sends on, after a look at what it tells."""
    for found in worker.process(piece.text()):
        if not isinstance(found, str):
            yield found
        elif "fault" in json.loads(found):
            raise InputError(found)


def _priced(config: ConfigDict, steps: list[dict[str, Any]], moved: float) -> list[dict[str, Any]]:
    """Returns a row for each step, for the shuffle, and for all."""
    rows = []
    for name in dict.fromkeys(step["step"] for step in steps):
        of = [step for step in steps if step["step"] == name]
        many, seconds = (sum(step[x] for step in of) for x in ("rows", "seconds"))
        hours = config.pairs * seconds / many / 3600
        rows.append({"step": name, "rows": many, "rows_a_second": many / seconds,
                     "vcpu_hours": hours, "dollars": hours * config.price})  # fmt: skip
    gigabytes = config.pairs * moved / 1e9
    shuffled = {"step": f"shuffle of {gigabytes:,.0f} GB", "dollars": gigabytes * config.shuffle}
    rows.append(dict.fromkeys(COLUMNS) | shuffled)
    total = {name: sum(row[name] or 0 for row in rows) for name in ("vcpu_hours", "dollars")}
    return [*rows, dict.fromkeys(COLUMNS) | {"step": "all"} | total]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    command.run(main)
