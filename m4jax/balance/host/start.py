"""Where Newton's method begins on many examples: at the solution of a sample of them.

A step costs as much as there are examples, and far from the solution a sample tells the way as
well as all do. From there a few steps over all are left.
"""

import numpy as np

from m4jax.balance.host import newton as host_newton
from m4jax.balance.host.dual import Dual, make_dual
from m4jax.balance.host.newton import State
from m4jax.balance.solution import Status

SMALLEST = 8_192  # examples of the first sample
GROWTH = 8  # how many times more each next one has
STEPS = 12  # at most, on a sample
ENOUGH = 1e-2  # of what balancing costs: a gap below a sample's own error
SEED = 0x6D346A6178  # of the samples


def begin(dual: Dual) -> State:
    """Returns the state of all examples at a sample's w and μ; at w = 0 if that is better.

    The larger a sample, the nearer it starts: at the solution of one of an eighth of its size.
    """
    zero = np.zeros(len(dual.scale))
    w, offset = zero, 0.0
    for size in _sizes(len(dual.base)):
        state, scale = _solved(dual, size, w, offset)
        if state.status in (Status.INFEASIBLE, Status.NON_FINITE):
            break
        w, offset = state.multipliers / scale, state.offset
    state = host_newton.init(dual, w, offset)
    nothing = dual.mean(state.plain.cost)  # the dual value at w = 0
    worse = w.any() and state.values.dual < nothing
    return host_newton.init(dual, zero, 0.0) if worse else state


def _sizes(size: int) -> list[int]:
    """Returns the sizes of the samples, the smallest first."""
    sizes = []
    if size >= host_newton.MANY:
        while (size := size // GROWTH) >= SMALLEST:
            sizes.insert(0, size)
    return sizes


def _solved(dual: Dual, size: int, w: np.ndarray, offset: float) -> tuple[State, np.ndarray]:
    """Returns the last state of a sample, and the scale of its rows."""
    width = len(dual.base) / size  # one of every so many examples
    # Seeds that users draw their examples from would give a sample that goes with them.
    place = np.arange(size) + np.random.default_rng(SEED).random(size)
    rows = np.minimum((place * width).astype(np.int64), len(dual.base) - 1)
    sample = make_dual(
        dual.rows.chosen(rows), dual.objective, dual.base[rows], dual.keep_rate, ENOUGH
    )
    state = host_newton.init(sample, w, offset)
    for _ in range(STEPS):
        if state.status is not None:
            break
        state = host_newton.terminate(sample, host_newton.step(sample, state))
    return state, sample.scale
