"""The largest keep rate and conflicts of constraints in words, against HiGHS."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from m4jax import balance
from m4jax.balance import OBJECTIVES
from m4jax.balance.constraints import places
from m4jax.balance.constraints.features import ONE, Names
from m4jax.balance.constraints.moments import Ratio
from m4jax.balance.host import entries, interior, linear, presolve
from m4jax.balance.host.rows import make_rows
from m4jax.balance.host.slopes import slopes


def random_ratio(draw, names, share, tokens):
    """Returns one constraint of any kind; every fifth is an equation."""
    label = int(draw.integers(len(names.labels)))
    s = names.attributes[draw.integers(len(names.attributes))]
    inside, known, y = names.value(s), names.known(s), names.value(names.labels[label])
    middle = draw.uniform(0.2, 0.8)
    width = 0.0 if draw.random() < 0.2 else 10 ** draw.uniform(-4, -0.7)
    low, high = middle - width, min(middle + width, 1.0)
    kind = draw.integers(7)
    if kind == 0:
        return Ratio("share", inside, known, low, high)
    if kind < 3:
        one_side = ((low, high), (-np.inf, high), (low, np.inf))[
            draw.choice(3, p=[0.7, 0.15, 0.15])
        ]
        return Ratio("share within", inside * y, known * y, *one_side)
    if kind == 3:
        return Ratio("prevalence", y, ONE, *((0.0, middle), (0.3 * middle, np.inf))[draw.choice(2)])
    if kind == 4:
        return Ratio("cap", y, None, -np.inf, share[label] * draw.random())
    if kind == 5:  # all that there is, half of the times
        return Ratio("floor", y, None, share[label] * draw.choice([1.0, draw.random()]), np.inf)
    return Ratio("budget", names.value("tokens"), None, -np.inf, tokens * draw.uniform(0.01, 1))


def random_moments(seed, **changes):
    """Returns a problem with constraints of all kinds; many are degenerate or can't hold."""
    draw = np.random.default_rng(seed)
    n, m, c = int(draw.integers(6, 100)), int(draw.integers(1, 4)), int(draw.integers(1, 6))
    attributes = (draw.random((n, m)) < draw.uniform(0.2, 0.8, m)).astype(float)
    labels = (draw.random((n, c)) < draw.uniform(0.05, 0.6, c)).astype(float)
    labels = np.where(draw.random((n, c)) < 0.4, attributes[:, draw.integers(0, m, c)], labels)
    attributes[:2] = [[0.0], [1.0]]
    chance = draw.random(7) < 0.3
    if chance[0]:
        attributes[2:][draw.random((n - 2, m)) < 0.2] = np.nan
    if chance[1]:
        labels = labels * draw.random((n, c))
    if chance[2]:
        labels[:, 0] *= attributes[:, 0] == 1  # of one group only
    if chance[3]:
        labels[:, -1] = 0.0
    if chance[4]:
        attributes[2:] = np.abs(attributes[2:] - 0.2 * draw.random((n - 2, m)))
    own = tuple(f"s{k}" for k in range(m)), tuple(f"y{r}" for r in range(c))
    tokens = draw.lognormal(0, 2, n) * 10 ** draw.uniform(-2, 3)
    names = Names(*own, ("tokens",))
    share = labels.mean(axis=0)
    given_settings = {
        "attribute_names": own[0],
        "label_names": own[1],
        "columns": {"tokens": tokens},
        "constraints": [
            random_ratio(draw, names, share, tokens.mean()) for _ in range(draw.integers(1, 9))
        ],
        "keep_rate": float(draw.choice([0.3, 0.6, 0.9, 1.0])),
        "counts": draw.integers(0, 5, n) + (np.arange(n) < 2) if chance[5] else None,
    }
    if chance[6]:
        bounds = {"eps_representation": 0.01, "eps_association": draw.choice([0.0, 0.01, 1.0])}
        given_settings |= {"target": draw.uniform(0.2, 0.8, m), **bounds}
    return balance.Problem(attributes, labels, **{**given_settings, **changes})


def matrix(problem):
    """Returns share · a `[J, n]` and the bounds, one row per side, as A q ≤ b."""
    rows = make_rows(problem)
    a, system = (rows.dense(slice(None)) * rows.share[:, None]).T, rows.system
    return a, system.lower, system.upper, rows.share


def most(problem, used=None, rate=None):
    """Returns HiGHS's largest E[q] with the rows `used`, at E[q] = rate if given; None if none."""
    a, lower, upper, share = matrix(problem)
    used = np.arange(len(a)) if used is None else np.asarray(used, int)
    size = np.maximum(np.abs(a[used]).sum(axis=1), 1e-12)
    a, lower, upper = a[used] / size[:, None], lower[used] / size, upper[used] / size
    low, high = np.isfinite(lower), np.isfinite(upper)
    found = linprog(
        -share,
        A_ub=np.concatenate([a[high], -a[low]]),
        b_ub=np.concatenate([upper[high], -lower[low]]),
        A_eq=None if rate is None else share[None],
        b_eq=None if rate is None else [rate],
        bounds=(0, 1),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    assert found.status in (0, 2)
    return -found.fun if found.status == 0 else None


def check_against_highs(seed):
    """Asserts that the largest keep rate is that of HiGHS, or that both find that there is none."""
    problem = random_moments(seed)
    found, truth = balance.max_keep_rate(problem), most(problem)
    assert found.possible == (truth is not None)
    if truth is None:
        assert found.keep_rate == found.upper_bound == 0
        assert not found.weights.any()
        assert balance.conflict(problem) is not None
        return
    assert found.keep_rate == pytest.approx(truth, rel=1e-8, abs=1e-10)
    assert found.keep_rate - 1e-12 <= found.upper_bound <= truth + 1e-8
    a, lower, upper, share = matrix(problem)
    size = np.abs(a).sum(axis=1)
    assert (a @ found.weights <= upper + 1e-9 * size + 1e-12).all()
    assert (a @ found.weights >= lower - 1e-9 * size - 1e-12).all()
    assert share @ found.weights == pytest.approx(found.keep_rate, abs=1e-9)
    assert ((found.weights >= 0) & (found.weights <= 1)).all()


@pytest.mark.parametrize("seed", range(40))
def test_largest_keep_rate_agrees_with_highs(seed):
    check_against_highs(seed)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(40, 440, 100))
def test_largest_keep_rate_agrees_with_highs_on_many(start):
    for seed in range(start, start + 100):
        check_against_highs(seed)


def test_where_the_interior_point_method_ends_early_the_simplex_method_goes_on(monkeypatch):
    monkeypatch.setattr(interior, "STEPS", 2)
    for seed in range(8):
        problem = random_moments(seed)
        found, truth = balance.max_keep_rate(problem), most(problem)
        if truth is not None:
            assert found.keep_rate == pytest.approx(truth, rel=1e-8, abs=1e-10)
            assert found.keep_rate - 1e-10 <= found.upper_bound <= truth + 1e-8


def test_too_many_constraints_are_told(monkeypatch):
    monkeypatch.setattr(linear, "LARGEST", 1)
    problem = random_moments(3)
    assert balance.max_keep_rate(problem).keep_rate == pytest.approx(most(problem), rel=1e-7)
    with pytest.raises(balance.ProblemError, match="bounds are too many"):
        balance.conflict(problem)


@pytest.mark.parametrize("seed", range(12))
def test_a_conflict_is_one_and_no_part_of_it_is(seed):
    problem = random_moments(seed, keep_rate=1.0)
    found = balance.conflict(problem)
    assert (found is None) == (most(problem, rate=1.0) is not None)
    if found is None:
        return
    w = places.to_rows(problem.spec.system, found.multipliers, found.moment_multipliers)
    used = np.flatnonzero(w).tolist()
    assert found.violation > 0
    assert most(problem, used, 1.0) is None
    for left_out in used:
        assert most(problem, [j for j in used if j != left_out], 1.0) is not None


def cooks(men, women, **settings):
    """Returns people of whom the first are cooks, men and women; half of the others are men."""
    s = [1] * men + [0] * women + [0, 1] * 50
    y = [1] * (men + women) + [0] * 100
    return balance.Problem(
        np.array(s, float)[:, None],
        np.array(y, float)[:, None],
        attribute_names=["man"],
        label_names=["cook"],
        **settings,
    )


BAND = {"constraints": [balance.share("man", within="cook", between=(0.45, 0.55))]}


def test_of_twelve_men_who_cook_exactly_none_is_kept():
    found = balance.max_keep_rate(cooks(12, 0, **BAND))
    assert found.keep_rate == pytest.approx(100 / 112, rel=1e-13)
    assert found.upper_bound == pytest.approx(100 / 112, rel=1e-13)
    assert not found.weights[:12].any()
    assert (found.weights[12:] == 1).all()
    assert found.binding_names == ("share of man within cook",)
    assert found.binding == ()


def test_of_eight_men_and_four_women_as_many_men_are_kept_as_the_band_allows():
    found = balance.max_keep_rate(cooks(8, 4, **BAND))
    men = 4 * 0.55 / 0.45
    assert found.keep_rate == pytest.approx((104 + men) / 112, rel=1e-12)
    assert found.weights[:8].sum() == pytest.approx(men, rel=1e-9)
    # Each man more than the band allows costs 0.45 of E[q (s − 0.55) y], and weighs 1.
    assert found.moment_multipliers[1, 0] == pytest.approx(1 / 0.45, rel=1e-9)
    assert found.moment_multipliers[0, 0] == 0


def test_what_all_examples_are_needed_for_is_kept_exactly():
    words = [
        balance.floor("cook", at_least=12, unit="examples"),
        balance.share("man", between=(0, 0.5)),
    ]
    found = balance.max_keep_rate(cooks(8, 4, constraints=words))
    assert (found.weights[:12] == 1).all()
    assert found.keep_rate == pytest.approx(108 / 112, rel=1e-10)


def test_what_cannot_be_at_any_keep_rate_is_told():
    words = [balance.floor("cook", at_least=10, unit="examples"), *BAND["constraints"]]
    problem = cooks(12, 0, constraints=words)
    found = balance.max_keep_rate(problem)
    assert not found.possible
    assert found.keep_rate == found.upper_bound == 0
    names = balance.conflict(dataclasses.replace(problem, keep_rate=0.5)).names
    assert set(names) == set(problem.moments.names)


def test_targets_and_words_are_both_named():
    problem = cooks(8, 4, target=[[0.5, 0.9]], eps_representation=1.0, eps_association=0.0, **BAND)
    found = balance.max_keep_rate(problem)
    assert found.keep_rate == pytest.approx(100 / 112, rel=1e-9)
    assert "target of man within cook" in found.binding_names
    assert found.binding == (("man", "cook"),)


def test_shares_within_63_groups_of_90000_people():
    draw = np.random.default_rng(0)
    n, sizes = 90_000, draw.dirichlet(np.full(63, 0.5))
    cell = draw.choice(63, n, p=sizes)
    man = draw.random(n) < draw.uniform(0.1, 0.9, 63)[cell]
    names = [f"group {i}" for i in range(63)]
    problem = balance.Problem(
        man[:, None].astype(float),
        np.eye(63, dtype=np.uint8)[cell],
        attribute_names=["man"],
        label_names=names,
        constraints=[balance.share("man", within=name, between=(0.45, 0.55)) for name in names],
    )
    found = balance.max_keep_rate(problem)
    # Groups don't share people: of each, the larger part is cut to 55 of 45.
    men = np.bincount(cell, man, 63)
    women = np.bincount(cell, minlength=63) - men
    less = np.minimum(men, women)
    kept = np.where(less / np.maximum(men + women, 1) < 0.45, less / 0.45, men + women)
    assert found.keep_rate == pytest.approx(kept.sum() / n, rel=1e-10)
    assert found.upper_bound == pytest.approx(found.keep_rate, rel=1e-10)


def test_labels_of_twenty_examples_among_thousands():
    draw = np.random.default_rng(1)
    n, c = 20_000, 40
    man = draw.random(n) < 0.6
    rate = np.exp(draw.uniform(np.log(20 / n), np.log(0.05), c))
    tilt = np.exp(draw.normal(0, 1.5, c))
    chance = np.where(man[:, None], rate * 2 * tilt / (1 + tilt), rate * 2 / (1 + tilt))
    labels = (draw.random((n, c)) < chance).astype(np.uint8)
    words = [
        balance.share("attribute 0", within=f"label {r}", between=(0.45, 0.55)) for r in range(c)
    ]
    words.append(balance.share("attribute 0", between=(0.45, 0.55)))
    found = balance.max_keep_rate(
        balance.Problem(man[:, None].astype(float), labels, constraints=words)
    )
    assert found.possible
    assert found.upper_bound - found.keep_rate <= 1e-10 * found.keep_rate


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
@pytest.mark.parametrize("seed", range(3))
def test_the_interior_point_method_agrees_with_newtons(objective, seed):
    problem = random_moments(seed, penalty=0.5)
    rows, chosen = make_rows(problem), OBJECTIVES[objective]
    unit, _ = entries.scaled(rows)
    base = problem.keep_rate * problem.utility
    state = interior.minimise(unit, base, problem.keep_rate, slopes=slopes(chosen))
    q = state.point.weights
    moments, system = rows.moments(q), rows.system
    beyond = (np.maximum(moments - system.upper, 0.0), np.maximum(system.lower - moments, 0.0))
    price = system.penalty[1] @ beyond[0] + system.penalty[0] @ beyond[1]
    solution = balance.solve(problem, objective=objective, warn=False)
    value = rows.mean(chosen.cost(q, base)) + price
    assert value == pytest.approx(solution.objective, rel=1e-5, abs=1e-7)


def test_rescue_tells_what_cannot_be():
    problem = cooks(12, 0, constraints=[balance.share("man", within="cook", between=(0.45, 0.55))])
    hard = dataclasses.replace(problem, keep_rate=0.95, penalty=np.inf)
    base = hard.keep_rate * hard.utility
    assert interior.rescue(make_rows(hard), base, 0.95, OBJECTIVES["quadratic"]) is None


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(OBJECTIVES)), st.floats(0.01, 0.99), st.floats(0.05, 3.0))
def test_slopes_are_those_found_from_the_weights(name, weight, base):
    own = OBJECTIVES[name]
    at = np.array([weight]), np.array([base])
    told, found = own.slopes(*at), slopes(dataclasses.replace(own, slopes=None))(*at)
    np.testing.assert_allclose(found[0], told[0], rtol=1e-9, atol=1e-9)
    # keep_most bends at the border of "untouched".
    corner = name == "keep_most" and abs(abs(weight - base) - 0.01) < 1e-9
    assert corner or found[1] == pytest.approx(told[1], rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_entries_are_the_rows(seed):
    problem = random_moments(seed)
    rows = make_rows(problem)
    made = entries.make_entries(rows)
    draw = np.random.default_rng(seed)
    w, values = draw.normal(size=len(rows.system)), draw.random(len(rows))
    for have, want in (
        (made.scores(w), rows.scores(w)),
        (made.moments(values), rows.moments(values)),
        (made.gram(values), rows.gram(values)),
        (made.second_moments(), rows.second_moments()),
        (made.magnitudes(), rows.magnitudes()),
    ):
        np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-9 * np.abs(want).max(initial=1))
    merged, inverse = entries.merged(made)
    np.testing.assert_allclose(merged.matrix[inverse].toarray(), made.matrix.toarray())
    assert merged.share.sum() == pytest.approx(1)


def test_presolve_proves_what_it_fixes():
    rows = entries.make_entries(make_rows(cooks(12, 0, **BAND, penalty=np.inf)))
    reduced = presolve.reduce(rows)
    assert reduced.possible
    assert len(reduced.constraints) == 0
    w = presolve.prove(rows, reduced.forced, np.zeros(len(rows.system)), np.ones(len(rows)))
    assert (rows.scores(w)[:12] >= 1 - 1e-12).all()
    assert not rows.scores(w)[12:].any()


def test_frontier_of_words():
    names = Names(("man",), ("cook",))
    words = [
        balance.share("man", within="cook", between=(0.45, 0.55), penalty=np.inf),
        Ratio("men", names.value("man"), names.known("man"), -np.inf, 0.5),
    ]
    found = balance.frontier(cooks(8, 4, constraints=words, penalty=np.inf), [0.3, 1.0])
    assert all(point.status is balance.Status.CONVERGED for point in found.points)
    near, far = found.points
    assert near.share_gap_max == pytest.approx(0.05, abs=1e-9)
    assert near.violation < 1e-9
    # All kept: 8 of 12 cooks are men, 58 of 112 people.
    assert far.share_gap_max == pytest.approx(8 / 12 - 0.5)
    assert far.share_gap_mean == pytest.approx((8 / 12 - 0.5 + 58 / 112 - 0.5) / 2)
    assert far.violation > 0.01
