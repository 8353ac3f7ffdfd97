"""The checksum of a table of results: of what is read from it, not of its file."""

import hashlib
import json

import numpy as np
import pyarrow as pa

LEVELS = b"levels"  # keys of the file's metadata: see `results.Results`
EVALUATIONS = b"evaluations"  # likewise
REGISTRATION = b"registration"  # likewise
CONTENT = b"content"  # likewise: the checksum of all that is read from it


def digest(table: pa.Table) -> bytes:
    """Returns the SHA-256 of what is read from a table: levels, evaluations, names, types, values.

    It depends neither on how the file is laid out nor on who writes it.
    """
    metadata = table.schema.metadata or {}
    found = hashlib.sha256(metadata.get(LEVELS, b""))
    for name in (EVALUATIONS, REGISTRATION):
        if name in metadata:
            found.update(b"\n" + name + b"\n" + metadata[name] + b"\n")
    for field, chunks in zip(table.schema, table.columns, strict=True):
        column = chunks.combine_chunks()
        lists = pa.types.is_list(field.type)
        kind = str(
            field.type.value_type if lists else field.type
        )  # its items may be called so or so
        found.update(json.dumps([field.name, lists, kind, len(column)]).encode())
        if lists:
            found.update(column.value_lengths().fill_null(0).to_numpy().astype("<i8").tobytes())
            column = column.flatten()
        if pa.types.is_floating(column.type):
            values = column.to_numpy(zero_copy_only=False).astype("<f8")
            found.update(np.where(np.isnan(values), np.nan, values).tobytes())
        else:
            found.update(json.dumps(column.to_pylist(), default=str).encode())
    return found.hexdigest().encode()
