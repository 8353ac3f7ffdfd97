"""Rankings against the formulas of oxai/debias-vision-lang and Geyik et al., in plain loops."""

import math

import numpy as np
import pytest
from helpers.ranking_judge import reference_ndkl, reference_skew

from m4jax.evaluation.measures import top
from m4jax.evaluation.resampling import Resampler, Settings


def case(n=60, values=3, clusters=None, seed=0, **settings):
    rng = np.random.default_rng(seed)
    codes = np.concatenate([np.arange(values), rng.integers(0, values, n - values)])
    groups = np.arange(n) if clusters is None else rng.integers(0, clusters, n)
    resampler = Resampler(groups, settings=Settings(**{"resamples": 100, **settings}))
    return rng.permutation(n), codes, resampler


def expanded(resampler, ranked, row):
    """The pictures of a resample (0: the data) in the order of the ranking, one by one."""
    if row == 0:
        return list(ranked)
    held = resampler.multiplicities(ranked, slice(row - 1, row))[0]
    return [i for i, m in zip(ranked, held, strict=True) for _ in range(int(m))]


@pytest.mark.parametrize("clusters", [None, 25])
@pytest.mark.parametrize("values", [2, 3, 7])
def test_first_k_of_resamples_are_those_of_the_resample_written_out(values, clusters):
    ranked, codes, resampler = case(values=values, clusters=clusters)
    k = 13
    counts = top.counts(resampler, ranked, codes, values, k)
    sums = top.prefixes(resampler, ranked, codes, values, k)
    share = np.bincount(codes) / len(codes)
    fair = dict(enumerate(share))
    equal = dict.fromkeys(range(values), 1 / values)
    for row in (0, 1, 2, 50, 100):
        labels = [codes[i] for i in expanded(resampler, ranked, row)]
        assert counts[row].tolist() == np.bincount(labels[:k], minlength=values).tolist()
        assert sums[row, 1 + values :].tolist() == counts[row].tolist()
        for desired, q in ((fair, share), (equal, np.full(values, 1 / values))):
            skew = top.skews(counts[row], q)
            assert (skew.max(), skew.min()) == pytest.approx(reference_skew(labels, k, desired))
            assert top.ndkl(sums[row], q) == pytest.approx(reference_ndkl(labels, k, desired))


def test_by_hand():
    skew = top.skews(np.array([3.0, 1.0]), np.array([0.5, 0.5]))
    assert skew == pytest.approx([math.log(1.5), math.log(0.5)])
    # one picture: its value alone, KL = −ln q
    sums = top.prefix_sums(np.array([[1]]), 2)[0]
    assert top.ndkl(sums, np.array([0.8, 0.2])) == pytest.approx(-math.log(0.2))
    # first, then second: KL(1, 0 ‖ ½, ½) = ln 2 at place 1, 0 at place 2
    sums = top.prefix_sums(np.array([[0, 1]]), 2)[0]
    expected = math.log(2) / (1 + 1 / math.log2(3))
    assert top.ndkl(sums, np.array([0.5, 0.5])) == pytest.approx(expected)


def test_a_value_that_is_not_found_counts_as_one_picture():
    skew = top.skews(np.array([10.0, 0.0]), np.array([0.5, 0.5]))
    assert skew == pytest.approx([math.log(2), math.log(0.1 / 0.5)])


def test_the_whole_has_no_skew():
    ranked, codes, resampler = case(values=3)
    share = np.bincount(codes) / len(codes)
    counts = top.counts(resampler, ranked, codes, 3, len(codes))
    assert top.skews(counts[0], share) == pytest.approx([0, 0, 0])


def test_names_of_values_do_not_matter():
    ranked, codes, resampler = case(values=3)
    other = np.array([2, 0, 1])[codes]
    q = np.bincount(codes) / len(codes)
    first = top.prefixes(resampler, ranked, codes, 3, 20)
    second = top.prefixes(resampler, ranked, other, 3, 20)
    assert np.allclose(top.ndkl(first, q), top.ndkl(second, q[[1, 2, 0]]))


def test_one_value_first_is_the_worst_order():
    codes = np.repeat([0, 1], 20)
    resampler = Resampler(np.arange(40), settings=Settings(resamples=100))
    q = np.array([0.5, 0.5])
    worst = top.ndkl(top.prefixes(resampler, np.arange(40), codes, 2, 40)[0], q)
    for seed in range(20):
        ranked = np.random.default_rng(seed).permutation(40)
        assert top.ndkl(top.prefixes(resampler, ranked, codes, 2, 40)[0], q) < worst


@pytest.mark.parametrize("size", [1, 50])
def test_far_reaching_resamples_are_followed(size):
    # pictures of large groups: the first k of a resample may begin far down
    n = 400
    resampler = Resampler(np.arange(n) // size, settings=Settings(resamples=100, minimum=2))
    for items, amount in top.first(resampler, np.arange(n), 5):
        assert amount.sum(1).tolist() == [5] * len(amount)
        assert amount.shape[1] == items.size


def test_weights_take_parts_of_pictures():
    resampler = Resampler(np.arange(40), settings=Settings(resamples=100))
    codes = np.repeat([0, 1], 20)
    weights = np.where(codes == 0, 0.5, 1.0)
    counts = top.counts(resampler, np.arange(40), codes, 2, 12, weights)
    assert counts[0].tolist() == [10, 2]  # 20 halves, then two whole ones
    assert np.allclose(counts.sum(1), 12)


def test_half_weights_are_resamples_of_half_the_pictures_on_average():
    rng = np.random.default_rng(3)
    codes = (np.arange(3000) % 3 == 0).astype(int)  # twice as many of 0
    scores = rng.normal(size=3000) + 0.4 * codes
    ranked = np.argsort(-scores)
    resampler = Resampler(np.arange(3000), settings=Settings(resamples=100))
    weights = np.where(codes == 0, 0.5, 1.0)
    count = top.counts(resampler, ranked, codes, 2, 200, weights)[0]
    found = []
    for _ in range(300):
        kept = np.concatenate([rng.choice(np.flatnonzero(codes == 0), 1000, replace=False),
                               np.flatnonzero(codes == 1)])  # fmt: skip
        first = codes[kept[np.argsort(-scores[kept])][:200]]
        found.append(first.mean())
    assert count[1] / 200 == pytest.approx(np.mean(found), abs=0.005)


def test_equal_pictures_have_no_order_and_ties_are_broken_by_lot():
    assert top.order(np.full(10, 0.3)) is None
    assert top.order(0.3 + 1e-8 * np.arange(10)) is None
    similarity = np.array([0.1] * 50 + [0.9] + [0.1] * 50)
    ranked = top.order(similarity)
    assert ranked[0] == 50
    assert sorted(ranked) == list(range(101))
    assert 10 < np.sum(ranked[1:51] < 50) < 40  # neither the first nor the last come first
    assert ranked.tolist() == top.order(similarity).tolist()


def test_entropy_of_what_is_found():
    assert top.entropy(np.array([5.0, 5.0])) == pytest.approx(1)
    assert top.entropy(np.array([10.0, 0.0, 0.0])) == pytest.approx(0)
    p = np.array([0.2, 0.3, 0.5])
    expected = -sum(x * math.log(x) for x in p) / math.log(3)
    assert top.entropy(np.array([[2.0, 3.0, 5.0]]))[0] == pytest.approx(expected)


def test_random_orders_are_told_of():
    sizes = np.array([300, 700])
    share = sizes / 1000
    found = top.by_lot(sizes, share, 50)
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1], sizes)
    skews, divergences = [], []
    for _ in range(300):
        drawn = rng.permutation(labels)[:50].tolist()
        skews.append(reference_skew(drawn, 50, dict(enumerate(share))))
        divergences.append(reference_ndkl(drawn, 50, dict(enumerate(share))))
    high, low = np.mean(skews, 0)
    assert found["max_skew"] == pytest.approx(high, abs=0.03)
    assert found["min_skew"] == pytest.approx(low, abs=0.03)
    assert found["ndkl"] == pytest.approx(np.mean(divergences), abs=0.02)


@pytest.mark.parametrize(("n", "k"), [(20_000, 1000), (3000, 300), (50, 5), (5, 1)])
def test_k_is_at_most_a_tenth(n, k):
    assert top.depth(1000, n) == k
