import dataclasses

import numpy as np
import pytest

from m4jax import balance
from m4jax.balance import inputs, stream

RACE = ["White", None, "Black", "White"]
EXPANDED = [[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0], [1.0, 0.0]]  # Black comes before White
WORDS = {"target": 0.5}


@dataclasses.dataclass
class Series:
    """As little as a series has."""

    values: list
    name: str | None = None

    def __array__(self, dtype=None, copy=None):
        missing = any(x is None or isinstance(x, str) for x in self.values)
        return np.array(self.values, object if missing else dtype)

    def to_numpy(self):
        return np.asarray(self)


class Frame:
    """As little as a frame has."""

    def __init__(self, **columns):
        self.data, self.columns = columns, list(columns)

    def __getitem__(self, name):
        return Series(self.data[name], name)

    def __len__(self):
        return len(next(iter(self.data.values()), []))


def frame(kind, **columns):
    if kind == "duck":
        return Frame(**columns)
    module = pytest.importorskip({"arrow": "pyarrow"}.get(kind, kind))
    return getattr(module, "table" if kind == "arrow" else "DataFrame")(columns)


KINDS = ["duck", "pandas", "polars", "arrow"]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_keep_names_and_text_becomes_an_attribute_for_each_value(kind):
    attributes = frame(kind, race=RACE, man=[True, False, None, True])
    labels = frame(kind, cook=[1, 0, 0, 1], nurse=[0.5, 0.0, 1.0, 0.0])
    problem = balance.Problem(attributes, labels, **WORDS)
    assert problem.attribute_names == ("race=Black", "race=White", "man")
    assert problem.label_names == ("cook", "nurse")
    expected = np.column_stack([np.array(EXPANDED)[:, ::-1], [1.0, 0.0, np.nan, 1.0]])
    np.testing.assert_array_equal(problem.attributes, expected)
    np.testing.assert_array_equal(problem.labels, [[1, 0.5], [0, 0], [0, 1], [1, 0]])
    plain = balance.bias(expected, problem.labels)
    np.testing.assert_array_equal(balance.bias(attributes, labels).association, plain.association)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_one_type_are_taken_whole(kind):
    man, cook = frame(kind, man=[1, 0, 1]), frame(kind, cook=[0, 1, 1])
    problem = balance.Problem(man, cook, **WORDS, label_names=["chef"])
    assert (problem.attribute_names, problem.label_names) == (("man",), ("chef",))
    assert problem.attributes.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_missing_values_are_refused_in_labels(kind):
    man = frame(kind, man=[1, 0, 1])
    with pytest.raises(balance.ProblemError, match=r"labels column .job. has text; .*each value"):
        balance.Problem(man, frame(kind, job=["cook", "nurse", "cook"]), **WORDS)
    with pytest.raises(balance.ProblemError, match=r"labels\[1, 0\] \('cook'\) is nan"):
        balance.Problem(man, frame(kind, cook=[1, None, 0]), **WORDS)
    with pytest.raises(balance.ProblemError, match="attributes has 3 rows and labels has 2"):
        balance.Problem(man, frame(kind, cook=[1, 0]), **WORDS)


def test_a_vector_is_one_attribute_but_no_label():
    labels = [[1], [0], [1]]
    for man in ([1, 0, 1], np.array([True, False, True]), [1, 0, None]):
        assert balance.Problem(man, labels, **WORDS).attribute_names == ("attribute 0",)
    named = balance.Problem(Series([1, 0, 1], "man"), Series([1, 0, 1], "cook"), **WORDS)
    assert (named.attribute_names, named.label_names) == (("man",), ("cook",))
    unnamed = balance.Problem(Series([1, 0, None]), Series([1, 0, 1]), **WORDS)
    assert (unnamed.attribute_names, unnamed.label_names) == (("attribute 0",), ("label 0",))
    with pytest.raises(balance.ProblemError, match=r"labels has shape \(3,\)"):
        balance.Problem([1, 0, 1], [1, 0, 1], **WORDS)


def test_utilities_counts_columns_and_weights_may_be_series():
    given = {
        "utility": Series([1.0, 2.0, 1.0]),
        "counts": Series([1, 2, 3]),
        "columns": Frame(tokens=[3, 4, 5]),
    }
    problem = balance.Problem([1, 0, 1], [[1], [0], [1]], **WORDS, **given)
    assert problem.columns["tokens"].tolist() == [3, 4, 5]
    assert problem.counts.tolist() == [1, 2, 3]
    assert balance.diagnose(problem, Series([1.0, 0.5, 1.0])).weights.kept == pytest.approx(5 / 6)
    assert balance.bias([1, 0, 1], [[1], [0], [1]], Series([1.0, 2, 1])).known.tolist() == [1]
    with pytest.raises(balance.ProblemError, match=r"counts\[1\] is nan"):
        balance.Problem([1, 0, 1], [[1], [0], [1]], **WORDS, counts=Series([1, None, 2]))


def test_blocks_find_columns_by_name():
    names = ("race=Black", "race=White", "man")
    block = Frame(man=[0, 1], race=["White", None])
    found = inputs.ordered("attributes", block, names)
    np.testing.assert_array_equal(found, [[0, 1, 0], [np.nan, np.nan, 1]])
    with pytest.raises(balance.ProblemError, match="attributes lacks the column 'man'"):
        inputs.ordered("attributes", Frame(race=["White", None]), names)
    spec = balance.Spec(attributes=["man", "old"], labels=["cook"], target=0.5, keep_rate=0.5)
    draw = np.random.default_rng(0)
    s, y = draw.integers(0, 2, (60, 2)), draw.integers(0, 2, (60, 1))
    frames = stream.Block(Frame(old=list(s[:, 1]), man=list(s[:, 0])), Frame(cook=list(y[:, 0])))
    found = stream.solve(spec, lambda: [frames])
    expected = stream.solve(spec, lambda: [stream.Block(s, y)])
    np.testing.assert_array_equal(found.multipliers, expected.multipliers)


def test_batches_may_be_frames_but_text_has_no_place():
    spec = balance.Spec(attributes=["man"], labels=["cook"], target=0.5)
    state = balance.online.init(spec)
    found, _ = balance.online.update(state, Frame(man=[1, None]), Frame(cook=[1, 0]))
    expected, _ = balance.online.update(state, [[1], [np.nan]], [[1], [0]])
    np.testing.assert_array_equal(found.multipliers, expected.multipliers)
    with pytest.raises(balance.ProblemError, match="attributes column 'man' has text"):
        balance.online.update(state, Frame(man=["yes", "no"]), Frame(cook=[1, 0]))


def test_pandas_own_types():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(
        {
            "race": pd.Categorical(RACE, ["White", "Asian", "Black"]),
            "man": pd.array([True, None, False, True], dtype="boolean"),
            "old": pd.array([1, None, 0, 1], dtype="Int64"),
            "sure": pd.array([0.5, None, 0.0, 1.0], dtype="Float64"),
        },
        index=[7, 7, 1, 0],
    )
    matrix, names = inputs.table("attributes", table, text=True)
    assert names == ("race=White", "race=Black", "man", "old", "sure")
    np.testing.assert_array_equal(matrix[:, :2], EXPANDED)
    expected = [[1, 1, 0.5], [np.nan] * 3, [0, 0, 0], [1, 1, 1]]
    np.testing.assert_array_equal(matrix[:, 2:], expected)
    unnamed = pd.DataFrame([[1, 0], [0, 1]])
    assert inputs.table("attributes", unnamed)[1] is None
    labels = pd.DataFrame({"cook": pd.array([1, None], dtype="Int64")})
    with pytest.raises(balance.ProblemError, match=r"labels\[1, 0\] \('cook'\) is nan"):
        balance.Problem([1, 0], labels, **WORDS)
    with pytest.raises(balance.ProblemError, match="has type datetime64"):
        balance.Problem(pd.DataFrame({"day": pd.to_datetime(["2020-01-01"])}), [[1]], **WORDS)


@pytest.mark.parametrize("values", [[["a"]], [[object()]], [["a", None]]])
def test_what_is_no_number_is_refused(values):
    with pytest.raises(balance.ProblemError, match="attributes has type"):
        balance.Problem(values, [[1]], **WORDS)
