import numpy as np
import pytest

from m4jax import balance
from m4jax.balance import patterns

GOOD = {"attributes": [[0, 1], [1, 0], [1, 1]], "labels": [[1], [0], [1]], "target": [0.5, 0.5]}


def make(**changes):
    fields = GOOD | changes
    return balance.Problem(fields.pop("attributes"), fields.pop("labels"), **fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": [[1], [0]]}, "attributes has 3 rows and labels has 2"),
        ({"labels": [[1], [np.nan], [0]]}, r"labels\[1, 0\] is nan; expected a value in \[0, 1\]"),
        ({"labels": [[1], [0], [2]]}, r"labels\[2, 0\] is 2"),
        ({"labels": [1, 0, 1]}, r"labels has shape \(3,\); expected a matrix"),
        ({"labels": [["a"], ["b"], ["c"]]}, "labels has type"),
        ({"labels": [[1], [0, 1], [1]]}, "labels is not a rectangular array"),
        ({"attributes": [[0, 1], [1, -0.1], [1, 1]]}, r"attributes\[1, 1\] is -0.1; .*or NaN"),
        ({"attributes": np.zeros((3, 0))}, "attributes is 3 × 0"),
        ({"attributes": np.zeros((0, 2)), "labels": np.zeros((0, 1))}, "attributes is 0 × 2"),
        ({"attributes": [[0, 1], [1, 1], [1, 1]]}, "attributes column 1 has no example with s < 1"),
        ({"attributes": [[0, 1], [0, 0], [0, 1]]}, "attributes column 0 has no example with s > 0"),
        ({"attributes": [[0, np.nan], [1, np.nan], [1, np.nan]]}, "column 1 has no known example"),
        ({"counts": [1, 0, 1]}, "attributes column 1 has no example with s < 1"),
        ({"counts": [1, -1, 1]}, r"counts\[1\] is -1.0; expected a finite number, at least 0"),
        ({"counts": [0, 0, 0]}, "counts is 0 for every example"),
        ({"counts": [1, 1]}, r"counts has shape \(2,\); expected \(3,\)"),
        ({"utility": [1, 0, 1]}, r"utility\[1\] is 0.0; expected a finite number above 0"),
        ({"utility": [1, 1, np.inf]}, r"utility\[2\] is inf"),
        ({"target": [0.5, 1.5]}, r"target\[1\] is 1.5; expected a prevalence in \[0, 1\]"),
        ({"target": [0.5, np.nan]}, r"target\[1\] is nan"),
        ({"target": [0.5]}, r"target has shape \(1,\); .*\(2,\).*\(2, 2\)"),
        ({"keep_rate": 0}, r"keep_rate is 0; expected a number in \(0, 1\]"),
        ({"keep_rate": 1.1}, "keep_rate is 1.1"),
        ({"keep_rate": "most"}, "keep_rate has type"),
        ({"keep_rate": [0.5, 0.6]}, "keep_rate is"),
        ({"eps_representation": -1e-3}, "eps_representation.* is -0.001; expected a bound"),
        ({"eps_association": [[0.1, 0.1]]}, r"eps_association has shape \(1, 2\)"),
        ({"penalty": 0}, "penalty is 0; expected a number > 0, or infinity"),
        ({"penalty": np.nan}, "penalty is nan"),
    ],
)
def test_errors_say_what_is_wrong_and_where(changes, message):
    with pytest.raises(balance.ProblemError, match=message):
        make(**changes)


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
    folded, inverse = patterns.fold(problem)
    values = np.where(folded.known == 1, folded.attributes, np.nan)
    np.testing.assert_array_equal(values[inverse], attributes)
    np.testing.assert_array_equal(folded.labels[inverse], labels)
    np.testing.assert_array_equal(folded.utility[inverse], problem.utility)
    rows = np.column_stack([np.nan_to_num(attributes, nan=-1), labels, problem.utility])
    distinct = np.unique(rows, axis=0, return_inverse=True)
    assert np.count_nonzero(folded.share) == len(distinct[0])
    mass = np.bincount(distinct[1].ravel(), weights=counts) / counts.sum()
    np.testing.assert_allclose(folded.share[inverse], mass[distinct[1].ravel()], rtol=1e-12)
    assert len(folded.share) in (128, 256)


def test_negative_zero_is_zero():
    attributes = [[-0.0], [0.0], [0.5], [1.0]]
    _, inverse = patterns.fold(balance.Problem(attributes, np.zeros((4, 0)), target=0.5))
    assert inverse[0] == inverse[1]
