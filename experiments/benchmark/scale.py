"""Examples by the billion: written to parquet as packed bits, grouped, folded, balanced."""

import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.benchmark import instances
from m4jax import balance, files
from m4jax.tables import folding, sql
from m4jax.tables.columns import Columns
from m4jax.tables.table import open_table

KIND = "tail"
HALF = instances.LABELS // 2  # labels that are drawn at once
FILE, GROUP = 10_000_000, 1_000_000  # rows of a file and of a row group
BLOCK = 1 << 24  # bytes read at a time
COLUMNS = Columns(
    uid="uid",
    attributes=tuple(f"attribute {k}" for k in range(instances.ATTRIBUTES)),
    labels=tuple(f"label {r}" for r in range(instances.LABELS)),
    packed="bits",
)


def write(folder: Path, n: int, seed: int) -> list[str]:
    """Writes examples (uid, bits) and returns the files; those that are there are left alone."""
    paths = [folder / f"{i:05d}.parquet" for i in range(-(-n // FILE))]
    half = [_alias(_halves(labels)) for labels in (slice(None, HALF), slice(HALF, None))]

    def one(i: int) -> None:
        if not paths[i].exists():
            with files.atomic(paths[i]) as temporary:
                _write_file(temporary, i * FILE, min(n, (i + 1) * FILE), [seed, i], half)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(len(paths))))
    return [str(path) for path in paths]


def _write_file(path: Path, first: int, last: int, seed: list[int], half: list) -> None:
    draw = np.random.default_rng(seed)
    schema = pa.schema({"uid": pa.int64(), "bits": pa.uint32()})
    # Dictionaries would be as large as the bits themselves; uids in sequence take next to nothing.
    encoding = {"use_dictionary": ["bits"], "column_encoding": {"uid": "DELTA_BINARY_PACKED"}}
    with pq.ParquetWriter(path, schema, **encoding) as writer:
        for begin in range(first, last, GROUP):
            size = min(GROUP, last - begin)
            columns = [np.arange(begin, begin + size), draw_bits(draw, size, half)]
            writer.write_table(pa.table(columns, schema=schema))


def draw_bits(draw: np.random.Generator, size: int, half: list) -> np.ndarray:
    """Returns `[size]` examples as bits: attributes first, then the labels of either half."""
    group = np.zeros(size, np.uint32)
    for k, share in enumerate(instances.MEN):
        group |= (draw.random(size, np.float32) < share).astype(np.uint32) << np.uint32(k)
    bits = group.copy()
    for place, (keep, other) in enumerate(half):
        where = draw.integers(0, 1 << HALF, size, np.uint32) | group << np.uint32(HALF)
        stay = draw.random(size, np.float32) < keep[where]
        state = np.where(stay, where & np.uint32((1 << HALF) - 1), other[where])
        bits |= state << np.uint32(instances.ATTRIBUTES + place * HALF)
    return bits


def _halves(labels: slice) -> np.ndarray:
    """Returns P(labels | attributes) `[4, 2^15]` for every set of some 15 labels."""
    chance = instances.label_chances(instances.FREQUENCIES[KIND])[:, labels]
    table = np.ones((len(chance), 1))
    for r in range(HALF):  # bit r of the column number is label r
        yes = chance[:, r : r + 1]
        table = np.concatenate([table * (1 - yes), table * yes], axis=1)
    return table


def _alias(chances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns how to draw from each row in one look-up, both flat: P(stay) and where else to go.

    A uniform column stays with that probability or goes to the other (Walker's alias method).
    """
    keep, other = np.ones(chances.shape), np.tile(np.arange(chances.shape[1]), (len(chances), 1))
    for row, chance in enumerate(chances * chances.shape[1]):
        chance = chance.copy()
        small = list(np.flatnonzero(chance < 1))
        large = list(np.flatnonzero(chance >= 1))
        while small and large:
            low, high = small.pop(), large[-1]
            keep[row, low], other[row, low] = chance[low], high
            chance[high] -= 1 - chance[low]
            if chance[high] < 1:
                small.append(large.pop())
    return keep.astype(np.float32).ravel(), other.astype(np.uint32).ravel()


def read(paths: Sequence[str], repeat: int) -> dict[str, Any]:
    """Times reading the files as they are, which also brings them into the system's cache."""
    begin, size = time.perf_counter(), 0
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while block := file.read(BLOCK):
                size += len(block)
    return {"seconds": time.perf_counter() - begin, "bytes": size}


def group_by(
    engine: str, paths: Sequence[str], memory_limit: str, spill: str, repeat: int
) -> dict[str, Any]:
    """Times the bare `SELECT bits, count(*) GROUP BY bits` of DuckDB or Polars."""
    begin = time.perf_counter()
    if engine == "duckdb":
        config = {"memory_limit": memory_limit, "temp_directory": spill}
        with duckdb.connect(config=config) as connection:
            query = "SELECT bits, count(*) FROM read_parquet(?) GROUP BY bits"
            rows = len(connection.execute(query, [list(paths)]).to_arrow_table())
    else:
        import polars

        lazy = polars.scan_parquet(list(paths)).group_by("bits").agg(polars.len())
        rows = len(lazy.collect(engine="streaming"))
    return {"seconds": time.perf_counter() - begin, "patterns": rows}


def fold_and_solve(
    paths: Sequence[str], memory_limit: str, spill: str, repeat: int
) -> dict[str, Any]:
    """Times the way from files to the certified solution, and solves again without compiling."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=spill) as folder:
        fold = Path(folder) / "fold.parquet"
        with sql.connect(folder, memory_limit=memory_limit) as connection:
            folding.fold(connection, open_table(connection, paths, COLUMNS), fold)
        found = folding.load(fold, COLUMNS)
    folded = time.perf_counter()
    problem = balance.Problem(
        found.attributes, found.labels, counts=found.counts, **instances.settings(KIND)
    )
    checked = time.perf_counter()
    solution = balance.solve(problem)
    cold = time.perf_counter()
    balance.solve(problem)
    hot = time.perf_counter()
    return {
        "seconds": checked - begin + hot - cold,
        "fold_seconds": folded - begin,
        "problem_seconds": checked - folded,
        "solve_seconds": hot - cold,
        "compile_seconds": (cold - checked) - (hot - cold),
        "patterns": len(found.counts),
        "examples": int(found.counts.sum()),
        "status": solution.status.name,
        "relative_gap": solution.duality_gap / solution.objective,
        "steps": solution.steps,
    }
