"""Whom a filter leaves in: looks by occupation, and the part that attributes can't see."""

import numpy as np
import pytest

from configs import ablation
from experiments import filter_looks
from m4jax.errors import InputError
from m4jax.grid.cells import expand
from m4jax.run.state import Layout

SHARES = np.array([0.1, 0.5, 0.9])  # of men, in three occupations


def faces(n=60_000, seed=0):
    """Persons whose looks differ within their gender, with captions by the shares of men."""
    rng = np.random.default_rng(seed)
    gender = rng.integers(2, size=n)
    g = gender + rng.normal(0, 0.5, n)
    given = np.stack([1 - SHARES, SHARES]) / np.stack([1 - SHARES, SHARES]).sum(1, keepdims=True)
    says = (rng.random((n, 1)) > given[gender].cumsum(1)).sum(1)
    return g, gender, says


def balanced(gender, says, kept):
    """Weights under which every occupation has as many men as women, among the pairs kept."""
    weight = kept.astype(float)
    for r in range(len(SHARES)):
        for group in (0, 1):
            rows = (says == r) & (gender == group)
            weight[rows] /= weight[rows].sum()
    return weight


def test_where_captions_follow_gender_alone_nothing_is_left_within_it():
    g, gender, says = faces()
    result = filter_looks.looks(g, gender, says, np.ones(len(g)), 3)
    assert result.all[0] < -0.3 and result.all[2] > 0.3
    np.testing.assert_allclose(result.within, 0, atol=0.03)
    result = filter_looks.looks(g, gender, says, balanced(gender, says, np.ones(len(g), bool)), 3)
    np.testing.assert_allclose(result.all, 0, atol=0.03)


def test_a_filter_by_looks_leaves_what_balancing_can_not_see():
    g, gender, says = faces()
    kept = (g - 0.5) * (2 * SHARES[says] - 1) > -0.3  # those whose looks don't fit go
    result = filter_looks.looks(g, gender, says, balanced(gender, says, kept), 3)
    assert result.all[0] < -0.1 and result.all[2] > 0.1
    np.testing.assert_allclose(result.all, result.within, atol=1e-9)  # the groups are of equal size


def test_the_unit_of_g_does_not_matter():
    g, gender, says = faces(2_000)
    one, other = (filter_looks.looks(x, gender, says, np.ones(len(g)), 3) for x in (g, 5 * g - 2))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_an_occupation_that_nobody_is_left_of_is_unknown():
    g, gender, says = faces(2_000)
    result = filter_looks.looks(g, gender, says, (says != 1).astype(float), 3)
    assert (
        np.isnan([result.all[1], result.within[1]]).all() and np.isfinite(result.all[[0, 2]]).all()
    )
    with pytest.raises(InputError, match="expected some above 0"):
        filter_looks.looks(g, gender, says, np.zeros(len(g)), 3)


def test_a_study_that_has_not_run_is_an_error(tmp_path):
    cells = expand(ablation.get_config().to_dict())
    chosen = {(cell.factors["filter"], cell.version) for cell in filter_looks._chosen(cells)}
    assert len(chosen) == 6
    with pytest.raises(InputError, match=r"the run \(oracle, seed 0\) is missing"):
        filter_looks.measure(cells, Layout(tmp_path))
    with pytest.raises(InputError, match="expected the ablation's noisy pairs"):
        filter_looks.measure(
            [cell for cell in cells if cell.factors["captions"] != "noisy"], Layout(tmp_path)
        )


def test_the_slopes_are_drawn():
    rows = [
        {"filter": level, "version": version, "occupation": str(i), "men_share": x,
         "all": 2 * x, "within": x if i else np.nan}
        for level in ("off", "on") for version in ("original", "balanced")
        for i, x in enumerate((0.1, 0.4, 0.6, 0.9))
    ]  # fmt: skip
    assert filter_looks.slope(rows[:4], "all") == pytest.approx(2)
    assert filter_looks.slope(rows[:4], "within") == pytest.approx(1)  # without the one that is NaN
    texts = [text.get_text() for ax in filter_looks.draw(rows).axes for text in ax.texts]
    assert texts.count("slope +2.00") == 4 and texts.count("within +1.00") == 4
