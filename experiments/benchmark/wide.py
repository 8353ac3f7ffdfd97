"""Jobs: many constraints and sparse labels, solved in a process of their own."""

import time
from typing import Any

import numpy as np
from scipy import sparse

from m4jax import balance
from m4jax.balance import baselines, sparse_labels

LEAN = 0.75  # standard deviation of an example's log odds for an attribute: how much labels tell
BAND = 0.05  # of shares
FEW = 1  # each example has one label, and as many more as a Poisson variable says
# As many labels an example as MetaCLIP finds in a text, 3.5, and as steep a tail.
METACLIP = {"mean": 3.5, "exponent": 1.3, "shift": 10.0}
CAPTIONS = {"mean": 10.0, "exponent": 1.0, "shift": 0.0}


def examples(
    n: int, c: int, m: int, seed: int, *, mean: float, exponent: float, shift: float
) -> tuple[np.ndarray, sparse.csr_array]:
    """Returns attributes `[n, m]` and sparse labels `[n, c]`; label r has odds (r + shift)^−a.

    The attributes' log odds are sums over an example's labels.
    """
    draw = np.random.default_rng(seed)
    cumulated = np.cumsum((np.arange(1, c + 1) + shift) ** -exponent)
    indptr = np.concatenate([[0], np.cumsum(FEW + draw.poisson(mean - FEW, n))])
    places = np.searchsorted(cumulated, draw.random(indptr[-1]) * cumulated[-1])
    labels = sparse_labels.from_offsets(np.minimum(places, c - 1), indptr, c)
    odds = labels.astype(float) @ draw.normal(0, LEAN / np.sqrt(mean), (c, m)) + draw.normal(
        0, 0.2, m
    )
    odds -= np.median(odds, axis=0) - draw.normal(0, 0.1, m)
    return (draw.random((n, m)) < 1 / (1 + np.exp(-odds))).astype(np.uint8), labels


def attributes_by_labels(n: int, kind: str, keep_rate: float, seed: int) -> dict[str, Any]:
    """Balances 40 attributes against 1,000 labels.

    Args:
        n: number of examples.
        kind: "target", |E[q (s − ½) y]| ≤ 0.001 for all pairs; or "band", the share of each
            attribute within each label at most `BAND` from a half, two constraints a pair.
        keep_rate: η.
        seed: of the examples.
    """
    s, y = examples(n, 1000, 40, seed, **CAPTIONS)
    asked: dict[str, Any] = {"target": 0.5}
    if kind == "band":
        asked = {"constraints": [balance.band(BAND)]}
    return _solved(s, y, asked | {"keep_rate": keep_rate}, 1e-6)[0]


def caps(
    n: int, c: int, threshold: float, keep_rate: float | None, frequent: int, seed: int
) -> dict[str, Any]:
    """Caps every label, with parity of an attribute on top; beside it what MetaCLIP's rule does.

    Args:
        n: number of examples.
        c: number of labels.
        threshold: t, the cap on each label, in examples kept.
        keep_rate: η; None: as many as MetaCLIP's rule keeps with t.
        frequent: examples from which on a label is to have parity.
        seed: of the examples.
    """
    s, y = examples(n, c, 1, seed, **METACLIP)
    counts = np.asarray(y.sum(axis=0, dtype=float)).ravel()
    common = np.flatnonzero(counts >= frequent)
    rule = baselines.metaclip(y, threshold)
    keep_rate = float(rule.mean()) if keep_rate is None else keep_rate
    # The rule that keeps as many, for a comparison at the same size.
    same = baselines.metaclip(y, baselines.metaclip_threshold(y, keep_rate * n))
    words = [
        balance.cap(at_most=threshold, unit="examples"),
        balance.band(BAND, labels=[f"label {r}" for r in common]),
    ]
    told, weights = _solved(s, y, {"constraints": words, "keep_rate": keep_rate}, 1e-4)
    ways = {"all": np.ones(n), "metaclip": same, "m4jax": weights}
    far = {name: distance(s[:, 0], y, q, threshold, common) for name, q in ways.items()}
    return told | {"labels_found": int((counts > 0).sum()), "parity_labels": len(common),
                   "above_cap": int((counts > threshold).sum()), "ways": far}  # fmt: skip


def _solved(
    s: np.ndarray, y: sparse.csr_array, asked: dict[str, Any], tolerance: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Returns what is told of a solution, from arrays to weights, and the weights."""
    begin, used = time.perf_counter(), time.process_time()
    problem = balance.Problem(s, y, **asked)
    ready = time.perf_counter()
    solution = balance.solve(problem, tolerance=tolerance, warn=False)
    end = time.perf_counter()
    return {
        "n": len(s),
        "constraints": len(problem.spec.system),
        "labels_an_example": y.nnz / len(s),
        "keep_rate": problem.keep_rate,
        "status": solution.status.name,
        "relative_gap": solution.duality_gap / solution.objective,
        "steps": solution.steps,
        "seconds": end - begin,
        "problem_seconds": ready - begin,
        "cpu_seconds": time.process_time() - used,
        "binding": int(np.count_nonzero(solution.moment_multipliers))
        + int(np.count_nonzero(solution.multipliers)),
    }, solution.weights


def distance(
    s: np.ndarray, y: sparse.csr_array, q: np.ndarray, cap: float, common: np.ndarray
) -> dict[str, float]:
    """Returns how far weights are from caps and from parity.

    Returns:
        kept: E[q]; largest_over_cap: of the labels' examples, in caps; labels_over_cap: how many
        labels are more than 1% over it; mentions_over_cap: share of all labels' examples that are
        over it; share, and worst and mean distance of shares from ½ within common labels, points.
    """
    labels = y.T.astype(float)
    total, men = labels @ q, labels @ (q * s)
    within = np.abs(men[common] / np.maximum(total[common], 1e-300) - 0.5)
    return {
        "kept": float(q.mean()),
        "largest_over_cap": float(total.max() / cap),
        "labels_over_cap": int((total > 1.01 * cap).sum()),
        "mentions_over_cap": float(np.maximum(total - cap, 0).sum() / total.sum()),
        "share": float(q @ s / q.sum()),
        "worst_parity_gap": float(100 * within.max(initial=0.0)),
        "mean_parity_gap": float(100 * within.mean()) if len(common) else 0.0,
    }
