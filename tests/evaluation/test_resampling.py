import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax.errors import InputError
from m4jax.evaluation import intervals, resampling
from m4jax.evaluation.resampling import Resampler, Settings, tail_probability


def mean(totals):
    return totals[..., 1] / totals[..., 0]


def columns(x):
    return np.stack([np.ones_like(x), x], -1)


def bootstrap(statistic, data, *, groups=None, strata=None, **options):
    """The percentile interval of a statistic of [n, k], or of [runs, n, k]; a group a picture."""
    data = data if data.ndim == 3 else data[None]
    groups = np.arange(data.shape[1]) if groups is None else groups
    resampler = Resampler(groups, strata, settings=Settings(**options))
    return intervals.percentile(resampler.draws(statistic, data))


def test_value_is_the_statistic_of_all_pictures():
    x = np.arange(20.0)
    interval = bootstrap(mean, columns(x))
    assert interval.value == 9.5
    assert interval.low < 9.5 < interval.high
    assert (interval.n, interval.groups) == (20, 20)


def test_agrees_with_a_bootstrap_written_as_a_loop():
    rng = np.random.default_rng(1)
    x, groups = rng.gamma(2.0, size=60), np.repeat(np.arange(15), 4)
    means = []
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in rng.integers(15, size=15)])
        means.append(x[rows].mean())
    tail = tail_probability(0.95, 15)
    expected = np.quantile(means, [tail, 1 - tail])
    interval = bootstrap(mean, columns(x), groups=groups, resamples=4000)
    np.testing.assert_allclose(
        [interval.low, interval.high], expected, atol=0.03 * np.ptp(expected)
    )


def test_tail_probability_is_that_of_students_t():
    from scipy import stats

    for groups in (10, 30, 1000):
        t = stats.t.ppf(0.975, groups - 1) * np.sqrt(groups / (groups - 1))
        assert tail_probability(0.95, groups) == pytest.approx(stats.norm.cdf(-t), rel=0.02)


def test_clusters_widen_the_interval():
    x = np.repeat(np.random.default_rng(0).normal(size=30), 9)
    alone = bootstrap(mean, columns(x))
    together = bootstrap(mean, columns(x), groups=np.repeat(np.arange(30), 9))
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_copies_of_every_picture_change_nothing():
    x = np.random.default_rng(0).normal(size=30)
    once = bootstrap(mean, columns(x))
    thrice = bootstrap(mean, columns(np.repeat(x, 3)), groups=np.repeat(np.arange(30), 3))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high))


def test_order_of_pictures_changes_nothing():
    rng = np.random.default_rng(0)
    x, groups, order = rng.normal(size=60), np.repeat(np.arange(20), 3), rng.permutation(60)
    first = bootstrap(mean, columns(x), groups=groups, strata=groups % 2)
    second = bootstrap(mean, columns(x[order]), groups=groups[order], strata=groups[order] % 2)
    assert dataclasses.astuple(first) == pytest.approx(dataclasses.astuple(second))


def test_strata_keep_their_sizes():
    strata = np.repeat([0, 1], [12, 30])
    data = np.stack([strata == 0, strata == 1], -1)[None].astype(float)
    resampler = Resampler(np.arange(42), strata, settings=Settings())
    draws = resampler.draws(lambda t: t, data)
    assert np.array_equal(np.unique(draws.samples.reshape(-1, 2), axis=0), [[12, 30]])
    assert resampler.groups == 12


def test_a_group_in_two_strata_is_kept_together():
    groups, strata = np.repeat(np.arange(24), 2), np.tile([0, 1], 24)
    data = np.stack([strata == 0, strata == 1], -1)[None].astype(float)
    draws = Resampler(groups, strata, settings=Settings()).draws(lambda t: t, data)
    np.testing.assert_array_equal(draws.samples[..., 0], draws.samples[..., 1])


def test_runs_are_averaged_and_resampled_together():
    x = np.random.default_rng(0).normal(size=40)
    pair = bootstrap(mean, np.stack([columns(x), columns(-x)]))
    assert (pair.value, pair.low, pair.high) == pytest.approx((0, 0, 0), abs=1e-12)
    shifted = bootstrap(mean, np.stack([columns(x), columns(x + 1)]))
    alone = bootstrap(mean, columns(x))
    assert shifted.low == pytest.approx(alone.low + 0.5)


@pytest.mark.parametrize(("groups", "finite"), [(9, False), (10, True)])
def test_too_few_groups_give_no_answer(groups, finite):
    interval = bootstrap(
        mean, columns(np.tile([0.2, 0.4], groups)), groups=np.arange(2 * groups) // 2
    )
    assert np.isfinite([interval.value, interval.low, interval.high]).tolist() == [finite] * 3


def test_too_few_groups_in_one_stratum_give_no_answer():
    interval = bootstrap(mean, columns(np.ones(50)), strata=np.arange(50) < 9)
    assert np.isnan([interval.value, interval.low, interval.high]).all()
    assert interval.groups == 9


def test_mean_leaves_out_what_does_not_count():
    values = np.tile([1.0, 0.0, np.nan], 20)
    resampler = Resampler(np.arange(60), settings=Settings())
    interval = intervals.percentile(resampler.mean(values[None]))
    assert (interval.value, interval.n) == (0.5, 40)
    few = np.where(np.arange(60) < 9, 1.0, np.nan)
    assert np.isnan(intervals.percentile(resampler.mean(few[None])).value)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_agreement_of_all_groups_is_not_certainty(value):
    resampler = Resampler(np.arange(30), settings=Settings())
    draws = resampler.mean(np.full((1, 30), value), bounds=(0, 1))
    interval = intervals.percentile(draws)
    width = 1 - draws.tail ** (1 / 30)
    assert interval.high - interval.low == pytest.approx(width)
    assert 0 <= interval.low <= value <= interval.high <= 1
    gap = intervals.percentile(draws, draws)
    assert (gap.low, gap.high) == pytest.approx((-width, width))  # each may err towards the inside


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.integers(10, 40), st.floats(-50, 50), st.floats(0.01, 100))
def test_mean_is_equivariant(n, shift, scale):
    x = np.random.default_rng(n).normal(size=n)
    a, b = bootstrap(mean, columns(x)), bootstrap(mean, columns(shift + scale * x))
    expected = [shift + scale * end for end in (a.value, a.low, a.high)]
    assert [b.value, b.low, b.high] == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_same_seed_same_interval():
    x = columns(np.random.default_rng(0).normal(size=30))
    assert bootstrap(mean, x, seed=3) == bootstrap(mean, x, seed=3)
    assert bootstrap(mean, x, seed=3) != bootstrap(mean, x, seed=4)


def test_fast_at_two_thousand_pictures_and_22_columns():
    data = np.random.default_rng(0).random((1, 2000, 46))
    start = time.process_time()
    Resampler(np.arange(2000), settings=Settings()).draws(lambda t: t[..., 1:] / t[..., :1], data)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resamples": 10}, "at least 100"),
        ({"level": 1.0}, "level"),
        ({"minimum": 1}, "minimum"),
        ({"groups": np.arange(3)}, "shape"),
        ({"strata": np.arange(3)}, "one id for each picture"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(InputError, match=message):
        bootstrap(mean, columns(np.ones(20)), **change)


def test_many_groups_are_drawn_in_parts_as_at_once(monkeypatch):
    x = columns(np.random.default_rng(0).normal(size=300))
    strata = np.arange(300) % 3
    whole = bootstrap(mean, x, strata=strata)
    monkeypatch.setattr(resampling, "_DRAWN", 250)
    monkeypatch.setattr(resampling, "_COUNTED", 7 * 300)
    parts = bootstrap(mean, x, strata=strata)
    assert dataclasses.astuple(parts) == pytest.approx(dataclasses.astuple(whole), rel=1e-12)


def test_many_strata_are_summed_as_few_are(monkeypatch):
    x, strata = np.random.default_rng(1).normal(size=600), np.arange(600) % 60
    data = (np.eye(60)[strata] * x[:, None])[None]
    resampler = Resampler(np.arange(600), strata, settings=Settings())
    found = resampler.draws(lambda total: total, data)
    monkeypatch.setattr(resampling, "_SPARSE", 0)
    dense = resampler.draws(lambda total: total, data)
    np.testing.assert_allclose(found.samples, dense.samples, rtol=1e-10, atol=1e-12)
    assert found.samples.shape == (1000, 1, 60)
