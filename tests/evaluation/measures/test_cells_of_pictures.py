import numpy as np
import pytest
from helpers.asked_models import pictures

from m4jax.evaluation.measures import cells as module
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.resampling import Settings


def crowd(n=300, values=7):
    codes = np.arange(n) % values
    names = tuple(f"v{k}" for k in range(values))
    of = pictures(n, values={"x": (names, codes)}, groups=np.arange(n) // 2)
    return Cells(of, np.where(np.arange(n) % 11 == 0, -1, codes), names, Settings(resamples=100))


def test_means_are_those_of_each_value_by_weight():
    cells, rng = crowd(), np.random.default_rng(0)
    x, w = rng.normal(size=(len(cells.rows), 3)), rng.random((len(cells.rows), 1))
    x[::9, 1] = np.nan
    draws = cells.means(x, w)
    for v in range(7):
        for c in range(3):
            of = (cells.codes == v) & ~np.isnan(x[:, c])
            expected = np.average(x[of, c], weights=w[of, 0])
            assert draws.estimate[0, v, c] == pytest.approx(expected)


def test_many_values_are_summed_some_at_a_time(monkeypatch):
    cells = crowd()
    x = np.random.default_rng(1).normal(size=(len(cells.rows), 2))
    whole = cells.means(x)
    monkeypatch.setattr(module, "ENTRIES", 6 * x.size)
    parts = cells.means(x)
    np.testing.assert_allclose(parts.estimate, whole.estimate)
    np.testing.assert_allclose(parts.samples, whole.samples)
    assert (parts.n, parts.groups, parts.tail) == (whole.n, whole.groups, whole.tail)


def test_values_of_few_groups_are_left_out_and_named():
    codes = np.repeat([0, 1, 2], [30, 8, 30])
    of = pictures(68, groups=np.r_[np.arange(38), 38 + np.arange(30) // 10])
    cells = Cells(of, codes, ("a", "b", "c"), Settings())
    assert cells.names == ("a",)
    assert cells.small == {"b": 8, "c": 3}
    assert cells.note == "b: 8 independent groups; c: 3 independent groups (fewer than 10)"
    assert (cells.clusters.tolist(), cells.sizes.tolist()) == ([30], [30])
