"""Groups that nobody named: planted ones are found, and none where there are none."""

import numpy as np
import pytest

from m4jax import balance


def crossed(n=20_000, seed=0, lean=0.3):
    """Returns an attribute that is at parity within each label, but not where two meet."""
    draw = np.random.default_rng(seed)
    labels = (draw.random((n, 4)) < 0.4).astype(float)
    sign = (2 * labels[:, 0] - 1) * (2 * labels[:, 1] - 1)
    chance = 0.5 + lean * sign
    # Parity within label 0 and within label 1 for themselves: the meeting is as common as not.
    chance = np.where(labels[:, 0] + labels[:, 1] == 1, 0.5 - lean * 0.4 / 0.6 * 1.0, chance)
    chance = np.where(labels[:, 0] + labels[:, 1] == 0, 0.5, chance)
    man = (draw.random(n) < chance).astype(float)
    return man[:, None], labels


def problem(man, labels, **settings):
    return balance.Problem(
        man, labels, attribute_names=("man",), label_names=tuple("abcd"),
        constraints=[balance.band(0.05)], keep_rate=0.5, **settings,
    )  # fmt: skip


def test_a_planted_conjunction_is_found_named_and_mended():
    man, labels = crossed()
    found = balance.audit(problem(man, labels))
    first = found.findings[0]
    assert (first.attribute, set(first.within)) == ("man", {"a", "b"})
    assert first.found > 0.7 and first.p < 1e-6 and first.examples > 2000
    assert first.after < 0.5501
    assert not found.left
    here = (labels[:, 0] == 1) & (labels[:, 1] == 1)
    q = found.solution.weights
    assert np.average(man[here, 0], weights=q[here]) == pytest.approx(first.after)
    assert "share of man within a and b" in found.problem.moments.names


def test_nothing_is_found_where_there_is_nothing():
    draw = np.random.default_rng(1)
    man = (draw.random((20_000, 1)) < 0.5).astype(float)
    labels = draw.random((20_000, 4)) < 0.3
    found = balance.audit(problem(man, labels))
    assert found.findings == () and found.left == () and found.looked_at > 5


def test_depth_two_looks_at_single_labels_alone():
    man, labels = crossed()
    found = balance.audit(problem(man, labels), depth=2)
    assert not any(len(x.within) > 1 for x in found.findings)


def test_intersections_of_attributes_are_groups_too():
    draw = np.random.default_rng(2)
    dark = draw.random(20_000) < 0.4
    labels = draw.random((20_000, 4)) < 0.3
    man = draw.random(20_000) < np.where(dark & labels[:, 2], 0.9, 0.5)
    names = {"attribute_names": ("man", "dark"), "label_names": tuple("abcd")}
    band = balance.band(0.05, attributes=("man",))
    both = np.stack([man, dark], axis=1)
    one = balance.Problem(both, labels, constraints=[band], keep_rate=0.5, **names)
    found = balance.audit(one, attributes=("man",))
    assert {"dark", "c"} in [set(x.within) for x in found.findings]


def test_groups_with_few_examples_are_not_looked_at():
    man, labels = crossed(n=400)
    assert balance.audit(problem(man, labels), least=500).looked_at == 0


def test_chance_alone_is_rarely_found():
    """At level alpha, over 20 worlds without any group that is off."""
    hits = 0
    for seed in range(20):
        draw = np.random.default_rng(100 + seed)
        man = (draw.random((2000, 1)) < 0.5).astype(float)
        labels = draw.random((2000, 4)) < 0.3
        hits += bool(balance.audit(problem(man, labels), points=0.0, rounds=1).left)
    assert hits <= 3


@pytest.mark.parametrize(
    ("settings", "why"),
    [({"depth": 4}, "2 or 3"), ({"attributes": ("men",)}, "did you mean 'man'")],
)
def test_odd_arguments_are_refused(settings, why):
    man, labels = crossed(n=400)
    with pytest.raises(balance.ProblemError, match=why):
        balance.audit(problem(man, labels), **settings)
