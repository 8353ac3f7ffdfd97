"""Random tables of examples, and their patterns as numpy finds them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ATTRIBUTES, LABELS = ("man", "dark skin"), ("nurse", 'a "quoted" label', "soft")


def draw(rng, n, *, kind="bool"):
    """Returns columns name -> [n]: attributes with NaN, labels, counts, utility, and uids."""
    attributes = rng.integers(0, 2, (n, 2)).astype(float)
    attributes[rng.random((n, 2)) < 0.1] = np.nan
    labels = (rng.random((n, 3)) < 0.3).astype(float)
    if kind == "soft":
        labels[:, 2] = rng.integers(0, 5, n) / 4
    columns = dict(zip((*ATTRIBUTES, *LABELS), (*attributes.T, *labels.T), strict=True))
    columns["times"] = rng.integers(0, 4, n)
    columns["quality"] = rng.choice([0.5, 0.75, 2.0], n)
    columns["uid"] = np.array([f"id{i}" for i in rng.permutation(n)], dtype=object)
    return columns


def write(path, columns, *, kind="bool"):
    """Writes the columns as parquet; NaN becomes NULL where the type has none of its own."""
    arrays = {}
    for name, values in columns.items():
        if name in (*ATTRIBUTES, *LABELS) and kind != "soft":
            of = pa.bool_() if kind == "bool" else pa.int8()
            unknown = np.isnan(values)
            arrays[name] = pa.array(np.where(unknown, 0, values).astype(int), mask=unknown).cast(of)
        else:
            arrays[name] = pa.array(values, from_pandas=False)
    pq.write_table(pa.table(arrays), path)


def distinct(columns, names, counts):
    """Returns the distinct rows of the named columns, and the sum of counts for each."""
    rows = np.stack([columns[name].astype(float) for name in names], axis=1)
    keys = np.where(np.isnan(rows), -1.0, rows)
    found, inverse = np.unique(keys, axis=0, return_inverse=True)
    return np.where(found < 0, np.nan, found), np.bincount(inverse.ravel(), weights=counts)
