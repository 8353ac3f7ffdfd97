import hashlib

import numpy as np
import pytest

from m4jax.errors import InputError
from m4jax.tables import selection

UIDS = [f"example {i}" for i in range(20_000)]


def test_the_numbers_are_those_of_the_documented_hash():
    for seed in (0, 2**64 - 1):
        key, person = seed.to_bytes(8, "little"), b"m4jax"
        for uid, data in (("añ", "añ".encode()), ("7", b"7"), (7, b"7"), (-12, b"-12")):
            digest = hashlib.blake2b(data, digest_size=8, key=key, person=person).digest()
            expected = (int.from_bytes(digest, "little") >> 11) / 2**53
            assert selection.uniform([uid], seed=seed)[0] == expected


def test_known_answers_do_not_change():
    found = selection.uniform(["a", 7, -1, ""], seed=0)
    expected = [0.44034224, 0.2182692, 0.93034909, 0.34669713]
    np.testing.assert_allclose(found, expected, atol=1e-8)
    np.testing.assert_allclose(selection.uniform(["a"], seed=1), [0.7224838], atol=1e-7)


def test_the_numbers_are_uniform_and_independent_between_seeds():
    one, other = (selection.uniform(UIDS, seed=seed) for seed in (0, 1))
    for values in (one, other):
        shares = np.histogram(values, bins=20, range=(0, 1))[0] / len(UIDS)
        assert np.abs(shares - 0.05).max() < 4 * np.sqrt(0.05 * 0.95 / len(UIDS))
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(len(UIDS))


def test_keeping_depends_neither_on_order_nor_on_chunks():
    weights = np.random.default_rng(0).random(len(UIDS))
    kept = selection.keep(UIDS, weights, seed=3)
    backwards = selection.keep(UIDS[::-1], weights[::-1], seed=3)
    np.testing.assert_array_equal(kept, backwards[::-1])
    chunks = [selection.keep(UIDS[i : i + 777], weights[i : i + 777], seed=3)
              for i in range(0, len(UIDS), 777)]  # fmt: skip
    np.testing.assert_array_equal(kept, np.concatenate(chunks))


def test_a_larger_weight_never_drops_and_the_ends_are_exact():
    low = np.random.default_rng(1).random(len(UIDS))
    high = low + (1 - low) * 0.3
    assert (selection.keep(UIDS, low, seed=0) <= selection.keep(UIDS, high, seed=0)).all()
    assert selection.keep(UIDS, np.ones(len(UIDS)), seed=0).all()
    assert not selection.keep(UIDS, np.zeros(len(UIDS)), seed=0).any()
    for share in (0.01, 0.3, 0.9):
        kept = selection.keep(UIDS, np.full(len(UIDS), share), seed=5).mean()
        assert abs(kept - share) < 4 * np.sqrt(share * (1 - share) / len(UIDS))


@pytest.mark.parametrize("size", [0, 1, 500, 1_000, 5_000])
def test_resampling_gives_each_example_its_share_and_the_size(size):
    weights = np.random.default_rng(2).random(1_000) * (np.arange(1_000) % 3 > 0)
    rows = selection.resample(UIDS[:1_000], weights, size=size, seed=0)
    assert len(rows) == size and (np.diff(rows) >= 0).all()
    times, expected = np.bincount(rows, minlength=1_000), size * weights / weights.sum()
    assert (np.abs(times - expected) < 1 + 1e-9).all() and not times[::3].any()


def test_resampling_is_unbiased_and_independent_of_the_order():
    weights = np.array([0.1, 0.4, 0.0, 0.9, 0.6])
    uids = ["p", "q", "r", "s", "t"]
    draws = [selection.resample(uids, weights, size=3, seed=seed) for seed in range(4_000)]
    times = np.bincount(np.concatenate(draws), minlength=5) / 4_000
    np.testing.assert_allclose(times, 3 * weights / 2, atol=0.03)
    backwards = selection.resample(uids[::-1], weights[::-1], size=3, seed=9)
    np.testing.assert_array_equal(np.sort(4 - backwards), draws[9])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: selection.uniform(["a"], seed=-1), "seed: expected 0 to"),
        (lambda: selection.uniform([1.5], seed=0), "text or whole numbers, got 1.5"),
        (lambda: selection.keep(["a"], [1.1], seed=0), r"1 weights in \[0, 1\]"),
        (lambda: selection.keep(["a", "b"], [1.0], seed=0), "expected 2 weights"),
        (lambda: selection.keep(["a"], [np.nan], seed=0), r"1 weights in \[0, 1\]"),
        (lambda: selection.resample(["a"], [0.0], size=1, seed=0), "not all of them 0"),
        (lambda: selection.resample(["a"], [1.0], size=-1, seed=0), "size: expected at least 0"),
    ],
)
def test_bad_input_is_told(call, told):
    with pytest.raises(InputError, match=told):
        call()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: selection.uniform("abc", seed=0), "a single one: 'abc'"),
        (lambda: selection.uniform([True], seed=0), "whole numbers, got True"),
        (
            lambda: selection.uniform(np.array(["2020-01-01"], "M8[ns]"), seed=0),
            "array of datetime",
        ),
        (lambda: selection.uniform(["\ud800"], seed=0), "half a surrogate pair"),
        (lambda: selection.uniform(["a"], seed=1.5), "seed: expected 0 to"),
        (lambda: selection.uniform(["a"], seed=True), "seed: expected 0 to"),
        (lambda: selection.keep(["a", "b"], 0.5, seed=0), "expected 2 weights"),
        (lambda: selection.keep(["a", "b"], [[0.5], [0.5]], seed=0), "expected 2 weights"),
        (lambda: selection.resample(["a"], [1.0], size=2.5, seed=0), "size: .* got 2.5"),
        (lambda: selection.resample(["a", "b"], [1e308] * 2, size=1, seed=0), "a finite sum"),
    ],
)
def test_what_is_neither_text_nor_a_whole_number_is_told(call, told):
    with pytest.raises(InputError, match=told):
        call()


def test_numbers_of_numpy_are_numbers():
    ours = selection.uniform([7, 8], seed=1)
    np.testing.assert_array_equal(selection.uniform(list(np.array([7, 8])), seed=np.int64(1)), ours)
    np.testing.assert_array_equal(selection.uniform(np.array(["7", 8], object), seed=1), ours)
