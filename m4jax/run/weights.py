"""The weights of a run's training data: quality filter, then balancing, or a control of it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import balance, files, training
from m4jax.data import quality
from m4jax.data.annotation import MAN, Annotation
from m4jax.data.examples import Training
from m4jax.data.testbed import catalog
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.progress import Progress
from m4jax.run import model
from m4jax.run.config import CENSUS, BalanceConfig, RunConfig
from m4jax.run.state import Layout
from m4jax.tables import request
from m4jax.tables import weights as disk


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
        _score(config, layout, train, progress)
        kept = filtered(config, layout, train.uids)
        if train.wrong:
            detection = quality.detection(kept, train.wrong())._asdict()
            certificate = {f"filter_{name}": _json(value) for name, value in detection.items()}
        weight = kept.astype(np.float64)
    if config.balance:
        progress("balance", 0, 1)
        rows = np.flatnonzero(weight)
        notes = train.annotate(config.balance.labels).rows(rows)
        weight[rows], of_balance = _balance(config.balance, notes)
        certificate |= of_balance
    disk.write(folder, uids=train.uids, weights=weight, certificate=certificate | _kept(weight))


def read(config: RunConfig, layout: Layout, uids: np.ndarray) -> np.ndarray | None:
    """Returns the weights [n] of a run's examples, or None if they all weigh the same."""
    return disk.read(layout.weights(config), uids) if config.weighted else None


def filtered(config: RunConfig, layout: Layout, uids: np.ndarray) -> np.ndarray:
    """Returns which of a filtered run's examples the filter leaves, bool [n]."""
    path = layout.scores(config.scorer)
    files.sealed_file(path)
    table = parquet.read(path)
    if table["uid"].to_pylist() != list(uids):
        raise InputError(f"{path}: made for other data; delete it and run again")
    return quality.keep(table["similarity"].to_numpy(), drop=config.filter.drop)


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
    config: BalanceConfig, notes: Annotation
) -> tuple[balance.Problem, dict[str, Any]]:
    """Returns the balancing problem of annotated data, and facts for the certificate.

    Raises:
        InputError: if the problem can't be stated, or has no weights at all.
    """
    problem = request.pose(
        config,
        notes.attributes,
        notes.labels,
        target=targets(config, notes),
        attribute_names=notes.attribute_names,
        label_names=notes.label_names,
    )
    try:
        return request.at_keep_rate(config, problem)
    except InputError as error:
        raise InputError(f"balance.{error}") from None  # it begins with the field's name


def flip(attributes: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Returns the attributes [n, m] with a share of the known ones flipped, drawn by `seed`."""
    flipped = np.random.default_rng([seed, 1]).random(attributes.shape) < share
    return np.where(flipped, 1 - attributes, attributes)


def control(weight: np.ndarray, kind: str, seed: int) -> np.ndarray:
    """Returns what a control puts in place of weights [n]; see `BalanceConfig`."""
    rng = np.random.default_rng([seed, 2])
    if kind == "shuffle":
        return rng.permutation(weight)
    if kind == "subsample":
        chosen = rng.permutation(len(weight))[: round(weight.sum())]
        return np.isin(np.arange(len(weight)), chosen).astype(np.float64)
    return weight


def _balance(config: BalanceConfig, notes: Annotation) -> tuple[np.ndarray, dict[str, object]]:
    noisy = flip(notes.attributes, config.attribute_noise, config.seed)
    problem, binding = make_problem(config, dataclasses.replace(notes, attributes=noisy))
    solution = request.solve(config, problem)
    request.require(problem, solution)
    certificate = balance.certificate(problem, solution) | binding
    return control(solution.weights, config.control, config.seed), certificate


def _score(config: RunConfig, layout: Layout, train: Training, progress: Progress) -> None:
    """Writes the cosine of every training pair by the scorer, unless it is there."""
    path = layout.scores(config.scorer)
    if _is_scored(path):
        return
    progress("score pairs", 0, 1)
    folder, steps = layout.run(config.scorer), config.scorer.train.steps
    if training.latest_step(folder) != steps:
        raise InputError(f"{folder}: the filter's scorer is not trained to its end; run it first")
    embedder, words = model.embedder(config.scorer, layout)
    embedded = embedder.tokens(words(train.texts))
    cosine = np.einsum("nd,nd->n", embedder.images(train.images), embedded[train.caption_id])
    with files.atomic(path) as temporary:
        parquet.write(pa.table({"uid": train.uids, "similarity": cosine}), temporary)
    files.seal_file(path)


def _is_scored(path: Path) -> bool:
    try:
        files.sealed_file(path)
    except InputError:  # missing or damaged
        return False
    return True


def _kept(weight: np.ndarray) -> dict[str, float]:
    return {"examples": len(weight), "kept": float(weight.mean())}


def _json(value: float) -> float | None:
    return value if np.isfinite(value) else None
