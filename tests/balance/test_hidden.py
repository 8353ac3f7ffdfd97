"""What is passed for numbers and is none."""

import numpy as np
import pytest

from m4jax import balance


def test_what_a_masked_array_hides_is_unknown():
    rng = np.random.default_rng(0)
    hidden = np.arange(40)[:, None] < 20
    man, nurse = (rng.random((40, 1)) < 0.5 for _ in range(2))
    masked = np.ma.masked_array(man, mask=hidden)
    problem = balance.Problem(masked, nurse, target=0.5, keep_rate=0.5)
    unknown = balance.Problem(np.where(hidden, np.nan, man), nurse, target=0.5, keep_rate=0.5)
    np.testing.assert_array_equal(problem.attributes, unknown.attributes)
    assert np.isnan(problem.attributes[:20]).all()
    with pytest.raises(balance.ProblemError, match=r"labels.* is nan"):
        balance.Problem(man, np.ma.masked_array(nurse, mask=hidden), target=0.5, keep_rate=0.5)


@pytest.mark.parametrize("changes", [{"keep_rate": True}, {"keep_rate": np.bool_(True)}])
def test_true_is_no_keep_rate(changes):
    with pytest.raises(balance.ProblemError, match="keep_rate is True; expected a number"):
        balance.Problem([[0], [1]], [[1], [0]], target=0.5, **changes)


def test_a_solution_of_another_problem_has_no_certificate():
    small = balance.Problem([[0], [1]] * 4, [[1], [0]] * 4, target=0.5, keep_rate=0.5)
    large = balance.Problem([[0], [1]] * 9, [[1], [0]] * 9, target=0.5, keep_rate=0.5)
    assert balance.certificate(large, balance.solve(large))["status"] == "converged"
    with pytest.raises(balance.ProblemError, match=r"has 8 weights and .* that of another one"):
        balance.certificate(large, balance.solve(small))


def test_blocks_that_can_be_read_but_once_are_told():
    problem = balance.Problem([[0], [1]] * 4, [[1], [0]] * 4, target=0.5, keep_rate=0.5)
    once = iter([balance.stream.Block(problem.attributes, problem.labels)])
    with pytest.raises(balance.ProblemError, match="a generator that was read is empty"):
        balance.stream.solve(problem.spec, lambda: once)
