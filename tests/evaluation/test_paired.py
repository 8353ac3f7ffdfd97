"""Tests of differences between runs: their size, their coverage, the correction, the power."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy import stats

from m4jax.errors import InputError
from m4jax.evaluation import paired

numbers = st.lists(st.floats(-1, 1).filter(lambda x: abs(x) > 1e-9), min_size=1, max_size=12)


@hypothesis.given(numbers)
@hypothesis.settings(deadline=None)
def test_the_sign_of_all_differences_turns_the_effect_around(d):
    d = np.array(d)
    one, other = paired.effect(d), paired.effect(-d)
    assert other.mean == -one.mean and other.rank_biserial == -one.rank_biserial
    assert paired.wilcoxon(-d) == pytest.approx(paired.wilcoxon(d))
    assert -1 <= one.rank_biserial <= 1


@pytest.mark.parametrize("n", [1, 3, 5, 10])
def test_the_least_p_value_is_that_of_one_sign(n):
    assert paired.wilcoxon(np.arange(1, n + 1.0)) == pytest.approx(2.0 ** (1 - n))
    assert paired.effect(np.arange(1, n + 1.0)).rank_biserial == 1


def test_no_difference_is_no_evidence():
    assert paired.wilcoxon(np.zeros(5)) == 1
    found = paired.effect(np.zeros(5))
    assert (found.mean, found.low, found.high, found.rank_biserial) == (0, 0, 0, 0)


def test_a_single_pair_has_no_interval():
    found = paired.effect([0.3])
    assert np.isnan([found.low, found.high, found.deviation]).all() and found.n == 1


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="finite"):
        paired.effect([0.1, np.nan])
    with pytest.raises(InputError, match=r"expected \[2, B\]"):
        paired.effect([0.1, 0.2], np.zeros((3, 4)))


@pytest.mark.parametrize("n", [2, 3, 5, 10, 24])
@pytest.mark.parametrize("pictures", [0.0, 0.3])
def test_the_interval_covers_the_mean(n, pictures):
    """Pairs have chance of their own; all of them share that of the pictures."""
    rng, covered, times = np.random.default_rng(1), 0, 2000
    for _ in range(times):
        error = pictures * rng.normal()  # of this set of pictures
        deviations = pictures * rng.normal(size=(1, 200)).repeat(n, 0)
        found = paired.effect(0.7 + rng.normal(size=n) + error, deviations)
        covered += found.low <= 0.7 <= found.high
    assert 0.935 <= covered / times <= 0.985


@pytest.mark.parametrize("n", [4, 9, 15])
@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_without_ties_the_test_is_scipys(n, alternative):
    d = np.random.default_rng(n).normal(0.4, 1, n)
    expected = stats.wilcoxon(d, alternative=alternative, method="exact").pvalue
    assert paired.wilcoxon(d, alternative) == pytest.approx(expected, rel=1e-12)


def test_with_ties_all_signs_are_gone_through():
    d = np.array([0.1, 0.1, -0.1, 0.2, 0.2, 0.2 + 1e-15, 0.0])
    rank = stats.rankdata(np.abs(np.round(d[:-1], 12)))
    signs = np.array(np.meshgrid(*[[0, 1]] * 6)).reshape(6, -1).T
    expected = np.mean(signs @ rank >= rank[d[:-1] > 0].sum() - 1e-9)
    assert paired.wilcoxon(d, "greater") == pytest.approx(expected)
    assert paired.wilcoxon(np.ones(5)) == pytest.approx(2.0**-4)


def test_many_pairs_are_approximated():
    d = np.random.default_rng(0).normal(0.1, 1, 201)
    assert paired.wilcoxon(d) == pytest.approx(paired.wilcoxon(d[:200]), rel=0.2)
    with pytest.raises(InputError, match="expected two-sided or greater, got 'less'"):
        paired.wilcoxon(d, "less")


def test_without_the_pictures_chance_the_interval_is_too_short():
    rng = np.random.default_rng(0)
    d, deviations = rng.normal(size=12), 3 * rng.normal(size=(1, 200)).repeat(12, 0)
    alone, both = paired.effect(d), paired.effect(d, deviations)
    assert both.high - both.low > 2 * (alone.high - alone.low)


@hypothesis.given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_monotone_and_never_less_than_p(p):
    corrected = paired.holm(p)
    assert (corrected >= np.array(p) - 1e-15).all() and (corrected <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()


def test_holm_agrees_with_a_worked_example():
    assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert paired.holm([0.01, np.nan, 0.03])[[0, 2]] == pytest.approx([0.02, 0.03])


def test_a_family_of_true_hypotheses_is_seldom_rejected():
    rng = np.random.default_rng(0)
    wrong = sum((paired.holm(rng.random(10)) < 0.05).any() for _ in range(2000)) / 2000
    assert wrong < 0.065


def test_few_pairs_can_show_nothing():
    assert paired.detectable(1.0, 5) == np.inf  # 2^(1-5) > 0.05
    assert np.isfinite(paired.detectable(1.0, 6))
    assert paired.detectable(1.0, 6, alpha=0.005) == np.inf


def test_the_detectable_difference_is_found_about_as_often_as_said():
    rng, n = np.random.default_rng(0), 20
    delta = paired.detectable(1.0, n)
    found = np.mean([stats.wilcoxon(delta + rng.normal(size=n)).pvalue < 0.05 for _ in range(2000)])
    assert 0.75 < found < 0.86
    assert paired.pairs_needed(delta, 1.0, alpha=0.05) == pytest.approx(n, abs=1)


def test_the_detectable_difference_with_pictures_is_found_about_as_often_as_said():
    rng, n, v, alpha = np.random.default_rng(1), 20, 0.25, 0.01
    delta = paired.detectable(1.0, n, alpha=alpha, pictures=v)
    assert delta > 1.2 * paired.detectable(1.0, n, alpha=alpha)
    moved = np.tile(np.array([-v, v]), (n, 1))
    found = []
    for _ in range(600):
        d = delta + rng.normal(size=n) + v * rng.normal()
        found.append(2 * paired.greater(d, paired.effect(d, moved)) < alpha)
    assert 0.74 < np.mean(found) < 0.86
    options = {"alpha": alpha, "pictures": v}
    assert paired.pairs_needed(delta, 1.0, **options) == n
    for difference in (1.0, 0.9, 2.0):
        needed = paired.pairs_needed(difference, 1.0, **options)
        assert paired.detectable(1.0, needed, **options) <= difference
        assert paired.detectable(1.0, needed - 1, **options) > difference
    assert paired.pairs_needed(0.5, 1.0, **options) == 0  # hidden by the pictures
    assert paired.pairs_needed(0.5, 1.0, alpha=alpha) > n


def test_few_pictures_have_students_quantile():
    rng = np.random.default_rng(2)
    d, moved = rng.normal(0.5, 0.1, 40), np.tile(np.array([-0.1, 0.1]), (40, 1))
    normal, few = paired.effect(d, moved), paired.effect(d, moved, degrees=9)
    of_runs = stats.t.ppf(0.975, 39) * d.std(ddof=1) / np.sqrt(40)
    half = np.hypot(of_runs, stats.t.ppf(0.975, 9) * 0.1)
    assert few.high - few.mean == pytest.approx(half) and few.low < normal.low
    p = paired.exceeds(few)
    assert p > paired.exceeds(normal)
    touching = paired.effect(d, moved, degrees=9, level=1 - 2 * p)
    assert touching.low == pytest.approx(0, abs=1e-9)


def test_the_interval_touches_a_bound_at_its_p():
    d = np.array([0.3, 0.1, 0.5, 0.2, 0.4, 0.6])
    moved = np.tile([0.05, -0.05], (6, 1))
    found = paired.effect(d, moved)
    p = paired.exceeds(found)
    assert paired.effect(d, moved, level=1 - 2 * p).low == pytest.approx(0, abs=1e-9)
    assert paired.exceeds(found, found.mean + 0.1) > 0.5
    assert paired.exceeds(found, found.mean) == 0.5
    alone = paired.effect(d)
    expected = stats.ttest_1samp(d, 0, alternative="greater").pvalue
    assert paired.exceeds(alone) == pytest.approx(expected)
    assert paired.exceeds(paired.effect([0.3])) == 1  # no interval, no evidence
    assert paired.exceeds(paired.effect([0.3, 0.3, 0.3])) == paired.LEAST  # no chance at all


def test_pictures_that_could_be_others_make_p_larger():
    d = np.arange(1, 13.0)
    few = np.tile([4.0, -4.0], (12, 1))
    alone = paired.greater(d, paired.effect(d))
    assert alone == paired.wilcoxon(d, "greater")
    assert paired.greater(d, paired.effect(d, few)) > 0.05
