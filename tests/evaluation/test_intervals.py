import dataclasses
from itertools import product

import numpy as np
import pytest
from scipy import stats

from m4jax.evaluation import bias, intervals
from m4jax.evaluation.resampling import Resampler, Settings

C = 22
PER_GENDER = 30
MAN = np.repeat([1, 0], PER_GENDER)
REPEATS = 400
# A 95% interval covers at least 371 of 400 times with a probability of 0.97.
ENOUGH = 371 / REPEATS


def some(cases, *fast):
    """Cases of which all but some are marked slow: each draws 400 data sets."""
    marks = [pytest.mark.slow]
    return [case if case in fast else pytest.param(*case, marks=marks) for case in cases]


def truths():
    """Returns association biases [C] from parity to far above the noise."""
    rng = np.random.default_rng(0)
    shape = rng.normal(size=C)
    return {"parity": 0 * shape, "weak": 0.05 * shape, "strong": shape, "tied": np.ones(C)}


def draws(truth, rng):
    """Returns the draws of AB for normal "probabilities" that differ by `truth` between genders."""
    probability = rng.normal(size=(1, 2 * PER_GENDER, C)) * 0.5 + MAN[:, None] * truth
    settings = Settings(resamples=200, seed=int(rng.integers(2**31)))
    resampler = Resampler(np.arange(2 * PER_GENDER), MAN, settings=settings)
    return bias.association_bias(resampler, probability, MAN)


def coverage(interval, answer, *sides, seed=1):
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(REPEATS):
        result = interval(*[draws(truth, rng) for truth in sides])
        hits += result.low <= answer <= result.high
    return hits / REPEATS


@pytest.mark.parametrize(
    ("name", "function"),
    some(
        product(truths(), (intervals.mean_absolute, intervals.max_absolute)),
        ("parity", intervals.max_absolute),
        ("tied", intervals.mean_absolute),
    ),
)
def test_norm_intervals_cover(name, function):
    truth = truths()[name]
    assert coverage(lambda d: intervals.norm(function, d), function(truth), truth) >= ENOUGH


def test_percentile_intervals_of_a_norm_do_not_cover():
    def naive(d):
        return intervals.percentile(d.map(intervals.mean_absolute))

    assert coverage(naive, 0.0, truths()["parity"]) == 0


@pytest.mark.parametrize(
    ("one", "other"),
    some([("strong", "parity"), ("weak", "parity"), ("weak", "weak")], ("weak", "parity")),
)
def test_norm_intervals_of_differences_cover(one, other):
    first, second = truths()[one], truths()[other]
    answer = np.abs(first).mean() - np.abs(second).mean()
    found = coverage(
        lambda a, b: intervals.norm(intervals.mean_absolute, a, b), answer, first, second
    )
    assert found >= ENOUGH


def test_norm_interval_decides_what_is_far_from_noise():
    rng = np.random.default_rng(0)
    strong, parity = draws(truths()["strong"], rng), draws(truths()["parity"], rng)
    assert intervals.norm(intervals.mean_absolute, strong).low > 0
    assert intervals.norm(intervals.mean_absolute, parity).low == 0
    assert intervals.norm(intervals.mean_absolute, strong, parity).low > 0


@pytest.mark.parametrize(
    ("scale", "rho"), some(product((0.1, 0.3), (0.0, 0.6, 0.9)), (0.1, 0.9), (0.3, 0.0))
)
def test_correlation_intervals_cover(scale, rho):
    known, other = np.random.default_rng(5).normal(size=(2, C))
    known, other = known - known.mean(), other - other.mean()
    other -= known * (known @ other) / (known @ known)
    known, other = known / np.linalg.norm(known), other / np.linalg.norm(other)
    truth = scale * np.sqrt(C) * (rho * known + np.sqrt(1 - rho**2) * other)
    interval = coverage(
        lambda d: intervals.correlation(intervals.project(d, known[None])), rho, truth
    )
    assert interval >= ENOUGH


def shares(rng, groups, share, correlation, size=12):
    """Returns the draws of a share of pictures that hit; those of one group are alike."""
    scale = (1 - correlation) / correlation
    of_group = rng.beta(share * scale, (1 - share) * scale, groups)
    hit = rng.random((1, size * groups)) < np.repeat(of_group, size)
    settings = Settings(resamples=300, seed=int(rng.integers(2**31)))
    return Resampler(np.repeat(np.arange(groups), size), settings=settings).mean(hit, (0, 1))


@pytest.mark.parametrize("groups", [12, 100])
def test_intervals_of_shares_cover(groups):
    rng, hits = np.random.default_rng(2), 0
    for _ in range(300):
        interval = intervals.percentile(shares(rng, groups, 2 / 3, 1 / 7, 3))
        hits += interval.low <= 2 / 3 <= interval.high
    assert 0.92 <= hits / 300 <= 0.98


@pytest.mark.parametrize("groups", [24, 46])
def test_intervals_of_shares_near_one_cover_where_percentiles_do_not(groups):
    rng, hits = np.random.default_rng(3), np.zeros(2)
    for _ in range(REPEATS):
        draws = shares(rng, groups, 0.9, 0.3)
        found = [interval(draws) for interval in (intervals.share, intervals.percentile)]
        hits += [interval.low <= 0.9 <= interval.high for interval in found]
    assert hits[0] / REPEATS >= 0.92 and hits[0] > hits[1]


def test_shares_of_many_groups_have_the_percentile_interval():
    draws = shares(np.random.default_rng(4), 2000, 0.8, 0.3)
    share, plain = intervals.share(draws), intervals.percentile(draws)
    assert share.low <= plain.low <= share.value == plain.value <= plain.high <= share.high
    assert share.high - share.low <= 1.1 * (plain.high - plain.low)


def test_shares_of_independent_pictures_have_clopper_and_pearsons_interval():
    hit = np.arange(400)[None] < 388
    draws = Resampler(np.arange(400), settings=Settings(resamples=4000)).mean(hit, (0, 1))
    exact = stats.binomtest(388, 400).proportion_ci()
    found = intervals.share(draws)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.002)
    moved = Resampler(np.arange(400), settings=Settings(resamples=4000)).mean(
        hit - 0.5, (-0.5, 0.5)
    )
    lower = intervals.share(moved)
    assert (lower.low + 0.5, lower.high + 0.5) == pytest.approx((found.low, found.high))


def test_differences_and_what_has_no_bounds_have_percentile_intervals():
    draws = shares(np.random.default_rng(5), 16, 0.95, 0.3)
    assert intervals.share(draws, draws) == intervals.percentile(draws, draws)
    free = dataclasses.replace(draws, bounds=None)
    assert intervals.share(free) == intervals.percentile(free)


def test_the_value_is_the_plain_norm_and_correlation():
    d = draws(truths()["strong"], np.random.default_rng(0))
    x, known = d.estimate[0], np.arange(C) ** 2.0
    assert intervals.norm(intervals.max_absolute, d).value == pytest.approx(np.abs(x).max())
    found = intervals.correlation(intervals.project(d, known[None]))
    assert found.value == pytest.approx(np.corrcoef(x, known)[0, 1])
    assert found.low <= found.value <= found.high


def test_a_model_equals_itself():
    d = draws(truths()["weak"], np.random.default_rng(0))
    projected = intervals.project(d, np.arange(C)[None] + 0.0)
    for interval in (
        intervals.norm(intervals.max_absolute, d, d),
        intervals.correlation(projected, projected),
    ):
        assert interval.value == 0
        assert interval.low <= 0 <= interval.high


def test_nothing_to_correlate_with_is_no_answer():
    d = draws(truths()["strong"], np.random.default_rng(0))
    constant = intervals.correlation(intervals.project(d, np.full((1, C), 0.3)))
    still = intervals.correlation(
        intervals.project(d.map(lambda x: 0 * x), np.arange(C)[None] + 0.0)
    )
    for interval in (constant, still):
        assert np.isnan(dataclasses.astuple(interval)[:3]).all()


def test_norm_stays_finite_only_with_enough_groups():
    man = np.repeat([1, 0], [30, 9])
    resampler = Resampler(np.arange(39), man, settings=Settings())
    d = bias.association_bias(resampler, np.ones((1, 39, C)) / C, man)
    assert np.isnan(intervals.norm(intervals.mean_absolute, d).value)


def test_correlation_interval_holds_the_plain_value():
    rng = np.random.default_rng(0)
    known = np.linspace(-1, 1, C)
    found = [
        intervals.correlation(intervals.project(draws(0.15 * known, rng), known[None]))
        for _ in range(100)
    ]
    assert all(interval.low <= interval.value <= interval.high for interval in found)
