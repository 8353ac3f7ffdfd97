"""Bounds for the true attribute where annotation errs, against worlds whose truth is known."""

import numpy as np
import pytest

from m4jax import balance

LABELS = ("a", "b", "c")
RATES = np.array([0.2, 0.5, 0.8])  # true share of the attribute within each label


def world(flipped, n=30_000, seed=0):
    """Returns the true and the annotated attribute, labels that exclude each other."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(0, 4, n)
    labels = (kind[:, None] == np.arange(3)).astype(float)
    truth = (draw.random(n) < np.append(RATES, 0.6)[kind]).astype(float)
    wrong = draw.random(n) < np.where(truth == 1, flipped[0], flipped[1])
    return truth, np.where(wrong, 1 - truth, truth), labels


def confusion(truth, seen):
    return [[int(((truth == t) & (seen == s)).sum()) for s in (1, 0)] for t in (1, 0)]


@pytest.mark.parametrize("flipped", [(0.1, 0.1), (0.2, 0.05)])
def test_posterior_is_bayes(flipped):
    truth, seen, labels = world(flipped)
    found = balance.posterior(seen, labels, confusion(truth, seen))
    for label in range(3):
        for said in (0, 1):
            here = (labels[:, label] == 1) & (seen == said)
            assert found.middle[here].mean() == pytest.approx(truth[here].mean(), abs=0.03)
            # what the confusion matrix leaves open is little, as every example was checked
            assert np.ptp(found.middle[here]) < 1e-9
            assert (found.high[here] - found.low[here]).max() < 0.05


def test_fewer_checked_examples_leave_more_open():
    truth, seen, labels = world((0.1, 0.1))
    few = balance.posterior(seen, labels, confusion(truth[:300], seen[:300]))
    many = balance.posterior(seen, labels, confusion(truth[:3000], seen[:3000]))
    assert (few.high - few.low).mean() > 2 * (many.high - many.low).mean()
    assert (few.low <= few.middle).all() and (few.middle <= few.high).all()
    assert few.sensitivity[1] < few.sensitivity[0] < few.sensitivity[2]


def test_unknown_stays_unknown():
    truth, seen, labels = world((0.1, 0.1), n=2000)
    table = confusion(truth, seen)
    seen[:50] = np.nan
    found = balance.posterior(seen, labels, table)
    assert np.isnan(found.middle[:50]).all() and not np.isnan(found.middle[50:]).any()
    assert all(np.isfinite(x).all() for x in found.columns("man").values())


def test_counts_stand_for_rows():
    truth, seen, labels = world((0.1, 0.1), n=1000)
    table, counts = confusion(truth, seen), np.arange(1000) % 3
    rows = np.repeat(np.arange(1000), counts)
    one = balance.posterior(seen, labels, table, counts=counts).middle[counts > 0]
    two = balance.posterior(seen[rows], labels[rows], table).middle
    np.testing.assert_allclose(np.repeat(one, counts[counts > 0]), two, atol=1e-6)


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ([[5, 5], [5, 5]], "better than chance"),
        ([[1, 0], [0, 1]], "better than chance"),
        ([[9, 1], [0, 0]], "at least one in each row"),
        ([[9, -1], [1, 9]], "counts"),
        ([9, 1], "counts"),
    ],
)
def test_a_confusion_matrix_that_tells_nothing_is_refused(table, why):
    _, seen, labels = world((0.1, 0.1), n=100)
    with pytest.raises(balance.ProblemError, match=why):
        balance.posterior(seen, labels, table)


def solved(seen, labels, word, columns):
    names = {"attribute_names": ("man",), "label_names": LABELS}
    problem = balance.Problem(
        seen[:, None], labels, constraints=[word], columns=columns, keep_rate=0.3, **names
    )
    return balance.solve(problem)


def test_the_true_share_is_within_its_bounds_and_the_annotated_one_is_not():
    truth, seen, labels = world((0.1, 0.1))
    found = balance.posterior(seen, labels, confusion(truth, seen))
    word = balance.true_band("man", 0.05)
    q = solved(seen, labels, word, found.columns("man")).weights
    naive = solved(seen, labels, balance.band(0.05), {}).weights

    def share(values, weights, label):
        return np.average(values, weights=weights * labels[:, label])

    for label in range(3):
        assert abs(share(truth, q, label) - 0.5) < 0.05 + 0.03
    off = [abs(share(truth, naive, label) - 0.5) for label in range(3)]
    assert max(off) > 0.12  # what annotation calls balanced is not
    assert max(abs(share(seen, naive, label) - 0.5) for label in range(3)) < 0.0501


def test_what_no_weights_can_reach_is_asked_as_near_as_can_be():
    truth, seen, labels = world((0.35, 0.35))
    found = balance.posterior(seen, labels, confusion(truth, seen))
    problem = balance.Problem(
        seen[:, None], labels, constraints=[balance.true_band("man", 0.02)],
        attribute_names=("man",), label_names=LABELS, columns=found.columns("man"),
    )  # fmt: skip
    moments = problem.moments
    assert "annotated share of man within a" in moments.names
    asked = dict(zip(moments.names, moments.imposed, strict=True))
    assert not asked["true share of man within a, at least"]
    assert balance.max_keep_rate(problem).keep_rate > 0.05
