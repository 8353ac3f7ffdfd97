"""Rates of clustered examples: against loops, invariances, simulated coverage, permutations."""

import numpy as np
import pytest
from scipy import sparse, stats

from m4jax.audit.data import clusters
from m4jax.audit.data.clusters import Groups
from m4jax.evaluation.resampling import Settings

SETTINGS = Settings(resamples=400)


def summed(groups, matrix, weights):
    return Groups(groups, SETTINGS).sums(sparse.csr_array(np.asarray(matrix, float)), weights)


def rate_of(groups, values, counted=None):
    """The rate of 0/1 `values` among those counted, both [n]."""
    counted = np.ones(len(values)) if counted is None else counted
    part = summed(groups, values[:, None], counted)
    return clusters.rates(part, summed(groups, np.ones((len(values), 1)), counted))


def test_a_rate_and_its_variance_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    groups, values = rng.integers(0, 30, 200), rng.random(200) < 0.3
    counted = (rng.random(200) < 0.7).astype(float)
    found = rate_of(groups, values.astype(float), counted)
    p = (values * counted).sum() / counted.sum()
    ids = [g for g in np.unique(groups) if counted[groups == g].any()]
    errors = [sum((values[i] - p) * counted[i] for i in np.flatnonzero(groups == g)) for g in ids]
    variance = np.square(errors).sum() / counted.sum() ** 2 * len(ids) / (len(ids) - 1)
    assert found.value[0] == pytest.approx(p)
    assert found.variance[0] == pytest.approx(variance)
    assert (found.n[0], found.groups[0]) == (counted.sum(), len(ids))


def test_many_examples_by_themselves_have_wilsons_interval():
    values = np.arange(3000) % 10 == 0
    low, high = rate_of(np.arange(3000), values.astype(float)).interval(0.95)
    judge = stats.binomtest(int(values.sum()), 3000).proportion_ci(method="wilson")
    np.testing.assert_allclose([low[0], high[0]], [judge.low, judge.high], atol=1e-4)


def test_copies_within_a_group_tell_nothing():
    rng = np.random.default_rng(2)
    values = (rng.random(60) < 0.4).astype(float)
    once = rate_of(np.arange(60), values)
    often = rate_of(np.repeat(np.arange(60), 5), np.repeat(values, 5))
    np.testing.assert_allclose(once.interval(0.95), often.interval(0.95))
    assert often.n[0] == 5 * once.n[0]


def test_where_all_agree_groups_are_counted_once():
    found = rate_of(np.repeat(np.arange(20), 50), np.ones(1000))
    low, high = found.interval(0.95)
    assert high[0] == 1
    z = stats.t.ppf(0.975, 19)
    assert low[0] == pytest.approx(1 / (1 + z**2 / 20))  # Wilson's of 20 of 20


def simulated(rng, count=40, size=4):
    """Groups whose examples are alike: group, s, y, with P(y|s=1) = 0.45 and P(y|s=0) = 0.3."""
    groups = np.repeat(np.arange(count), size)
    s = rng.random(count * size) < 0.5
    rate = rng.beta(2, 2, count)[groups]  # of mean 1/2, the same for a group
    y = rng.random(len(groups)) < rate * np.where(s, 0.9, 0.6)
    return groups, s.astype(float), y.astype(float)


def test_intervals_of_rates_and_differences_cover():
    rng, hits = np.random.default_rng(3), []
    for _ in range(400):
        groups, s, y = simulated(rng)
        ones = np.ones((len(y), 1))
        pairs = [
            (summed(groups, y[:, None], w), summed(groups, ones, w)) for w in (s, 1 - s)
        ]  # fmt: skip
        first, second = (clusters.rates(*pair) for pair in pairs)
        correlation = clusters.correlated((*pairs[0], first), (*pairs[1], second))
        low, high = clusters.difference(first, second, correlation, 0.95)
        one = first.interval(0.95)
        hits.append([one[0][0] <= 0.45 <= one[1][0], low[0] <= 0.15 <= high[0]])
    covered = np.mean(hits, axis=0)
    assert (covered > 0.925).all()
    assert (covered < 0.985).all()


def test_errors_of_the_same_groups_are_correlated_and_of_others_not():
    rng = np.random.default_rng(4)
    groups, s, y = simulated(rng, count=2000)
    ones = np.ones((len(y), 1))

    def correlation(ids):
        pairs = [(summed(ids, y[:, None], w), summed(ids, ones, w)) for w in (s, 1 - s)]
        found = [clusters.rates(*pair) for pair in pairs]
        return clusters.correlated((*pairs[0], found[0]), (*pairs[1], found[1]))[0]

    assert correlation(groups) > 0.08
    assert correlation(np.arange(len(y))) == 0


def independence(groups, s, y):
    ones = np.ones((len(y), 1))
    value = summed(groups, ones, s).toarray().ravel()
    whole = summed(groups, ones, np.ones(len(y))).toarray().ravel()
    part, known = summed(groups, y[:, None], s), summed(groups, y[:, None], np.ones(len(y)))
    return clusters.independence(part, known, value, whole)[0]


def test_the_test_of_a_label_agrees_with_permutations_of_single_examples():
    rng = np.random.default_rng(5)
    s = (rng.random(2000) < 0.6).astype(float)
    y = (rng.random(2000) < np.where(s, 0.17, 0.15)).astype(float)
    p = independence(np.arange(2000), s, y)
    score = abs(((s - s.mean()) * y).sum())
    drawn = np.array([((rng.permutation(s) - s.mean()) * y).sum() for _ in range(4000)])
    assert p == pytest.approx((np.abs(drawn) >= score - 1e-9).mean(), abs=0.03)


def test_the_test_of_a_label_keeps_its_level_in_groups():
    rng, found = np.random.default_rng(6), []
    for _ in range(400):
        groups = np.repeat(np.arange(60), 5)
        s = (rng.random(300) < rng.beta(1, 1, 60)[groups]).astype(float)
        y = (rng.random(300) < rng.beta(1, 4, 60)[groups]).astype(float)
        found.append(independence(groups, s, y))
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.09


@pytest.mark.parametrize("share", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("labelled", [10, 30])
def test_rare_labels_are_not_told_from_nothing(share, labelled):
    """Of a value that nine tenths have, ten of ten are no news."""
    rng, n = np.random.default_rng(8), 1000
    s = rng.random(n) < share
    y = np.zeros((n, 1000))
    for column in y.T:
        column[rng.choice(n, labelled, replace=False)] = 1
    every = np.arange(n)
    value = s.astype(float)
    part, known = (summed(every, y, w) for w in (value, np.ones(n)))
    p = clusters.independence(part, known, value, np.ones(n))
    for level in (0.05, 0.005):
        assert np.mean(p < level) <= level + 3 * np.sqrt(level / 1000)


@pytest.mark.parametrize("labelled", [12, 500, 970])
def test_the_test_of_a_label_is_nearly_the_exact_one(labelled):
    n, valued = 1000, 640
    for hits in np.unique(stats.hypergeom(n, valued, labelled).ppf([0.002, 0.1, 0.9, 0.998])):
        s, y = np.arange(n) < valued, np.zeros(n)
        y[: int(hits)] = 1
        y[valued : valued + labelled - int(hits)] = 1
        exact = stats.hypergeom(n, valued, labelled)
        tails = min(exact.cdf(hits), exact.sf(hits - 1))
        p = independence(np.arange(n), s.astype(float), y)
        assert p == pytest.approx(min(1, 2 * tails), rel=0.35, abs=2e-3)


def test_parity_is_nearly_the_sign_test():
    y = np.ones(50)
    s = (np.arange(50) < 35).astype(float)
    known = summed(np.arange(50), y[:, None], np.ones(50))
    p = clusters.parity(summed(np.arange(50), y[:, None], s), known)[0]
    assert p == pytest.approx(stats.binomtest(35, 50).pvalue, rel=0.4)
    even = clusters.parity(summed(np.arange(50), y[:, None], np.arange(50) % 2), known)[0]
    assert even == 1


def test_what_does_not_vary_is_not_tested():
    assert np.isnan(independence(np.arange(50), np.arange(50) % 2.0, np.zeros(50)))


def test_bins_of_groups_spread_as_groups_do(monkeypatch):
    rng = np.random.default_rng(7)
    groups = np.repeat(np.arange(3000), 2)
    y = (rng.random(6000) < rng.beta(1, 1, 3000)[groups]).astype(float)

    def deviation():
        made = Groups(groups, Settings(resamples=1000))
        columns = sparse.csr_array(np.stack([y, np.ones(6000)], axis=1))
        sums = made.sums(columns, np.ones(6000))
        draws = made.draws(lambda t: t[..., :1] / t[..., 1:], sums, 6000)
        assert draws.groups == 3000
        assert draws.estimate[0, 0] == pytest.approx(y.mean())
        return draws.samples.std()

    whole = deviation()
    monkeypatch.setattr(clusters, "BINS", 512)
    assert deviation() == pytest.approx(whole, rel=0.15)
    assert deviation() == deviation()
    expected = rate_of(groups, y).variance[0] ** 0.5
    assert whole == pytest.approx(expected, rel=0.08)
