"""The weights of a run's training data: quality filter, then balancing, or a control of it."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np

from m4jax import balance
from m4jax.balance import baselines, own
from m4jax.data import quality
from m4jax.data.annotation import MAN, Annotation
from m4jax.data.testbed import catalog
from m4jax.errors import InputError
from m4jax.progress import Progress
from m4jax.run import filtering
from m4jax.run.config import RunConfig
from m4jax.run.data_version import ALONE, CENSUS, PARITY, BalanceConfig
from m4jax.run.state import Layout
from m4jax.run.streams import CONTROL, FLIPPED, stream
from m4jax.tables import request
from m4jax.tables import weights as disk

MOST_PENALTY = 1e6  # up to which it is raised where bounds can hold, but don't yet
CONCEPTS = ("occupations", "things")  # label sets: what MetaCLIP's caps count
CHECKED = 1e9  # examples of a confusion matrix whose rates are known: their intervals are points


@dataclasses.dataclass(frozen=True)
class Cap:
    """MetaCLIP's cap on concepts.

    Attributes:
        threshold: t, the number of examples of each concept.
        labels: [n, c] 0 or 1, the concepts.
        names: c of them.
    """

    threshold: float
    labels: np.ndarray
    names: tuple[str, ...]


def weigh(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Filters and balances the run's training data; writes the weights with their certificate.

    Pairs that the filter leaves out weigh nothing, and the balancing does not see them.

    Raises:
        InputError: if the solver did not converge, or the constraints can't all hold.
    """
    folder = layout.weights(config)
    if disk.is_intact(folder):
        return
    train = config.source.train(layout.data, config.in_memory_gb)
    weight, certificate = np.ones(len(train)), {}
    if config.filter:
        filtering.score(config, layout, train, progress)
        kept = filtering.kept(config, layout, train)
        if train.wrong:
            detection = quality.detection(kept, train.wrong())._asdict()
            certificate = {f"filter_{name}": _json(value) for name, value in detection.items()}
        weight = kept.astype(np.float64)
    if config.balance:
        progress("balance", 0, 1)
        rows = np.flatnonzero(weight)
        notes = train.annotate(config.balance.labels).rows(rows)
        concepts = train.annotate(CONCEPTS).rows(rows) if config.balance.caps else None
        weight[rows], of_balance = _balance(config.balance, notes, concepts)
        certificate |= of_balance
    disk.write(folder, uids=train.uids, weights=weight, certificate=certificate | _kept(weight))


def check_own(configs: Iterable[RunConfig]) -> None:
    """Raises `InputError` if an objective that a run is to be balanced by is none."""
    every = (
        x for config in configs for x in (config.balance, config.filter and config.filter.balance)
    )
    request.check_own(filter(None, every))


def read(config: RunConfig, layout: Layout, uids: np.ndarray) -> np.ndarray | None:
    """Returns the weights [n] of a run's examples, or None if they all weigh the same."""
    return disk.read(layout.weights(config), uids) if config.weighted else None


def targets(config: BalanceConfig | None, notes: Annotation) -> np.ndarray:
    """Returns the prevalence that is aimed at, [m, c+1]: overall, then for each label.

    By the census that is the share of men in an occupation; overall, and for things, the mean of
    these shares. Of other attributes the census tells nothing: raises `InputError`.
    """
    shape = (notes.attributes.shape[1], 1 + notes.labels.shape[1])
    target = 0.5 if config is None else config.target
    if target != CENSUS:
        return np.full(shape, float(target))
    if notes.attribute_names != (MAN,):
        raise InputError(f"balance.target: {CENSUS} is of men; got {notes.attribute_names}")
    men = {job.name: 1 - job.women_share for job in catalog.occupations()}
    overall = float(np.mean(list(men.values())))
    by_label = [men.get(name, overall) for name in notes.label_names]
    return np.tile([overall, *by_label], (shape[0], 1))


def make_problem(
    config: BalanceConfig, notes: Annotation, cap: Cap | None = None
) -> tuple[balance.Problem, dict[str, Any]]:
    """Returns the balancing problem of annotated data, and facts for the certificate.

    Where the share of errors is known the attributes are P(true attribute | annotated one, labels),
    so that the bounds are on E[q (s - π) y] with the true s, in expectation.

    Args:
        config: what is asked.
        notes: with the attributes as the weights see them.
        cap: of concepts, if these have one.

    Raises:
        InputError: if the problem can't be stated, or has no weights at all.
    """
    attributes, capped, words = notes.attributes, {}, _words(config)
    if config.error_known:
        attributes = likely(attributes, notes.labels, config.attribute_noise)
    if cap:
        columns = dict(zip(map("cap on {}".format, cap.names), cap.labels.T, strict=True))
        words = [*(balance.budget(name, at_most=cap.threshold) for name in columns), *words]
        capped["columns"] = columns
    problem = request.pose(
        config,
        attributes,
        notes.labels,
        target=targets(config, notes),
        attribute_names=notes.attribute_names,
        label_names=notes.label_names,
        **capped | ({"constraints": words} if words else {}),
    )
    try:
        return request.at_keep_rate(config, problem)
    except InputError as error:
        raise InputError(f"balance.{error}") from None  # it begins with the field's name


def _words(config: BalanceConfig) -> list[Any]:
    """Returns the constraints in words, once what users wrote is what the run is named by."""
    try:
        own.check(request.own_paths(config), config.own_files or ())
        return [balance.from_config(item) for item in config.constraints or ()]
    except ValueError as error:  # a ProblemError is one
        raise InputError(f"balance: {error}") from None


def likely(attributes: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """Returns P(true attribute | annotated one, labels) [n, m], NaN where unknown.

    Args:
        attributes: [n, m] as annotated, 0 or 1, NaN where unknown.
        labels: [n, c].
        share: of the attributes that are wrong, the same for both values and all labels.
    """
    confusion = CHECKED * np.array([[1 - share, share], [share, 1 - share]])
    found = [balance.posterior(s, labels, confusion).middle for s in attributes.T]
    return np.stack(found, axis=1)


def cap_of(concepts: Annotation, keep_rate: float) -> Cap:
    """Returns the cap with which MetaCLIP keeps the share `keep_rate` of the examples.

    Raises:
        InputError: if fewer examples have a concept.
    """
    threshold = baselines.metaclip_threshold(concepts.labels, keep_rate * len(concepts.labels))
    return Cap(threshold, concepts.labels, concepts.label_names)


def flip(attributes: np.ndarray, share: float, seed: int, streams: int | None = None) -> np.ndarray:
    """Returns the attributes [n, m] with a share of the known ones flipped, drawn by `seed`.

    `streams` is the version of the stream, None for the newest; so it is in `control`.
    """
    flipped = stream(FLIPPED, seed, streams).random(attributes.shape) < share
    return np.where(flipped, 1 - attributes, attributes)


def control(weight: np.ndarray, kind: str, seed: int, streams: int | None = None) -> np.ndarray:
    """Returns what a control puts in place of weights [n]; see `BalanceConfig`."""
    rng = stream(CONTROL, seed, streams)
    if kind == "shuffle":
        return rng.permutation(weight)
    if kind == "subsample":
        chosen = rng.permutation(len(weight))[: round(weight.sum())]
        return np.isin(np.arange(len(weight)), chosen).astype(np.float64)
    return weight


def _balance(
    config: BalanceConfig, notes: Annotation, concepts: Annotation | None
) -> tuple[np.ndarray, dict[str, object]]:
    """Returns weights [n] and their certificate; `concepts` are what caps are on, if any."""
    if config.attribute_noise:
        noisy = flip(notes.attributes, config.attribute_noise, config.seed, config.streams)
        notes = dataclasses.replace(notes, attributes=noisy)
    problem, certificate = make_problem(config, notes)
    cap = cap_of(concepts, problem.keep_rate) if config.caps else None
    if config.caps == ALONE:
        weight, certificate = baselines.metaclip(cap.labels, cap.threshold), {}
    else:
        if config.caps == PARITY:
            problem, certificate = make_problem(config, notes, cap)
        problem, solution = _solved(config, problem)
        weight = solution.weights
        certificate = balance.certificate(problem, solution) | certificate
    facts = {"cap": cap.threshold} if cap else {}
    weight = control(weight, config.control, config.seed, config.streams)
    return weight, certificate | facts


def _solved(
    config: BalanceConfig, problem: balance.Problem
) -> tuple[balance.Problem, balance.Solution]:
    """Returns a problem's solution, and the problem with the penalty that it was solved at.

    At the largest keep rate all bounds can hold. Where the penalty does not reach for it, since the
    multiplier of some bound would have to be larger, it is raised tenfold, and again. Weights that
    meet all bounds are the same at any higher penalty.

    Raises:
        InputError: if the solver did not converge, or the bounds don't hold all the same.
    """
    solution = request.solve(config, problem)
    while (
        config.keep_rate == request.LARGEST
        and problem.penalty < MOST_PENALTY
        and solution.status is balance.Status.CONVERGED
        and max(solution.violation.max(), solution.moment_violation.max(initial=0.0))
        > request.ROUNDING
    ):
        problem = dataclasses.replace(problem, penalty=10 * problem.penalty)
        solution = request.solve(config, problem)
    request.require(problem, solution)
    return problem, solution


def _kept(weight: np.ndarray) -> dict[str, float]:
    return {"examples": len(weight), "kept": float(weight.mean())}


def _json(value: float) -> float | None:
    return value if np.isfinite(value) else None
