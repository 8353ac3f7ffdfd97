"""The quality filter of a run, and what it is compared with: which pairs are left in."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from m4jax import files, training
from m4jax.data import quality
from m4jax.data.annotation import Annotation
from m4jax.data.examples import Training
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.progress import Progress
from m4jax.run import model
from m4jax.run.config import RunConfig
from m4jax.run.data_version import PERFECT, RANDOM, SHUFFLED, BalanceConfig
from m4jax.run.state import Layout
from m4jax.run.streams import stream


def kept(config: RunConfig, layout: Layout, train: Training) -> np.ndarray:
    """Returns which of a filtered run's pairs the filter leaves in, bool [n].

    Raises:
        InputError: if the pairs are not scored, or those of other data are; if the filter is to be
            perfect, and nobody knows which captions are wrong.
    """
    chosen = config.filter
    if chosen.kind == PERFECT:
        if train.wrong is None:
            raise InputError(
                f"filter.kind: {PERFECT!r} needs to know which captions are wrong, and the data do "
                "not tell; only the testbed's do"
            )
        return ~train.wrong()
    if chosen.kind == RANDOM:
        lot = stream("random filter", chosen.seed).random(len(train))
        return quality.keep(lot, drop=chosen.drop)
    marks = _by_scorer(config, layout, train.uids)
    if chosen.kind == SHUFFLED:
        labels = (config.balance or BalanceConfig()).labels
        return shuffle(marks, train.annotate(labels), chosen.seed)
    return marks


def shuffle(marks: np.ndarray, notes: Annotation, seed: int) -> np.ndarray:
    """Returns marks [n] permuted at random among examples of the same attributes and labels.

    In each such cell as many are marked as before; an unknown attribute is a value of its own.
    """
    content = np.concatenate([np.nan_to_num(notes.attributes, nan=-1), notes.labels], axis=1)
    _, cell = np.unique(content, axis=0, return_inverse=True)
    cell = cell.ravel()
    lot = stream("shuffled filter", seed).random(len(marks))
    shuffled = np.empty_like(marks)
    shuffled[np.lexsort((lot, cell))] = marks[np.argsort(cell, kind="stable")]
    return shuffled


def score(config: RunConfig, layout: Layout, train: Training, progress: Progress) -> None:
    """Writes the cosine of every training pair by the scorer, unless it is there or not needed.

    Raises:
        InputError: if the scorer is not trained to its end.
    """
    if config.scorer is None or _is_scored(layout.scores(config.scorer)):
        return
    path = layout.scores(config.scorer)
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


def _by_scorer(config: RunConfig, layout: Layout, uids: np.ndarray) -> np.ndarray:
    path = layout.scores(config.scorer)
    files.sealed_file(path)
    table = parquet.read(path)
    if table["uid"].to_pylist() != list(uids):
        raise InputError(f"{path}: made for other data; delete it and run again")
    return quality.keep(table["similarity"].to_numpy(), drop=config.filter.drop)


def _is_scored(path: Path) -> bool:
    try:
        files.sealed_file(path)
    except InputError:  # missing or damaged
        return False
    return True
