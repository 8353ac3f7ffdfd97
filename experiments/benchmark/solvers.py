"""Jobs: one instance, one solver, timed; every answer is judged by the same formula."""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark import instances, peers
from m4jax import balance
from m4jax.balance import folding, objectives
from m4jax.balance import online as stochastic

# What one Newton step reads: z once each for its model, for the slope along it, for the scores and
# for the moments at its end. Before the first: the columns' sizes, scores and moments.
PASSES_PER_STEP, PASSES_BEFORE = 4, 3


class Compilations:
    """Counts XLA's compilations from its creation on."""

    def __init__(self):
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self._hear)

    def _hear(self, event: str, seconds: float, **_: Any) -> None:
        self.count += event == "/jax/core/compile/backend_compile_duration"


def ours(kind: str, n: int, seed: int, repeats: int) -> dict[str, Any]:
    """Times `balance.solve` from NumPy arrays to weights; the first time in the process apart."""
    compilations = Compilations()
    first = _solve(instances.examples(kind, n, seed + 1), kind)[0]
    arrays, cold = instances.examples(kind, n, seed), compilations.count
    times, problem, solution = _solve(arrays, kind)
    every = [times] + [_solve(arrays, kind)[0] for _ in range(repeats - 1)]
    median = {name: statistics.median(x[name] for x in every) for name in times}
    begin = time.perf_counter()
    folded, _ = folding.fold(problem)
    return {
        **median,
        "fold_seconds": time.perf_counter() - begin,
        "compile_seconds": first["seconds"] - median["seconds"],
        "compilations": cold,
        "compilations_when_hot": compilations.count - cold,
        "patterns": int(np.count_nonzero(folded.counts)),
        "status": solution.status.name,
        "relative_gap": solution.duality_gap / solution.objective,
        "steps": solution.steps,
        "passes": PASSES_BEFORE + PASSES_PER_STEP * solution.steps,
        "binding": int(np.count_nonzero(solution.multipliers)),
        **judge(problem, solution.weights),
    }


def _solve(
    arrays: dict[str, np.ndarray], kind: str
) -> tuple[dict[str, float], balance.Problem, balance.Solution]:
    begin = time.perf_counter()
    problem = balance.Problem(**arrays, **instances.settings(kind))
    checked = time.perf_counter()
    solution = balance.solve(problem, warn=False)
    end = time.perf_counter()
    return {"seconds": end - begin, "problem_seconds": checked - begin}, problem, solution


def peer(name: str, kind: str, n: int, seed: int, folded: bool) -> dict[str, Any]:
    """Times a solver of quadratic programs; building its matrices is not counted.

    With `folded` it gets the patterns with counts instead of the examples; the time that folding
    takes is then counted.
    """
    problem = balance.Problem(**instances.examples(kind, n, seed), **instances.settings(kind))
    begin = time.perf_counter()
    rows, inverse = folding.fold(problem) if folded else (problem, slice(None))
    fold_seconds = time.perf_counter() - begin if folded else 0.0
    answer = peers.PEERS[name](peers.program(rows))
    weights = np.clip(answer.weights, 0.0, 1.0)[inverse]
    seconds = fold_seconds + answer.seconds
    return {"seconds": seconds, "status": answer.status, **judge(problem, weights)}


def judge(problem: balance.Problem, weights: np.ndarray) -> dict[str, float]:
    """Returns the objective at the weights and E[q] − η, straight from the definition."""
    z, eps = peers.constraint_rows(problem)
    moments = z.T @ weights / len(weights)
    loss = 0.5 * np.mean((weights - problem.keep_rate * problem.utility) ** 2)
    beyond = np.maximum(np.abs(moments) - eps, 0.0).sum()
    rate = float(np.mean(weights) - problem.keep_rate)
    return {"objective": float(loss + problem.penalty * beyond), "keep_rate_error": rate}


def online(
    kind: str, n: int, seed: int, batch: int, gap: float, passes: int
) -> dict[str, int | float]:
    """Counts the passes of the paper's algorithm until the relative duality gap is reached.

    Each pass is over the examples in another order. The gap is looked at after every pass at
    first, later after every tenth of those so far; that is not counted.
    """
    problem = balance.Problem(**instances.examples(kind, n, seed), **instances.settings(kind))
    draw, steps = np.random.default_rng(seed), n // batch
    with jax.enable_x64(True):
        state = stochastic.init(problem)
        rows = [jnp.asarray(x, float) for x in (problem.attributes, problem.labels)]
        done, smallest, look = 0, np.inf, 1
        while smallest > gap and done < passes:
            order = draw.permutation(n)[: steps * batch].reshape(steps, batch)
            state, done = _one_pass(state, order, *rows), done + 1
            if done >= look or done == passes:
                primal, dual = stochastic.values(state, problem)
                smallest = min(smallest, (primal - dual) / primal)
                look = done + 1 + done // 10
    return {"passes": done, "relative_gap": float(smallest), "reached": bool(smallest <= gap)}


@jax.jit
def _one_pass(
    state: stochastic.State, order: jax.Array, attributes: jax.Array, labels: jax.Array
) -> stochastic.State:
    utility = jnp.ones(order.shape[1])

    def step(state: stochastic.State, index: jax.Array) -> tuple[stochastic.State, None]:
        rows = (attributes[index], labels[index], utility)
        return stochastic.step(state, *rows, objective=objectives.QUADRATIC)[0], None

    return jax.lax.scan(step, state, order)[0]
