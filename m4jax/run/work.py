"""The kinds of work of a study, each a function of runs and of where their files lie."""

import dataclasses
import functools
import shutil
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from m4jax import balance, evaluation, files, models, training
from m4jax.data.examples import Source, Splits, Tokenizer
from m4jax.errors import InputError
from m4jax.evaluation import prompts
from m4jax.evaluation.prompts import Prompts
from m4jax.progress import Progress
from m4jax.run import model as run_model
from m4jax.run import weights as weighting
from m4jax.run.config import RunConfig
from m4jax.run.layout import Layout
from m4jax.run.state import FAILED, damaged, is_done, mark_done

TRACKED = ("faces", "objects")  # the splits on which bias is measured along training


def prepare_world(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Prepares the run's data."""
    config.source.prepare(layout.data, progress)


def train_run(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Trains the run's model, or goes on with it."""
    folder, model = layout.run(config), run_model.model(config)
    files.write_json(folder / "config.json", config.to_json())
    steps = config.train.steps
    training.train(
        config.train,
        _train_data(config, layout),
        folder,
        model=model,
        init=(lambda: _initial(config, model)) if config.init_from else None,
        on_progress=lambda record: progress("train", record["step"], steps),
        on_checkpoint=_Tracker(config, layout).measure if config.track else None,
    )


def evaluate_run(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Evaluates the trained model: `predictions.npz` and `eval.jsonl`."""
    folder = layout.run(config)
    progress("evaluate", 0, 1)
    splits = config.source.evaluation(layout.data, config.in_memory_gb)
    result = evaluate(config, layout, splits, *run_model.embedder(config, layout))
    evaluation.save_predictions(folder / "predictions.npz", result.predictions)
    files.write_jsonl(folder / "eval.jsonl", [_record(row) for row in result.results])


def evaluate(
    config: RunConfig,
    layout: Layout,
    splits: Splits,
    embedder: training.Embedder,
    words: Tokenizer,
) -> evaluation.Evaluation:
    """Evaluates a model on splits of the run's data, with the run's prompts."""
    asked = with_classes(prompts.load(config.evaluate.prompts), config.source)
    return evaluation.evaluate(
        splits,
        embed_images=embedder.images,
        embed_texts=lambda texts: embedder.tokens(words(texts)),
        logit_scale=embedder.logit_scale,
        prompts=asked,
        data_association=data_association(config.source, layout.data, asked),
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
    """Returns the association [c] of the data, before any weights, with each occupation.

    Raises:
        InputError: if these are not the prompts' occupations.
    """
    names, association = _association(source, data_dir)
    if names != tuple(prompts.occupation):
        raise InputError(
            f"the data know the occupations {', '.join(names)}; the prompts {prompts.version} "
            f"name others, or in another order: {', '.join(prompts.occupation)}"
        )
    return association


@functools.cache  # asked for at every checkpoint of a run whose bias is tracked
def _association(source: Source, data_dir: Path) -> tuple[tuple[str, ...], np.ndarray]:
    notes = source.train(data_dir).annotate(("occupations",))
    return notes.label_names, balance.bias(notes.attributes, notes.labels).association[0]


def run_cell(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Trains and evaluates one cell of the grid; `DONE` is written last."""
    if is_done(config, layout):
        return
    started = _Times.now()
    _discard_damaged(config, layout)
    train_run(config, layout, progress)
    _finish(config, layout, progress, started)


def run_fleet(configs: Sequence[RunConfig], layout: Layout, progress: Progress) -> None:
    """Trains cells of one shape in one program, then evaluates each.

    The others are finished where the loss of a member is not finite.

    Raises:
        NonFiniteError: if there is such a member, which is then marked as failed.
    """
    configs = [config for config in configs if not is_done(config, layout)]
    if not configs:
        return
    for config in configs:
        _discard_damaged(config, layout)
    started, trackers = _Times.now(), [_Tracker(config, layout) for config in configs]
    shared, members = _train_data(configs[0], layout), []
    uids = configs[0].source.uids(layout.data)
    for config in configs:
        folder = layout.run(config)
        files.write_json(folder / "config.json", config.to_json())
        data = dataclasses.replace(shared, stages=_stages(config, layout, uids))
        members.append(training.Member(config.train, data, folder))
    steps, what = configs[0].train.steps, f"train {len(configs)}"
    results = training.train_fleet(
        members,
        model=run_model.model(configs[0]),
        on_progress=lambda k, record: k or progress(what, record["step"], steps),
        on_checkpoint=(lambda k, *event: trackers[k].measure(*event)) if configs[0].track else None,
    )
    # Each has a part of the time of all.
    share = _Times(
        *((now - then) / len(configs) for now, then in zip(_Times.now(), started, strict=True))
    )
    failed = []
    for config, result in zip(configs, results, strict=True):
        if isinstance(result, training.NonFiniteError):
            trace = "".join(traceback.format_exception(result))
            files.write_json(layout.run(config) / FAILED, {"message": str(result), "trace": trace})
            failed.append(f"{config.id}: {result}")
            continue
        begun = _Times(*(now - part for now, part in zip(_Times.now(), share, strict=True)))
        _finish(config, layout, progress, begun)
    if failed:
        raise training.NonFiniteError(f"{len(failed)} of {len(configs)} runs: {'; '.join(failed)}")


def _discard_damaged(config: RunConfig, layout: Layout) -> None:
    """Removes what is not what it was; bias along training can only be measured by training anew.

    Parameters are the same bit for bit, on the same machine.
    """
    folder = layout.run(config)
    for name in damaged(config, layout):
        (folder / name).unlink(missing_ok=True)
    every, last = config.train.checkpoint_every, training.latest_step(folder)
    steps = [*range(every, last, every), *([last] if last else [])]
    if config.track and not all((folder / "along" / f"{step}.jsonl").exists() for step in steps):
        for name in ("checkpoints", "checksums", "along"):
            shutil.rmtree(folder / name, ignore_errors=True)
        (folder / "metrics.jsonl").unlink(missing_ok=True)


class _Times(NamedTuple):
    """Seconds that have passed, and those in which this process computed."""

    seconds: float
    cpu_seconds: float

    @classmethod
    def now(cls) -> "_Times":
        return cls(time.monotonic(), time.process_time())


def _finish(config: RunConfig, layout: Layout, progress: Progress, started: _Times) -> None:
    """Evaluates a trained cell and marks it as done, with the time that this call took for it."""
    evaluate_run(config, layout, progress)
    passed = zip(_Times._fields, started, _Times.now(), strict=True)
    mark_done(config, layout, **{name: round(now - then, 2) for name, then, now in passed})


def train_scorer(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Trains the model that scores a filtered run's pairs; nothing to do for other runs."""
    if config.scorer is None:
        return
    if config.scorer.weighted:
        weighting.weigh(config.scorer, layout, progress)
    train_run(config.scorer, layout, progress)


TASKS = {
    "world": prepare_world,
    "scorer": train_scorer,
    "weights": weighting.weigh,
    "train": train_run,
    "evaluate": evaluate_run,
    "run": run_cell,
}


def export(config: RunConfig, layout: Layout, target: Path, format: str) -> None:
    """Writes the parameters of a trained run in a format of `models.convert`."""
    model = run_model.model(config)
    params = training.load_params(layout.run(config), model)
    if format == "m4jax":
        models.convert.export(params, target, model)
    else:
        models.convert.save(params, target, model, format=format)


class _Tracker:
    """Measures bias at every checkpoint of a run: `along/<step>.jsonl`."""

    def __init__(self, config: RunConfig, layout: Layout):
        self._config, self._layout = config, layout
        self._splits: Splits | None = None

    def measure(self, step: int, params: Any) -> None:
        """Evaluates the parameters after `step` on pictures of faces and of things."""
        if self._splits is None:  # not before it is needed
            splits = self._config.source.evaluation(self._layout.data)
            self._splits = {name: splits[name] for name in TRACKED if name in splits}
        embedder = run_model.embedder(self._config, self._layout, params)
        result = evaluate(self._config, self._layout, self._splits, *embedder)
        path = self._layout.run(self._config) / "along" / f"{step}.jsonl"
        rows = [row for row in result.results if not row.label]
        files.write_jsonl(path, [_record(row) | {"step": step} for row in rows])


def _train_data(config: RunConfig, layout: Layout) -> training.TrainData:
    train = config.source.train(layout.data, config.in_memory_gb)
    # The stream's bias is followed for the constrained labels, or else for the occupations.
    labels = config.balance.labels if config.balance else ("occupations",)
    notes = train.annotate(labels)
    return training.TrainData(
        images=train.images,
        tokens=run_model.words(config, layout)(train.texts)[train.caption_id],
        caption_id=train.caption_id,
        attributes=notes.attributes,
        labels=notes.labels,
        target=weighting.targets(config.balance, notes)[:, 0],
        stages=_stages(config, layout, train.uids),
    )


def _stages(config: RunConfig, layout: Layout, uids: np.ndarray) -> tuple[training.Stage, ...]:
    """Returns the data versions of a run, one after another.

    Before and after the balanced stage all pairs that the filter leaves weigh the same.
    """
    weighted, plain = weighting.read(config, layout, uids), None
    if config.balance is None:
        return (training.Stage(0, weighted),)
    if config.filter:
        plain = weighting.filtered(config, layout, uids).astype(np.float64)
    steps = config.train.steps
    start, stop = (round(share * steps) for share in config.during)
    before = (training.Stage(0, plain),) if start > 0 else ()
    after = (training.Stage(stop, plain),) if stop < steps else ()
    return (*before, training.Stage(start, weighted), *after)


def _initial(config: RunConfig, model):
    """Returns the parameters of the run or of the exported model that a run starts from."""
    folder = Path(config.init_from)
    if (folder / models.convert.VARIANT).exists():
        return models.convert.read_model(folder)[1]
    return training.load_params(folder, model)


def _record(row: evaluation.Result) -> dict[str, Any]:
    """Returns a result as JSON: NaN, what can't be estimated, is null."""
    fields = dataclasses.asdict(row)
    return {
        name: None if isinstance(value, float) and np.isnan(value) else value
        for name, value in fields.items()
    }
