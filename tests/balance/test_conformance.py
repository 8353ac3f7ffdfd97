import dataclasses
import re

import jax.numpy as jnp
import numpy as np
import pytest

from m4jax import balance
from m4jax.balance import conformance

QUADRATIC = balance.OBJECTIVES["quadratic"]


@pytest.mark.parametrize("name", list(balance.OBJECTIVES))
def test_shipped_objectives_conform(name):
    conformance.check(balance.OBJECTIVES[name])


def steep(t, b):
    return jnp.where(t < 0.25, 1.0, 0.0) * jnp.ones_like(b)


BROKEN = {
    "cost is not finite": {"cost": lambda q, b: jnp.log(q)},
    "cost is below 0": {"cost": lambda q, b: 0.5 * (q - b) ** 2 - 0.1},
    "cost is not 0 at q = b": {"cost": lambda q, b: 0.5 * (q - b) ** 2 + 0.1},
    "cost is not convex": {"cost": lambda q, b: jnp.sqrt(jnp.abs(q - b))},
    "weight is outside [0, 1]": {"weight": lambda t, b: b - t},
    "weight is not finite": {"weight": lambda t, b: jnp.where(jnp.abs(t) > 1e5, jnp.nan, b)},
    "weight increases with t": {"weight": lambda t, b: jnp.clip(b + t, 0.0, 1.0)},
    "weight jumps": {"weight": steep},
    "weight does not minimise": {"weight": lambda t, b: jnp.clip(b - 0.9 * t, 0.0, 1.0)},
    "curvature is not −dq/dt": {"curvature": lambda t, b: 0.5 * QUADRATIC.curvature(t, b)},
    "curvature is not finite": {"curvature": lambda t, b: t / jnp.where(t > 1e5, 0.0, t)},
    "depends on other elements": {
        "cost": lambda q, b: 0.5 * (q - b) ** 2 + 1e-3 * jnp.abs(q - b) * (jnp.max(b) - b)
    },
    "returns shape": {"cost": lambda q, b: 0.5 * (q.ravel() - b.ravel()) ** 2},
    "a function returns float32": {"cost": lambda q, b: (0.5 * (q - b) ** 2).astype("float32")},
}


@pytest.mark.parametrize("message", list(BROKEN))
def test_broken_objectives_are_refused_with_the_reason(message):
    broken = dataclasses.replace(QUADRATIC, name="broken", **BROKEN[message])
    with pytest.raises(conformance.ConformanceError, match=re.escape(message)):
        conformance.check(broken)


def test_the_message_says_where():
    wrong = dataclasses.replace(QUADRATIC, weight=lambda t, b: jnp.clip(b - 0.9 * t, 0.0, 1.0))
    with pytest.raises(ValueError, match=r"at t = .*, b = .*, weight = .* \(float64\)"):
        conformance.check(wrong)


def test_a_solver_that_stops_too_early_is_noticed(monkeypatch):
    def lazy(problem, **settings):
        return balance.solve(problem, **settings, max_steps=0)

    monkeypatch.setattr(conformance, "solve", lazy)
    with pytest.raises(conformance.ConformanceError, match="does not converge on small problem 0"):
        conformance._check_solution(QUADRATIC, 0)


def test_a_solution_that_is_not_the_best_is_noticed(monkeypatch):
    def shifted(problem, **settings):
        solution = balance.solve(problem, **settings)
        worse = dataclasses.replace(solution.certificate, objective=solution.objective * 3)
        return dataclasses.replace(solution, certificate=worse)

    monkeypatch.setattr(conformance, "solve", shifted)
    with pytest.raises(conformance.ConformanceError, match="beaten by random feasible weights"):
        conformance._check_solution(QUADRATIC, 0)


def test_rivals_are_feasible():
    weights = np.full(40, 0.5)
    rivals = conformance._rivals(weights, 0.5, 0)
    np.testing.assert_allclose(rivals.mean(1), 0.5, atol=1e-12)
    assert rivals.min() >= 0
    assert rivals.max() <= 1
    assert np.ptp(np.abs(rivals - weights).max(1)) > 0.3


def test_few_programs_are_compiled():
    own = dataclasses.replace(
        QUADRATIC,
        name="own",
        cost=lambda q, b: 0.5 * jnp.square(q - b),
        weight=lambda t, b: jnp.clip(b - t, 0.0, 1.0),
        curvature=lambda t, b: ((b - t > 0) & (b - t < 1)).astype(t.dtype),
        slopes=None,
    )
    traced = []
    weight = own.weight
    own = dataclasses.replace(own, weight=lambda t, b: traced.append(t.shape) or weight(t, b))
    conformance.check(own)
    assert (
        len(traced) <= 8
    )  # each function in both precisions, by itself and for shapes; the solves


def test_an_objective_that_is_a_multiple_of_another_is_told():
    kl = balance.objectives.KL
    scaled = dataclasses.replace(
        kl,
        name="mine",
        cost=lambda q, b: 3 * kl.cost(q, b),
        weight=lambda t, b: kl.weight(t / 3, b),
        curvature=lambda t, b: kl.curvature(t / 3, b) / 3,
    )
    conformance.check(scaled)
    name, factor = conformance.twin(scaled)
    assert name == "kl" and factor == pytest.approx(3)
    for one in balance.objectives.OBJECTIVES.values():
        assert conformance.twin(one) is None
    bent = dataclasses.replace(scaled, cost=lambda q, b: 3 * kl.cost(q, b) + 1e-3 * (q - b) ** 2)
    assert conformance.twin(bent) is None
