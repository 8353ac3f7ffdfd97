"""Examples whose labels are lists in one column of parquet: numbers, or names."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from m4jax.balance.sparse_labels import from_offsets
from m4jax.errors import InputError, nearest
from m4jax.files import parquet

ROWS = 1 << 18  # at a time


class Examples(NamedTuple):
    """What `read_label_lists` returns, in the order of the files and of their rows."""

    uids: np.ndarray  # [n] text or numbers, as they are stored
    attributes: np.ndarray  # [n, m] float64, NaN where unknown
    labels: sparse.csr_array  # [n, c] 0 or 1
    names: tuple[str, ...]  # [c] of the labels


def read_label_lists(
    paths: Iterable[str | os.PathLike],
    *,
    uid: str,
    attributes: Sequence[str],
    column: str,
    names: Sequence[str] | None = None,
) -> Examples:
    """Reads examples whose labels are lists; nothing of the size n × c is made.

    Args:
        paths: parquet files with the same columns.
        uid: the column that names an example, each at most once.
        attributes: columns of bool or numbers; null: unknown.
        column: of lists of the labels that an example has: numbers from 0, or names. Null or an
            empty list: none. What comes twice counts once.
        names: of the labels: of lists of names those that count, others are passed over; of lists
            of numbers what each is called. None: all names that occur, sorted; or "label 0" up to
            the largest number.

    Raises:
        InputError: if a file can't be read, lacks a column or has one of another type, a uid comes
            twice, or a number has no name.
    """
    wanted = [uid, *attributes, column]
    tables = [_table(str(path), wanted) for path in paths]
    if not tables:
        raise InputError("there are no files; expected the paths of parquet files")
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowInvalid as error:
        raise InputError(f"the files' columns differ: {error}") from None
    uids = table[uid].combine_chunks()
    _check_uids(uid, uids)
    values = [_attribute(name, table[name]) for name in attributes]
    lists = table[column].combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    flat = pc.list_flatten(lists)
    if flat.null_count:
        raise InputError(f"column {column!r} has lists with nulls in them; expected labels")
    read = _numbers if pa.types.is_integer(flat.type) else _named
    labels, names = read(flat, indptr, names)
    matrix = np.stack(values, axis=1) if values else np.zeros((len(uids), 0))
    return Examples(uids.to_numpy(zero_copy_only=False), matrix, labels, names)


def _table(path: str, wanted: Sequence[str]) -> pa.Table:
    """Returns columns of a file, checked."""
    schema, _ = parquet.schema(path)
    for name in wanted:
        if name not in schema.names:
            raise InputError(f"{path} has no column {name!r}; {nearest(name, schema.names)}")
    kind = schema.field(wanted[-1]).type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    inner = kind.value_type if lists else kind
    text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if not lists or not (pa.types.is_integer(inner) or text):
        raise InputError(
            f"{path}: column {wanted[-1]!r} is of type {kind}; expected lists of whole numbers or "
            "of text"
        )
    names = list(dict.fromkeys(wanted))
    batches = list(parquet.batches(path, ROWS, names))
    return pa.Table.from_batches(batches, schema=None if batches else schema).select(names)


def _check_uids(name: str, uids: pa.Array) -> None:
    if uids.null_count:
        raise InputError(f"column {name!r} has {uids.null_count} nulls; expected a uid for each")
    counts = pc.value_counts(uids)
    twice = pc.filter(counts, pc.greater(counts.field("counts"), 1))
    if len(twice):
        first = twice[0]["values"].as_py()
        raise InputError(f"column {name!r} has {first!r} more than once; expected distinct uids")


def _attribute(name: str, column: pa.ChunkedArray) -> np.ndarray:
    """Returns an attribute `[n]`, NaN where it is null."""
    kind = column.type
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InputError(f"column {name!r} is of type {kind}; expected bool or numbers")
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    values = column.cast(pa.float64()).combine_chunks()
    return pc.fill_null(values, float("nan")).to_numpy(zero_copy_only=False)


def _numbers(
    flat: pa.Array, indptr: np.ndarray, names: Sequence[str] | None
) -> tuple[sparse.csr_array, tuple[str, ...]]:
    indices = flat.to_numpy(zero_copy_only=False).astype(np.int64)
    if names is None:
        names = [f"label {r}" for r in range(int(indices.max(initial=-1)) + 1)]
    return from_offsets(indices, indptr, len(names)), tuple(names)


def _named(
    flat: pa.Array, indptr: np.ndarray, names: Sequence[str] | None
) -> tuple[sparse.csr_array, tuple[str, ...]]:
    if names is None:
        names = sorted(pc.unique(flat).to_pylist())
    known: Any = pa.array(list(names), flat.type)
    places = pc.fill_null(pc.index_in(flat, value_set=known), -1).to_numpy(zero_copy_only=False)
    kept = places >= 0
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return from_offsets(places[kept].astype(np.int64), before[indptr], len(names)), tuple(names)
