"""Weights on disk: `weights.parquet` (uid, weight) and `weights.json` (their certificate).

Many machines leave `weights-00000-of-00032.parquet`, … in its place: the same rows in the same
order, in pieces, which the certificate lists with their checksums.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet

SHARDS = "shards"  # in a certificate: name, number of rows and SHA-256 of each file of weights


def write(
    folder: str | os.PathLike,
    *,
    uids: Sequence[str],
    weights: np.ndarray,
    certificate: Mapping[str, Any],
) -> None:
    """Writes weights [n] and their certificate; the certificate comes last and marks completion."""
    with writing(folder, certificate) as temporary:
        parquet.write(pa.table({"uid": list(uids), "weight": np.asarray(weights)}), temporary)


@contextlib.contextmanager
def writing(folder: str | os.PathLike, certificate: Mapping[str, Any]) -> Iterator[Path]:
    """Yields the path to write the table (uid, weight) to, in any number of pieces.

    When the block succeeds the table takes its place, and then the certificate, with the table's
    SHA-256 and its own, is written beside it and marks completion.
    """
    folder = Path(folder)
    with files.atomic(folder / "weights.parquet") as temporary:
        yield temporary
    files.seal_file(folder / "weights.parquet", **certificate)


def is_intact(folder: str | os.PathLike) -> bool:
    """Tells whether the weights are those that the certificate was written for."""
    try:
        shards = certificate(folder).get(SHARDS)
        if shards is None:
            files.sealed_file(Path(folder) / "weights.parquet")
            return True
    except InputError:  # missing or damaged
        return False
    return all(files.sha256(Path(folder) / x["name"]) == x["sha256"] for x in shards)


def names(certificate: Mapping[str, Any]) -> list[str]:
    """Returns the names of the files of weights, in the order of the examples."""
    return [shard["name"] for shard in certificate.get(SHARDS, [{"name": "weights.parquet"}])]


def remove(folder: str | os.PathLike) -> None:
    """Removes the weights, and who is kept by them."""
    folder = Path(folder)
    shards = [x for name in ("weights", "kept") for x in folder.glob(f"{name}-*-of-*.parquet")]
    for name in ("weights.json", "weights.parquet", "kept.json", "kept.parquet", *shards):
        (folder / name).unlink(missing_ok=True)


def certificate(folder: str | os.PathLike) -> dict[str, Any]:
    """Returns the certificate of the weights.

    Raises:
        InputError: if there is none.
        DamagedError: if it is not what was written.
    """
    return files.read_sealed(Path(folder) / "weights.json")


def read(folder: str | os.PathLike, uids: Sequence[str] | Sequence[int]) -> np.ndarray:
    """Returns the weights [n] in the order of `uids`.

    Raises:
        InputError: if the file is missing, or if it lacks any of the examples; the message tells
            the coverage.
        DamagedError: if it is damaged.
    """
    path = Path(folder) / "weights.parquet"
    mark = path.with_suffix(".json")
    if not path.exists() and not (mark.exists() and SHARDS in certificate(folder)):
        raise InputError(f"{path}: no such file; run the balancing first")
    if not is_intact(folder):
        raise DamagedError(
            f"{path}: damaged (it is not what weights.json was written for, or that is damaged "
            "itself); delete its directory and run again"
        )
    table = pa.concat_tables(parquet.read(Path(folder) / x) for x in names(certificate(folder)))
    stored = table["uid"].combine_chunks()
    wanted = pa.array(uids.tolist() if isinstance(uids, np.ndarray) else uids)
    types = f"{path}: its uids are of type {stored.type}, those asked for {wanted.type}"
    if len(wanted) and not (_is_uid(wanted.type) and _is_uid(stored.type)):
        raise InputError(f"{types}; expected text or whole numbers")
    if alike := wanted.type == stored.type:
        places = pc.index_in(wanted, value_set=stored)
    else:  # 7 and "7" agree, "007" is another one
        places = pc.index_in(wanted.cast(pa.string()), value_set=stored.cast(pa.string()))
    if not alike and places.null_count == len(wanted) > 0:
        raise InputError(f"{types}; these weights were made for other data")
    if places.null_count:
        raise InputError(
            f"{path}: has weights for {len(wanted) - places.null_count:,} of {len(wanted):,} "
            "examples; these weights were made for other data"
        )
    return table["weight"].to_numpy()[places.to_numpy()]


def _is_uid(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)
