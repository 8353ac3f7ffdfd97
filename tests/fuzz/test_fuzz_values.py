"""Tables of odd values: balanced as they are, or refused in a line; nothing in between.

The judge recomputes what the certificate says from the weights and the table.
"""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from helpers.balancing import run
from helpers.fuzz import attempt, cases
from hypothesis import given
from hypothesis import strategies as st

from m4jax import balance
from m4jax.tables import weights

ROWS = 24
NAMES = st.sampled_from(["uid", "weight", "a0", "y0", "level", "Man", "man", "man_1", "MAN", "t",
                         "file_row_number", "filename", "bits", "counts", "valid", "place", "x y",
                         'q"', "'", "a.b", "a", "naïve", "[x]", "{}", "%s", "-- x"])  # fmt: skip
FOLDERS = st.sampled_from(
    ["plain", "man=1", "weight=0.5", "a0=1", "uid=x", "50%", "[ab]", "é", "'"]
)
BINARY = st.sampled_from([0, 1])
EDGES = st.sampled_from([0.0, 1.0, -0.0, 0.5, 1 / 3, 1e-300, 5e-324, 1.0 - 2**-53, np.nan, np.inf,
                         -1.0, 2.0, 1.0000001, None])  # fmt: skip
TYPES = st.sampled_from([pa.bool_(), pa.int8(), pa.uint64(), pa.int64(), pa.float32(), pa.float64(),
                         pa.float16(), pa.decimal128(10, 2), pa.string(), pa.null(),
                         pa.timestamp("us"), pa.list_(pa.int64())])  # fmt: skip
COUNTS = st.sampled_from([0, 1, 2, 3, 0.5, 1 / 3, 1e-9, 5e-324, 1e15, 5e18, 1e25, -1, np.nan, None])
UTILITIES = st.sampled_from(
    [1.0, 0.5, 2.0, 1.25, 1e-3, 1e3, 0.0, -1.0, 5e-324, np.inf, np.nan, None]
)


def arrays(odd, plain=BINARY):
    """Returns a strategy of columns: mostly plain values, a few odd ones, of some type."""
    values = st.lists(plain, min_size=ROWS, max_size=ROWS)
    places = st.dictionaries(st.integers(0, ROWS - 1), odd, max_size=2)
    return st.builds(lambda x, few: [few.get(i, v) for i, v in enumerate(x)], values, places)


def column(values, of):
    """Returns the values as a column of the type, or None if they are none of its."""
    try:
        if pa.types.is_null(of):
            return pa.nulls(ROWS)
        if pa.types.is_floating(of):
            return pa.array([np.nan if x is None else x for x in values], pa.float64()).cast(of)
        return pa.array(values).cast(of)
    except (pa.ArrowException, TypeError, ValueError):
        return None


@st.composite
def tables(draw):
    """Returns a table, which of its columns are read, and what its folders are called."""
    names = draw(st.lists(NAMES, min_size=5, max_size=9, unique=True))
    read = dict(zip(("uid", "man", "nurse", "times", "quality"), names, strict=False))
    floats = st.sampled_from([pa.float64(), pa.float32(), pa.int64()])
    columns = {read["uid"]: pa.array(np.arange(ROWS))}
    for role, values, types in (
        ("man", arrays(EDGES), TYPES),
        ("nurse", arrays(EDGES), TYPES),
        ("times", arrays(COUNTS, st.sampled_from([1, 2])), floats),
        ("quality", arrays(UTILITIES, st.sampled_from([1.0, 2.0])), floats),
    ):
        of = draw(st.one_of(st.just(pa.float64()), types))
        made = column(draw(values), of)
        columns[read[role]] = pa.array([1, 0] * (ROWS // 2)) if made is None else made
    for name in names[5:]:
        columns[name] = pa.array([draw(EDGES)] * ROWS)
    order = draw(st.permutations(list(columns)))
    settings = {
        "uid": read["uid"], "attributes": (read["man"],), "labels": (read["nurse"],),
        "counts": read["times"] if draw(st.booleans()) else "",
        "utility": read["quality"] if draw(st.booleans()) else "",
    }  # fmt: skip
    settings["utility_levels"] = draw(st.integers(0, 2)) if settings["utility"] else 0
    return pa.table({name: columns[name] for name in order}), settings, draw(FOLDERS)


def floats(table, name):
    return table[name].cast(pa.float64()).to_numpy()


def check(table, asked, folder):
    """Balances the table; the weights must do what their certificate says, by its own columns."""
    with tempfile.TemporaryDirectory() as root:
        path = Path(root) / folder / "a.parquet"
        path.parent.mkdir()
        pq.write_table(table, path)
        workdir, told = Path(root) / "w" / folder, []
        found = attempt(
            "values of tables",
            lambda: run([path], workdir, told, allow_violations=True, keep_rate=0.5, **asked),
        )
        if found is None:
            assert not list(workdir.glob("weights.*"))
            return
        man, nurse = (floats(table, asked[name][0]) for name in ("attributes", "labels"))
        counts = floats(table, asked["counts"]) if asked["counts"] else np.ones(ROWS)
        problem = balance.Problem(
            man[:, None], nurse[:, None], counts=counts, target=0.5, keep_rate=0.5,
            eps_representation=1e-4, eps_association=1e-4,
        )  # fmt: skip
        weight = weights.read(workdir, table[asked["uid"]].to_numpy())
        assert np.isfinite(weight).all() and (weight >= 0).all() and (weight <= 1).all()
        diagnostics = balance.diagnose(problem, weight)
        beyond = (np.abs(diagnostics.moment) - diagnostics.eps).clip(0)
        assert abs(found["violation_max"] - beyond.max()) <= 1e-6
        assert abs(found["kept"] - diagnostics.weights.kept) <= 1e-6
        if found["status"] == "converged":
            assert abs(diagnostics.weights.kept - 0.5) < 1e-4


@cases(30)
@given(tables())
def test_odd_values_are_balanced_as_they_are_or_refused(case):
    check(*case)
