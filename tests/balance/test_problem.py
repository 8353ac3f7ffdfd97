import dataclasses

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax import balance
from m4jax.balance import memory
from m4jax.balance.device import rows as device_rows
from m4jax.balance.device.solver import make_dual
from m4jax.balance.folding import fold
from m4jax.errors import InputError

GOOD = {"attributes": [[0, 1], [1, 0], [1, 1]], "labels": [[1], [0], [1]], "target": [0.5, 0.5]}
AB = ("man", "dark skin")
DEFAULTS = ("attribute 0", "attribute 1")


def make(**changes):
    fields = GOOD | changes
    return balance.Problem(fields.pop("attributes"), fields.pop("labels"), **fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [[1], [0]]}, "attributes has 3 rows and labels has 2"),
        (
            {"labels": [[1], [np.nan], [0]]},
            r"labels\[1, 0\] \(.label 0.\) is nan; expected a value in \[0, 1\] ",
        ),
        ({"labels": [[1], [0], [2]]}, r"labels\[2, 0\] \(.label 0.\) is 2"),
        ({"labels": [1, 0, 1]}, r"labels has shape \(3,\); expected a matrix"),
        ({"labels": [["a"], ["b"], ["c"]]}, "labels has type"),
        ({"labels": [[1], [0, 1], [1]]}, "labels is not a rectangular array"),
        (
            {"attributes": [[0, 1], [1, -0.1], [1, 1]]},
            r"attributes\[1, 1\] \(.attribute 1.\) is -0.1; .*or NaN",
        ),
        ({"attributes": np.zeros((3, 0))}, "attributes is 3 × 0"),
        ({"attributes": np.zeros((0, 2)), "labels": np.zeros((0, 1))}, "attributes is 0 × 2"),
        (
            {"attributes": [[0, 1], [1, 1], [1, 1]]},
            r"column 1 \(.attribute 1.\) has no example with s < 1",
        ),
        (
            {"attributes": [[0, 1], [0, 0], [0, 1]]},
            r"column 0 \(.attribute 0.\) has no example with s > 0",
        ),
        (
            {"attributes": [[0, np.nan], [1, np.nan], [1, np.nan]]},
            r"column 1 \(.attribute 1.\) has no known example",
        ),
        ({"counts": [1, 0, 1]}, r"column 1 \(.attribute 1.\) has no example with s < 1"),
        ({"counts": [1, -1, 1]}, r"counts\[1\] is -1.0; expected a finite number, at least 0"),
        ({"counts": [1, np.inf, 1]}, r"counts\[1\] is inf"),
        ({"counts": [0, 0, 0]}, "counts is 0 for every example"),
        ({"counts": [1, 1]}, r"counts has shape \(2,\); expected \(3,\)"),
        ({"utility": [1, 0, 1]}, r"utility\[1\] is 0.0; expected a finite number above 0"),
        ({"utility": [1, 1, np.inf]}, r"utility\[2\] is inf"),
        (
            {"target": [0.5, 1.5]},
            r"target\[1\] \(.attribute 1.\) is 1.5; expected a prevalence in \[0, 1\]",
        ),
        ({"target": [0.5, np.nan]}, r"target\[1\] \(.attribute 1.\) is nan"),
        ({"target": [0.5]}, r"target has shape \(1,\); .*\(2,\).*\(2, 2\)"),
        ({"keep_rate": 0}, r"keep_rate is 0; expected a number in \(0, 1\]"),
        ({"keep_rate": 1.1}, "keep_rate is 1.1"),
        ({"keep_rate": "most"}, "keep_rate has type"),
        ({"keep_rate": [0.5, 0.6]}, "keep_rate is"),
        ({"eps_representation": -1e-3}, "eps_representation.* is -0.001; expected a bound"),
        ({"eps_association": [[0.1, 0.1]]}, r"eps_association has shape \(1, 2\)"),
        ({"penalty": 0}, "penalty is 0; expected a number > 0, or infinity"),
        ({"penalty": np.nan}, "penalty is nan"),
        (
            {"eps_association": [[0.1], [np.nan]]},
            r"eps_.*\[1, 0\] \(.attribute 1., .label 0.\) is nan",
        ),
        ({"attribute_names": ["man"]}, "attribute_names has 1 names for 2 columns"),
        ({"attribute_names": ["man", ""]}, r"attribute_names\[1\] is ''; expected a non-empty"),
        ({"attribute_names": ["man", 1]}, r"attribute_names\[1\] is 1"),
        ({"attribute_names": ["man", "man"]}, r"attribute_names\[1\] is 'man', as is .*\[0\]"),
        ({"attribute_names": "ab"}, "attribute names are 'ab'; expected a sequence"),
        ({"label_names": 7}, "label_names has 7 names for 1 columns"),
        ({"label_names": -1}, "label names are -1"),
        ({"attribute_names": AB, "labels": [[1], [0], [3]]}, r"labels\[2, 0\]"),
        ({"attribute_names": AB, "attributes": [[0, 1], [1, 5], [1, 1]]}, r"\(.dark skin.\) is 5"),
        ({"intersections": [("man", "attribute 1")]}, "has 'man', which is no attribute; known: "),
        ({"attribute_names": AB, "intersections": [("men", "dark skin")]}, "did you mean 'man'?"),
        (
            {"attribute_names": AB, "intersections": [("man",)]},
            r"intersections\[0\] is .*two differ",
        ),
        ({"attribute_names": AB, "intersections": [("man", "man")]}, "two different attribute"),
        ({"attribute_names": AB, "intersections": AB}, r"intersections\[0\] is 'man'; expected"),
        ({"attribute_names": AB, "intersections": [AB, AB[::-1]]}, r"intersections\[1\].* once"),
        (
            {"attributes": [[0, 1], [1, 0]], "labels": [[0], [1]], "intersections": [DEFAULTS]},
            r"column 2 \(.attribute 0 × attribute 1.\) has no example with s > 0",
        ),
        (
            {"intersections": [DEFAULTS], "target": [0.1] * 4},
            r"shape \(4,\); .*intersections 3 for 2",
        ),
        ({"target": {"attribute 0": 0.5}}, "target has nothing for 'attribute 1'"),
        ({"target": {"atribute 0": 0.5}}, "target has 'atribute 0'.*did you mean 'attribute 0'"),
        (
            {"target": dict.fromkeys(DEFAULTS, [0.1] * 3)},
            r"target\['attribute 0'\] has shape \(3,\)",
        ),
        ({"target": dict.fromkeys(DEFAULTS, np.nan)}, r"target\['attribute 0'\]\[0\] is nan"),
    ],
)
def test_errors_say_what_is_wrong_and_where(changes, message):
    with pytest.raises(balance.ProblemError, match=message):
        make(**changes)


def test_what_does_not_fit_in_memory_is_told_before_the_attempt(monkeypatch):
    draw = np.random.default_rng(0)
    s, y = draw.integers(0, 2, (200, 2)), draw.integers(0, 2, (200, 3))
    soft, problem = draw.random((200, 2)), balance.Problem(s, y, target=0.5, keep_rate=0.5)
    monkeypatch.setattr(memory, "SMALL", 0.0)
    monkeypatch.setattr(memory, "available", lambda: 100.0)
    expected = (
        r"200 × 2 attributes that are not all 0 or 1 need 0.0 GB, and there are 0.0 GB; leave"
    )
    with pytest.raises(balance.ProblemError, match=expected):
        balance.Problem(soft, y, target=0.5)
    for ask in (balance.max_keep_rate, balance.conflict):
        with pytest.raises(
            balance.ProblemError, match="distinct examples in 8 rows of constraints"
        ):
            ask(problem)
    monkeypatch.setattr(device_rows, "MATRICES", 1e12)
    with pytest.raises(balance.ProblemError, match="rows of constraints need"):
        balance.solve(problem, precision="float32")


def test_the_memory_there_is_is_that_of_the_machine_or_less():
    assert 1e8 < memory.available() < 1e15


def test_fields_are_expanded_and_read_only():
    problem = make(eps_representation=0.1, eps_association=0.2, penalty=np.inf)
    assert problem.target.shape == (2, 2)
    assert problem.eps_representation.tolist() == [0.1, 0.1]
    assert problem.eps_association.tolist() == [[0.2], [0.2]]
    with pytest.raises(ValueError, match="read-only"):
        problem.labels[0] = 0


def test_the_callers_arrays_are_copied():
    attributes = np.array([[0.0], [1.0]])
    problem = balance.Problem(attributes, np.zeros((2, 1)), target=0.5)
    attributes[0] = 1.0
    assert problem.attributes[0, 0] == 0.0


def test_a_target_per_label_is_kept():
    target = [[0.5, 0.3], [0.5, 0.7]]
    np.testing.assert_array_equal(make(target=target).target, target)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("utilities", [False, True])
def test_folding_is_exact(soft, utilities):
    draw = np.random.default_rng(0)
    attributes = draw.choice([0.0, 1.0, np.nan, *([0.5] if soft else [])], (200, 2))
    labels = draw.choice([0.0, 1.0, *([0.25] if soft else [])], (200, 3))
    utility = draw.choice([1.0, 2.0], 200) if utilities else None
    counts = draw.integers(1, 4, 200)
    problem = balance.Problem(attributes, labels, target=0.5, utility=utility, counts=counts)
    folded, inverse = fold(problem)
    np.testing.assert_array_equal(folded.attributes[inverse], attributes)
    np.testing.assert_array_equal(folded.labels[inverse], labels)
    np.testing.assert_array_equal(folded.utility[inverse], problem.utility)
    with jax.enable_x64(True):
        padded = jax.device_get(make_dual(folded, 0.0).rows)
    values = np.where(padded.sides[:, 2:] == 1, padded.sides[:, :2], np.nan)
    np.testing.assert_array_equal(values[inverse], attributes)
    np.testing.assert_array_equal(padded.parts[inverse, 1:], labels)
    rows = np.column_stack([np.nan_to_num(attributes, nan=-1), labels, problem.utility])
    distinct = np.unique(rows, axis=0, return_inverse=True)
    assert len(folded.counts) == np.count_nonzero(padded.share) == len(distinct[0])
    mass = np.bincount(distinct[1].ravel(), weights=counts) / counts.sum()
    np.testing.assert_allclose(padded.share[inverse], mass[distinct[1].ravel()], rtol=1e-12)
    assert len(padded.share) in (128, 256)


def test_negative_zero_is_zero():
    attributes = [[-0.0], [0.0], [0.5], [1.0]]
    _, inverse = fold(balance.Problem(attributes, np.zeros((4, 0)), target=0.5))
    assert inverse[0] == inverse[1]


CROSSED = {
    "attributes": [[1, 1], [1, 0], [0, 1], [0, 0], [np.nan, 0], [1, np.nan], [0, np.nan]],
    "labels": np.zeros((7, 2)),
    "attribute_names": AB,
    "label_names": ("nurse", "pilot"),
    "intersections": [AB],
}


def test_an_intersection_is_a_further_attribute():
    problem = make(**CROSSED, target=[0.5, 0.2])
    np.testing.assert_array_equal(problem.attributes[:, 2], [1, 0, 0, 0, 0, np.nan, 0])
    assert problem.attribute_names == ("man", "dark skin", "man × dark skin")
    assert dataclasses.replace(problem).attribute_names == problem.attribute_names  # added once
    assert problem.eps_association.shape == (3, 2)
    assert not problem.attributes.flags.writeable


@pytest.mark.parametrize(
    ("target", "rows"),
    [
        (0.5, [0.5, 0.5, 0.25]),
        ([0.5, 0.2], [0.5, 0.2, 0.1]),
        ([0.5, 0.2, 0.3], [0.5, 0.2, 0.3]),
        ({"man": 0.5, "dark skin": 0.2}, [0.5, 0.2, 0.1]),
        ({"man × dark skin": 0.3, "dark skin": 0.2, "man": 0.5}, [0.5, 0.2, 0.3]),
        ([[0.5, 1, 0], [0.2, 0.4, 0.6]], [[0.5, 1, 0], [0.2, 0.4, 0.6], [0.1, 0.4, 0]]),
        ({"man": [0.5, 1, 0], "dark skin": 0.2}, [[0.5, 1, 0], [0.2] * 3, [0.1, 0.2, 0]]),
    ],
)
def test_targets_of_intersections(target, rows):
    found = make(**CROSSED, target=target).target
    rows = np.array(rows)
    np.testing.assert_allclose(found, np.broadcast_to(rows.reshape(3, -1), (3, 3)), rtol=1e-15)


def test_intersections_of_known_bits_are_bytes():
    problem = make(intersections=iter([DEFAULTS]))
    assert problem.attributes.dtype == np.uint8
    assert problem.attributes[:, 2].tolist() == [0, 0, 1]


def test_a_changed_copy_keeps_the_rest():
    problem = make(**CROSSED, target=[0.5, 0.2])
    copy = dataclasses.replace(problem, keep_rate=0.3)
    assert copy.keep_rate == 0.3
    names = ("attributes", "labels", "target", "utility", "counts", "eps_representation")
    names += ("eps_association", "penalty", "attribute_names", "label_names")
    for name in names:
        np.testing.assert_array_equal(getattr(copy, name), getattr(problem, name))


def test_a_problem_holds_its_spec():
    problem = make(**CROSSED, target=[0.5, 0.2])
    assert problem.spec is problem.spec
    same = balance.Problem(problem.attributes, problem.labels, spec=problem.spec)
    for field in dataclasses.fields(balance.Spec):
        expected = getattr(problem.spec, field.name)
        np.testing.assert_array_equal(getattr(same.spec, field.name), expected)
    assert issubclass(balance.ProblemError, InputError)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.sampled_from(["?", "B", "i", "q", "e", "f", "d"]))
def test_values_survive_whatever_their_type(seed, dtype):
    draw = np.random.default_rng(seed)
    bits = draw.integers(0, 2, (9, 3))
    bits[:2] = [[0], [1]]
    order = "F" if seed % 2 else "C"
    problem = balance.Problem(*(np.array(bits, dtype, order=order),) * 2, target=0.5)
    for kept in (problem.attributes, problem.labels):
        assert kept.dtype == np.uint8
        assert kept.flags.c_contiguous
        np.testing.assert_array_equal(kept, bits)


@pytest.mark.parametrize("odd", [0.25, np.nan])
def test_soft_and_unknown_values_are_kept_as_floats(odd):
    problem = make(attributes=np.array([[0, 1], [1, 0], [odd, 1]], np.float32))
    assert problem.attributes.dtype == np.float64
    np.testing.assert_array_equal(problem.attributes[2, 0], odd)


def test_a_spec_is_a_problem_without_examples():
    problem = make(**CROSSED, target=[0.5, 0.2], eps_representation=[0.1, 0.2, 0.3], penalty=np.inf)
    alone = balance.Spec(
        attributes=AB,
        labels=("nurse", "pilot"),
        intersections=[AB],
        target=[0.5, 0.2],
        eps_representation=[0.1, 0.2, 0.3],
        penalty=np.inf,
    )
    for field in dataclasses.fields(alone):
        value = getattr(alone, field.name)
        np.testing.assert_array_equal(getattr(problem.spec, field.name), value)
    assert alone.eps.tolist() == [[0.1, 1e-3, 1e-3], [0.2, 1e-3, 1e-3], [0.3, 1e-3, 1e-3]]
    assert alone.target.shape == (3, 3)
    assert not alone.eps.flags.writeable


def test_a_spec_by_numbers():
    spec = balance.Spec(attributes=1, labels=0, target=0.4)
    assert (spec.attribute_names, spec.label_names) == (("attribute 0",), ())
    assert spec.target.tolist() == [[0.4]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attributes": 0}, "attributes is empty"),
        ({"attributes": 1.5}, "attribute names are 1.5; expected"),
        ({"labels": ("a", "a")}, r"label_names\[1\] is 'a', as is"),
        ({"target": [0.1, 0.2, 0.3]}, "target has shape"),
        ({"keep_rate": 0}, "keep_rate is 0"),
    ],
)
def test_a_spec_is_checked(changes, message):
    with pytest.raises(balance.ProblemError, match=message):
        balance.Spec(**{"attributes": 2, "labels": 2, "target": 0.5} | changes)
