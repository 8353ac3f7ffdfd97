"""Evaluating a run: on the splits of its source, with its prompts, at the end or along training."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from m4jax import balance, evaluation, files, training
from m4jax.data.annotation import MAN
from m4jax.data.examples import Source, Splits, Tokenizer
from m4jax.data.pairs import Pairs
from m4jax.evaluation.prompts import Prompts, load
from m4jax.progress import Progress
from m4jax.run import model, start
from m4jax.run.config import RunConfig
from m4jax.run.state import MEASURED, PREDICTIONS, RESULTS, Layout, evaluation_id

TRACKED = ("faces", "objects")  # the splits on which bias is measured along training


def evaluate_run(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Evaluates the trained model: `predictions.npz` and `eval.jsonl`."""
    folder = layout.run(config)
    progress("evaluate", 0, 1)
    embedder = model.embedder(config, layout)  # first: it says so if the run is not trained
    splits = splits_of(config, layout)
    result = evaluate(config, layout, splits, *embedder)
    evaluation.save_predictions(folder / PREDICTIONS, result.predictions)
    files.write_jsonl(folder / RESULTS, [record(row) for row in result.results])


def splits_of(config: RunConfig, layout: Layout) -> Splits:
    """Returns the evaluation splits; a folder that brings the model brings its way with pictures.

    The testbed's pictures are squares of the model's size already.
    """
    given = start.given(config.init_from)
    scaling = given.scaling.options if given else None
    if isinstance(config.source, Pairs):
        return config.source.evaluation(layout.data, config.in_memory_gb, scaling)
    return config.source.evaluation(layout.data, config.in_memory_gb)


def evaluate(
    config: RunConfig,
    layout: Layout,
    splits: Splits,
    embedder: training.Embedder,
    tokenizer: Tokenizer,
) -> evaluation.Evaluation:
    """Evaluates a model on splits of the run's data, with the run's prompts."""
    prompts = with_classes(load(config.evaluate.prompts), config.source)
    return evaluation.evaluate(
        splits,
        embed_images=embedder.images,
        embed_texts=lambda texts: embedder.tokens(tokenizer(texts)),
        logit_scale=embedder.logit_scale,
        prompts=prompts,
        data_association=data_association(config.source, layout.data, prompts),
        resamples=config.evaluate.resamples,
        seed=0,
    )


def with_classes(prompts: Prompts, source: Source) -> Prompts:
    """Returns the prompts with the source's own classes of things, if it has any."""
    classes = source.classes()
    if classes is None:
        return prompts
    name, phrases = classes
    return dataclasses.replace(prompts, version=f"{prompts.version}+{name}", thing=phrases)


def data_association(source: Source, data_dir: Path, prompts: Prompts) -> np.ndarray:
    """Returns the association [c] of the data, before any weights, with the prompts' occupations.

    Occupations are known by their names; NaN where the data know none of this name.
    """
    names, association = _association(source, data_dir)
    known = dict(zip(names, association.tolist(), strict=True))
    return np.array([known.get(name, np.nan) for name in prompts.occupation], np.float64)


@functools.cache  # asked for at every checkpoint of a run whose bias is tracked
def _association(source: Source, data_dir: Path) -> tuple[tuple[str, ...], np.ndarray]:
    notes = source.train(data_dir).annotate(("occupations",)).only(MAN)
    return notes.label_names, balance.bias(notes.attributes, notes.labels).association[0]


class Tracker:
    """Measures bias at every checkpoint of a run: `along/<step>.jsonl`."""

    def __init__(self, config: RunConfig, layout: Layout):
        self._config, self._layout = config, layout
        self._splits: Splits | None = None

    def measure(self, step: int, params: Any) -> None:
        """Evaluates the parameters after `step` on pictures of faces and of things."""
        if self._splits is None:  # not before it is needed
            splits = splits_of(self._config, self._layout)
            self._splits = {name: splits[name] for name in TRACKED if name in splits}
        embedder = model.embedder(self._config, self._layout, params)
        result = evaluate(self._config, self._layout, self._splits, *embedder)
        path = self._layout.run(self._config) / "along" / f"{step}.jsonl"
        rows = [row for row in result.results if not row.label]
        how = {"step": step, MEASURED: evaluation_id(self._config)}
        files.write_jsonl(path, [record(row) | how for row in rows])


def record(row: evaluation.Result) -> dict[str, Any]:
    """Returns a result as JSON: NaN, what can't be estimated, is null."""
    fields = dataclasses.asdict(row)
    return {
        name: None if isinstance(value, float) and np.isnan(value) else value
        for name, value in fields.items()
    }
