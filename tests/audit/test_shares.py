"""Shares and gaps of data, against loops over examples."""

import dataclasses
import math

import numpy as np
import pytest
from helpers.data_made import made

from m4jax.audit.data.clusters import Groups
from m4jax.audit.data.shares import AttributeShares
from m4jax.evaluation.measures.kinds import KINDS
from m4jax.evaluation.resampling import Settings


def measured(shown, minimum=10):
    groups = Groups(shown.groups, Settings(resamples=200))
    (name,) = shown.attributes
    found = list(AttributeShares(shown, name, groups, minimum).measures())
    assert all(one.metric in KINDS for one in found)
    assert len({one.key for one in found}) == len(found)
    return {(one.metric, one.group, one.label): one for one in found}


def random_data(n=600, values=2, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(-1, values, n)
    labels = {"cook": rng.random(n) < 0.1 + 0.2 * (codes == 1), "nurse": rng.random(n) < 0.2}
    return codes, labels


def test_shares_and_gaps_are_those_of_a_loop():
    codes, labels = random_data()
    found = measured(made(codes, labels))
    known = codes >= 0
    assert found["known", "", ""].value == pytest.approx(known.mean())
    assert found["share", "man", ""].value == pytest.approx((codes[known] == 1).mean())
    for label, holds in labels.items():
        within = found["share", "man", label]
        assert within.value == pytest.approx((codes[known & holds] == 1).mean())
        assert within.n == (known & holds).sum()
        gap = found["gap", "man − woman", label]
        assert gap.value == pytest.approx(holds[codes == 1].mean() - holds[codes == 0].mean())
        assert gap.low < gap.value < gap.high
        assert len(gap.draws) == 200
    assert found["gap", "man − woman", "cook"].p < 1e-4
    assert found["gap", "man − woman", "nurse"].p > 0.01
    mean = found["gap_mean", "man − woman", ""]
    gaps = [found["gap", "man − woman", label].value for label in labels]
    assert mean.value == pytest.approx(np.abs(gaps).mean())


def test_other_names_for_the_values_turn_a_gap_round():
    codes, labels = random_data()
    one = measured(made(codes, labels))["gap", "man − woman", "cook"]
    turned = made(np.where(codes < 0, -1, 1 - codes), labels, values=("man", "woman"))
    other = measured(turned)["gap", "woman − man", "cook"]
    assert (other.value, other.p) == (pytest.approx(-one.value), pytest.approx(one.p))
    assert (other.low, other.high) == (pytest.approx(-one.high), pytest.approx(-one.low))


def test_each_of_several_values_is_compared_with_the_others():
    codes, labels = random_data(values=3)
    found = measured(made(codes, labels, values=("a", "b", "c")))
    shares = [found["share", x, "cook"].value for x in "abc"]
    assert sum(shares) == pytest.approx(1)
    gap = found["gap", "b − others", "cook"]
    others = (codes == 0) | (codes == 2)
    expected = labels["cook"][codes == 1].mean() - labels["cook"][others].mean()
    assert gap.value == pytest.approx(expected)
    assert math.isnan(found["share", "a", "cook"].p)  # a half is no target of three


def test_without_labels_there_are_no_gaps():
    codes, _ = random_data()
    assert set(measured(made(codes, {}))) == {("known", "", ""), ("share", "man", "")}


def test_few_examples_are_undecided_and_never_fair():
    codes, labels = random_data()
    rare = np.zeros(len(codes), bool)
    rare[np.flatnonzero(codes == 1)[:3]] = True
    found = measured(made(codes, labels | {"rare": rare, "none": np.zeros(len(codes), bool)}))
    for one in (found["share", "man", "rare"], found["gap", "man − woman", "rare"]):
        assert math.isnan(one.value)
        assert not one.told
        assert (one.n, one.groups) == (3, 3)
        assert one.note.startswith("can't be: fewer than 10 independent examples")
    assert ("share", "man", "none") not in found


def test_examples_of_one_group_do_not_make_a_label_decided():
    codes = np.tile([0, 1], 50)
    holds = np.arange(100) < 40
    groups = np.where(np.arange(100) < 40, 0, np.arange(100))
    found = measured(made(codes, {"cook": holds}, groups=groups))
    assert not found["gap", "man − woman", "cook"].told


def test_p_is_corrected_for_the_number_of_labels():
    codes, labels = random_data()
    alone = measured(made(codes, {"cook": labels["cook"]}))
    rng = np.random.default_rng(1)
    more = {f"x{i}": rng.random(len(codes)) < 0.3 for i in range(9)}
    found = measured(made(codes, {"cook": labels["cook"]} | more))
    key = ("gap", "man − woman", "cook")
    assert found[key].p == pytest.approx(10 * alone[key].p)
    assert dataclasses.replace(found[key], p=0) == dataclasses.replace(alone[key], p=0)


def test_an_attribute_that_is_never_known_is_told_as_such():
    found = measured(made(np.full(100, -1), {"cook": np.ones(100, bool)}))
    assert found["known", "", ""].value == 0
    assert not found["share", "man", ""].told
    assert not found["gap_mean", "man − woman", ""].told
