"""Which examples of a collection are kept, and with which weights, joined by uid.

Weights are `weights.parquet` (uid, weight) as `experiments.balance` writes it, with its certificate
or without, or `kept.parquet` (uid), of whom each is kept. A join that leaves examples without a
weight is refused: weights made for other data look just like that.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m4jax import files
from m4jax.data.readers.collection import UID, Collection
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.tables import selection, weights

WEIGHT = "weight"
_NAMED = 3  # uids in a message


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights by uid.

    Attributes:
        name: where they are from.
        uids: as text.
        weights: [w] q in [0, 1].
        decided: whether they say who is kept already: all of them are.
    """

    name: str
    uids: pa.Array
    weights: np.ndarray
    decided: bool = False


@dataclasses.dataclass(frozen=True)
class Coverage:
    """How the weights fit the examples.

    Attributes:
        examples: of the collection.
        weighed: of these, how many have a weight.
        unused: weights that are of none of them.
        kept: examples that are kept.
        weight: Σ q of the examples, how many would be kept on average.
    """

    examples: int
    weighed: int
    unused: int
    kept: int
    weight: float

    def __str__(self) -> str:
        return (
            f"{self.weighed:,} of {self.examples:,} examples have a weight, and {self.unused:,} "
            f"weights are of none of them; kept are {self.kept:,} "
            f"({self.kept / self.examples:.1%}; the weights sum to {self.weight:,.1f})"
        )


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What is kept of a collection; row i is example i.

    Attributes:
        weights: [n] q; 0 where there is none.
        kept: bool [n].
        coverage: how it came about.
    """

    weights: np.ndarray
    kept: np.ndarray
    coverage: Coverage

    @property
    def rows(self) -> np.ndarray:
        """Returns which rows are kept, ascending."""
        return np.flatnonzero(self.kept)


def read(path: str) -> Weights:
    """Reads weights, or who is kept.

    Args:
        path: the folder of a balancing; or a parquet file with the columns uid and weight, or uid
            alone.

    Raises:
        InputError: if there are none, they are not in [0, 1], or a uid stands twice.
        DamagedError: if they are not what their certificate was written for.
    """
    folder = Path(path)
    if not folder.exists():
        raise InputError(
            f"config.weights: {path}: no such folder or file; expected the --workdir of "
            "experiments.balance, or a parquet file with the columns uid and weight"
        )
    if folder.is_dir():
        certificate = weights.certificate(folder)
        if not weights.is_intact(folder):
            raise DamagedError(f"{path}: the weights are not what weights.json was written for; "
                               "balance again")  # fmt: skip
        table = pa.concat_tables(parquet.read(folder / x) for x in weights.names(certificate))
    else:
        table = parquet.read(path)
        if folder.with_suffix(".json").exists():
            files.sealed_file(path)
    if UID not in table.column_names:
        raise InputError(f"{path}: expected the columns uid and weight, got {table.column_names}")
    uids = _texts(table[UID], path)
    decided = WEIGHT not in table.column_names
    values = np.ones(len(uids)) if decided else _numbers(table[WEIGHT], path)
    return Weights(path, uids, values, decided)


def choose(found: Weights, collection: Collection, *, seed: int, leave_out: bool = False) -> Chosen:
    """Returns who is kept of a collection: `selection.keep`, by seed and uid.

    Args:
        found: the weights.
        collection: the examples.
        seed: with the same one, a larger weight never drops what a smaller one keeps. Of weights
            that say who is kept it plays no role.
        leave_out: drop examples without a weight, in place of refusing them.

    Raises:
        InputError: if examples have no weight, and are not to be left out, or none has one.
    """
    blocks = [block[UID] for block in collection.blocks()]
    uids = pa.chunked_array([x for block in blocks for x in block.chunks], pa.string())
    places = pc.index_in(uids, value_set=found.uids).combine_chunks()
    known = places.is_valid().to_numpy(zero_copy_only=False)
    _check(found, collection, uids, known, leave_out)
    place = places.fill_null(0).to_numpy()
    q = np.where(known, found.weights[place], 0.0)
    kept = known.copy()
    if not found.decided:
        kept = selection.keep(uids.to_pylist(), q, seed=seed)
    unused = len(found.uids) - int(known.sum())
    coverage = Coverage(len(q), int(known.sum()), unused, int(kept.sum()), float(q.sum()))
    return Chosen(q, kept, coverage)


def _check(
    found: Weights, collection: Collection, uids: pa.ChunkedArray, known: np.ndarray, out: bool
) -> None:
    # Who is kept need not be listed otherwise: of those lists, only a few that fit are no reason.
    missing = int((~known).sum())
    if not known.any() or (missing and not out and not found.decided):
        absent = [uids[int(i)].as_py() for i in np.flatnonzero(~known)[:_NAMED]]
        raise InputError(
            f"{found.name}: has weights for {len(known) - missing:,} of the {len(known):,} "
            f"examples of {collection.name}; it lacks {_quoted(absent)}, and begins with "
            f"{_quoted(found.uids[:_NAMED].to_pylist())}. They were made for other data, or its "
            "uids are read differently: see config.uid; config.leave_out drops examples that have "
            "none"
        )


def _quoted(uids: Sequence[str]) -> str:
    return ", ".join(map(repr, uids))


def _texts(column: pa.ChunkedArray, path: str) -> pa.Array:
    kind = column.type
    if not (
        pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
    ):
        raise InputError(f"{path}: expected uids of text or whole numbers, got {kind}")
    uids = column.cast(pa.string()).combine_chunks()
    uids = uids.combine_chunks() if isinstance(uids, pa.ChunkedArray) else uids
    if uids.null_count:
        raise InputError(f"{path}: {uids.null_count:,} uids are NULL")
    if len(uids.unique()) < len(uids):
        counts = pc.value_counts(uids)
        twice = counts.filter(pc.greater(counts.field("counts"), 1))[0]["values"]
        raise InputError(f"{path}: the uid {twice.as_py()!r} stands twice")
    return uids


def _numbers(column: pa.ChunkedArray, path: str) -> np.ndarray:
    kind = column.type
    if column.null_count or not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        raise InputError(f"{path}: expected weights that are numbers, got {kind}, some may be NULL")
    values = column.to_numpy().astype(float)
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"{path}: expected weights in [0, 1]")
    return values
