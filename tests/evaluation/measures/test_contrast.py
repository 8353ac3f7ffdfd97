"""Standardised differences and permutation tests against W4ngatang/sent-bias and plain loops."""

import math
from itertools import combinations

import numpy as np
import pytest

from m4jax.evaluation.intervals import percentile
from m4jax.evaluation.measures import contrast
from m4jax.evaluation.measures.contrast import permutation_p
from m4jax.evaluation.resampling import Resampler, Settings


def data(x=15, y=20, c=2, seed=0, gap=0.5):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(x + y, c))
    scores[:x] += gap
    return scores, np.arange(x + y) < x


def reference(s, first):
    """Effect size with n − 1 below the deviation."""
    x = [a for a, b in zip(s, first, strict=True) if b]
    y = [a for a, b in zip(s, first, strict=True) if not b]
    both = x + y
    mean = sum(both) / len(both)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in both) / (len(both) - 1))
    return (sum(x) / len(x) - sum(y) / len(y)) / deviation


def drawn(scores, first, groups=None, **settings):
    groups = np.arange(len(first)) if groups is None else groups
    resampler = Resampler(groups, first, settings=Settings(**{"resamples": 200, **settings}))
    draws = contrast.contrast(resampler, scores, parts(first))
    assert np.allclose(draws.estimate[:, 1], -draws.estimate[:, 0], equal_nan=True)
    return draws.map(lambda x: x[..., 0, :]), resampler


def parts(first):
    return np.where(first, 0, 1)


def p_of(scores, first, groups=None, **about):
    return permutation_p(scores, parts(first), groups, **about)[0]


def test_is_the_effect_size_of_the_data_and_of_each_resample():
    scores, first = data(c=20)  # more columns than are summed at a time
    draws, resampler = drawn(scores, first)
    assert draws.estimate.shape == (1, 20)
    for column in (0, 7, 19):
        assert draws.estimate[0, column] == pytest.approx(reference(scores[:, column], first))
    held = resampler.multiplicities(np.arange(35))
    for row in (0, 9):
        again = np.repeat(np.arange(35), held[row].astype(int))
        expected = reference(scores[again, 3], first[again])
        assert draws.samples[row, 0, 3] == pytest.approx(expected)


def test_units_of_the_score_do_not_matter_and_sides_change_the_sign():
    scores, first = data()
    usual = drawn(scores, first)[0].estimate
    assert np.allclose(drawn(scores * 1e-4 + 5, first)[0].estimate, usual, rtol=1e-6)
    assert np.allclose(drawn(scores, ~first)[0].estimate, -usual)


def test_a_score_that_does_not_vary_has_no_effect_size():
    scores, first = data()
    scores[:, 0] = 0.123
    assert np.isnan(drawn(scores, first)[0].estimate[0, 0])
    assert np.isfinite(drawn(scores, first)[0].estimate[0, 1])


def test_exact_p_is_that_of_all_divisions():
    scores, first = data(5, 5, c=1)
    s = scores[:, 0]
    there = s[:5].sum()
    all_of = [s[list(rows)].sum() for rows in combinations(range(10), 5)]
    one_sided = np.mean([t >= there - 1e-12 for t in all_of])
    assert p_of(scores, first, two_sided=False)[0] == pytest.approx(one_sided)
    middle = s.sum() / 2
    two_sided = np.mean([abs(t - middle) >= abs(there - middle) - 1e-12 for t in all_of])
    assert p_of(scores, first)[0] == pytest.approx(two_sided)


def test_drawn_p_is_near_the_exact_one():
    scores, first = data(8, 8, c=3)
    exact = p_of(scores, first)
    assert len(list(combinations(range(16), 8))) <= contrast.EXACT
    groups = np.append(np.arange(15), 0)  # two pictures together: no longer exact
    assert p_of(scores, first, groups) != pytest.approx(exact, abs=1e-9)
    other = np.concatenate([[False], first])  # one more, and there are too many divisions
    more = np.concatenate([np.zeros((1, 3)), scores])
    assert math.comb(17, 8) > contrast.EXACT
    sample = p_of(more, other)
    sums = np.array([more[list(rows)].sum(0) for rows in combinations(range(17), 8)])
    mean = sums / 8 - (more.sum(0) - sums) / 9
    there = more[other].mean(0) - more[~other].mean(0)
    assert sample == pytest.approx(np.mean(np.abs(mean) >= np.abs(there), 0), abs=0.015)


def test_p_is_never_zero_and_one_where_nothing_differs():
    scores, first = data(40, 40, gap=9)
    assert p_of(scores, first) == pytest.approx(1 / (1 + contrast.SHUFFLES))
    assert p_of(np.ones((80, 1)), first)[0] == 1


def clustered(rng, kind):
    """Pictures of 24 groups whose scores depend on the group alone, and two of each picture."""
    group = np.repeat(np.arange(24), 4)
    if kind == "pure":
        first = rng.permutation(np.repeat([True, False], 12))[group]
    else:
        first = np.tile([True, True, False, False], 24)
    score = rng.normal(size=24)[group] + 0.3 * rng.normal(size=96)
    return score[:, None], first, group


@pytest.mark.parametrize("kind", ["pure", "mixed"])
def test_groups_of_pictures_are_exchanged_whole(kind):
    """Without a difference, p is below 0.1 in a tenth of the cases: not so with pictures alone."""
    rng = np.random.default_rng(0)
    together, alone = [], []
    for _ in range(60):
        score, first, group = clustered(rng, kind)
        together.append(p_of(score, first, group, shuffles=200)[0])
        alone.append(p_of(score, first, shuffles=200)[0])
    assert 0.03 <= np.mean(np.array(together) < 0.1) <= 0.19
    share = np.mean(np.array(alone) < 0.1)
    assert share > 0.25 if kind == "pure" else share < 0.03


def test_mixed_groups_keep_how_many_they_have_in_each_part():
    group = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3, 4])
    first = np.array([1, 0, 0, 1, 1, 0, 0, 1, 0, 1], bool)
    generator = np.random.default_rng(1)
    one_hot = np.eye(10)
    found = [x[0] for x in contrast._shuffled(one_hot, parts(first), group, 300, generator)]
    for rows in np.stack(found):
        assert (rows.sum(0) == 1).all()
        member = rows[0]
        assert (member[:3].sum(), member[7:9].sum()) == (1, 1)
        for pure in ([3, 4], [5, 6]):
            assert member[pure].sum() in (0, 2)
        assert member[[3, 5, 9]].sum() == 2  # two of the three pure groups, as before
    assert len({tuple(rows[0]) for rows in found}) == 3 * 2 * 3  # all divisions that there are
    order = generator.permutation(10)  # the order of pictures does not matter
    scores = generator.normal(size=(10, 1))
    p = p_of(scores, first, group)
    assert p_of(scores[order], first[order], group[order]) == pytest.approx(p, abs=0.02)


def test_several_values_are_told_each_against_the_others():
    scores, _ = data(30, 30, c=2)
    codes = np.arange(60) % 3
    resampler = Resampler(np.arange(60), codes, settings=Settings(resamples=100))
    draws = contrast.contrast(resampler, scores, codes)
    p = permutation_p(scores, codes, shuffles=2000)
    for v in range(3):
        for c in range(2):
            expected = reference(scores[:, c], codes == v)
            assert draws.estimate[0, v, c] == pytest.approx(expected)
        assert p[v] == pytest.approx(p_of(scores, codes == v, shuffles=2000), abs=0.04)


@pytest.mark.parametrize(("x", "y", "gap"), [(40, 40, 0.0), (20, 60, 0.7), (8, 8, 0.8)])
def test_intervals_cover(x, y, gap):
    """Simulated coverage of the 95% interval."""
    truth = gap / math.sqrt(1 + gap**2 * x * y / (x + y) ** 2)
    covered = []
    for seed in range(200):
        scores, first = data(x, y, c=1, seed=seed, gap=gap)
        interval = percentile(
            drawn(scores, first, resamples=300, minimum=8)[0].map(lambda x: x[..., 0])
        )
        covered.append(interval.low <= truth <= interval.high)
    assert 0.89 <= np.mean(covered) <= 0.99  # with 8 words in each set 0.905, else 0.96
