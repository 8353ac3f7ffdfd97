"""Tables of odd names, types, values and places are refused, or balanced as they are in the file.

The judge reads the file with pyarrow and solves the problem in memory: no SQL, no folding.
"""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from helpers.balancing import ABSOLUTE
from helpers.damage import damages
from helpers.fuzz import attempt, cases
from hypothesis import given
from hypothesis import strategies as st

from m4jax import balance
from m4jax.tables import STAGES, Job, TableConfig
from m4jax.tables.request import MAX_STEPS

ODD = (
    *("weight", "a0", "y0", "bits", "level", "valid", "counts", "total", "uid", "file_row_number"),
    *("filename", "m4jax_file", "solved", "Man", "man", "MAN", "man_1", "select", "a b", 'a"b'),
    *("a'b", "é", "e\u0301", "💥", " ", "a\nb", "x" * 300, "count(*)", "*", "1", "rowid", "NULL"),
    *("a.b", "a;b", "--", "$1", "?", "{x}", "[x]", "%s", "__index_level_0__", "file", "i0", "key"),
)
FOLDERS = (
    *("plain", "weight=1", "man=0", "a b", "[x]", "{a}", "a'b", "é", "nurse=1/x=2", "%41", "$HOME"),
    *("uid=7", "counts=2", "x" * 200, "a,b", "a;b", "~", "-x", "...", "level=3", "1e5=1e5"),
)
VALUES = ("bool", "int8", "int64", "uint8", "float32", "float64")
STRANGE = ("text", "two", "half", "nan", "inf", "negative", "decimal", "dictionary", "list", "null")


def drawn(seed):
    """Returns names by role, columns, a folder, a number of files, and settings."""
    rng = np.random.default_rng(seed)

    def choose(options):
        return options[rng.integers(len(options))]

    names = rng.permutation(ODD)[: rng.integers(5, 10)].tolist()
    if rng.random() < 0.7:  # elsewhere some may differ by case alone
        names = list({name.lower(): name for name in names}.values())
    m, c = choose((1, 2)), choose((0, 1, 2))
    uid, *rest = names
    roles = {"uid": uid, "attributes": tuple(rest[:m]), "labels": tuple(rest[m : m + c])}
    more = rest[m + c :]
    for role in ("counts", "utility"):
        if more and rng.random() < 0.5:
            roles[role] = more.pop()
    n = choose((1, 7, 60, 60, 100, 100, 100))
    columns = {uid: _uids(rng, n, choose((*["int", "text"] * 5, "twice", "null")))}
    for name in (*roles["attributes"], *roles["labels"]):
        columns[name] = _bits(rng, n, choose(VALUES), name in roles["attributes"])
    if rng.random() < 0.3:
        victim = choose((*roles["attributes"], *roles["labels"]))
        columns[victim] = _strange(rng, n, choose(STRANGE))
    if "counts" in roles:
        columns[roles["counts"]] = pa.array(rng.integers(0, 5, n) + (rng.random(n) < 0.1) * 0.5)
    if "utility" in roles:
        size = choose((1.0, 1.0, 1e4, 1e-6, 1e90))
        columns[roles["utility"]] = pa.array(size * rng.choice([0.5, 1.0, 1.5], n))
    columns |= {name: pa.array(rng.random(n)) for name in more}  # read by nobody
    order = rng.permutation(len(columns))
    columns = {list(columns)[i]: list(columns.values())[i] for i in order}
    settings = {"utility_levels": choose((0, 0, 4))} if "utility" in roles else {}
    return roles, columns, choose(FOLDERS), choose((1, 2, 3)), settings


def _uids(rng, n, kind):
    uids = np.char.add("ex/é'", rng.permutation(n).astype(str)).tolist()
    if kind == "int":
        return pa.array(rng.permutation(n) - 3)
    if kind == "twice":
        uids[-1] = uids[0]
    if kind == "null":
        uids[0] = None
    return pa.array(uids, pa.string())


def _bits(rng, n, kind, unknown):
    values = rng.random(n) < 0.6
    mask = rng.random(n) < 0.1 if unknown else None
    return pa.array(values.astype(kind), mask=mask)


def _strange(rng, n, kind):
    bits = (rng.random(n) < 0.6).astype(float)
    if kind == "text":
        return pa.array(bits.astype(int).astype(str))
    if kind == "dictionary":
        return pa.array(bits.astype(int).astype(str)).dictionary_encode()
    if kind == "list":
        return pa.array([[x] for x in bits])
    if kind == "null":
        return pa.nulls(n)
    if kind == "decimal":
        return pa.array(bits.astype(int)).cast(pa.decimal128(25, 2))
    bits[rng.integers(n)] = {"two": 2, "half": 0.5, "nan": np.nan, "inf": np.inf, "negative": -1}[
        kind
    ]
    return pa.array(bits)


def weights_of(folder, roles, files, **settings):
    """Balances by the command's stages; returns the weights as a table."""
    config = TableConfig(
        files=tuple(map(str, files)),
        frontier=(),
        allow_violations=True,
        **ABSOLUTE | roles | settings,
    )
    job = Job(config, folder)
    for name in ("examples", "fold", "solve", "weights"):
        STAGES[name](job, lambda *_: None)
    return pq.read_table(folder / "weights.parquet", partitioning=None)


def judged(roles, files):
    """Returns uids and weights by a reader and a solver that know nothing of the command's."""
    table = pa.concat_tables([pq.ParquetFile(path).read() for path in sorted(files)])

    def matrix(names):
        columns = [table[x].cast("float64").to_numpy() for x in names]
        return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0))

    problem = balance.Problem(
        matrix(roles["attributes"]),
        matrix(roles["labels"]),
        target=0.5,
        **ABSOLUTE,
        utility=matrix([roles["utility"]])[:, 0] if "utility" in roles else None,
        counts=matrix([roles["counts"]])[:, 0].round(9) if "counts" in roles else None,
    )
    return table[roles["uid"]].to_pylist(), balance.solve(problem, max_steps=MAX_STEPS).weights


@cases(40)
@given(st.integers(0, 1 << 40))
def test_a_table_is_refused_or_balanced_as_it_is(tmp_path_factory, seed):
    roles, columns, place, parts, settings = drawn(seed)
    folder = tmp_path_factory.mktemp("table")
    (folder / place).mkdir(parents=True)
    table, files = pa.table(columns), []
    for i in range(parts):
        files.append(folder / place / f"part {i}.parquet")
        start = i * len(table) // parts
        rows = table.slice(start, (i + 1) * len(table) // parts - start)
        pq.write_table(rows, files[-1])
    workdir = folder / place / "out"
    result = attempt("tables", lambda: weights_of(workdir, roles, files, **settings))
    if result is not None:
        uids, weights = judged(roles, files)
        assert result["uid"].to_pylist() == uids
        # The solution is unique; a gap within the tolerance leaves the weights this much room.
        np.testing.assert_allclose(result["weight"].to_numpy(), weights, atol=2e-3)
    shutil.rmtree(folder)


ROLES = {"uid": "uid", "attributes": ("man",), "labels": ("nurse", "doctor")}
_PRISTINE = {}


def pristine(base):
    """Returns a directory that was balanced in, its tables beside it, and its weights."""
    if not _PRISTINE:
        rng, folder = np.random.default_rng(5), base.mktemp("pristine")
        columns = {"uid": pa.array([f"u{i}" for i in range(90)])}
        columns |= {name: pa.array(rng.random(90) < 0.5) for name in ("man", "nurse", "doctor")}
        pq.write_table(pa.table(columns), folder / "data.parquet")
        weights = weights_of(folder / "out", ROLES, [folder / "data.parquet"], selection_seed=1)
        _PRISTINE["it"] = folder, weights
    return _PRISTINE["it"]


@cases(40)
@given(st.integers(0, 1 << 30))
def test_what_lies_between_the_steps_is_not_believed(tmp_path_factory, seed):
    source, expected = pristine(tmp_path_factory)
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("damaged")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    paths = sorted(p for p in (folder / "out").rglob("*") if p.is_file() and p.stat().st_size)
    victim = paths[rng.integers(len(paths))]
    if rng.random() < 0.1:
        victim.unlink()
    else:
        victim.write_bytes(next(damages(victim.read_bytes(), 1, seed=seed)))
    # Sometimes the next command asks for something else, and takes the fold from before.
    changes = {"keep_rate": 0.45} if rng.random() < 0.3 else {}
    files = [source / "data.parquet"]
    result = attempt(
        "files between the steps",
        lambda: weights_of(folder / "out", ROLES, files, selection_seed=1, **changes),
    )
    if result is not None and not changes:
        assert result.equals(expected), victim
        kept = {p: pq.read_table(p / "out/kept.parquet") for p in (source, folder)}
        assert kept[source].equals(kept[folder]), victim
    elif result is not None:
        fresh = weights_of(folder / "fresh", ROLES, files, **changes)
        assert result.equals(fresh), victim
    shutil.rmtree(folder)
