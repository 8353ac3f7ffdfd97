"""Training one run: its data, its stages, its model."""

import numpy as np

from m4jax import files, training
from m4jax.data.annotation import MAN
from m4jax.data.encoded import EncodedPictures
from m4jax.data.examples import Training
from m4jax.progress import Progress
from m4jax.run import filtering, model, start, weights
from m4jax.run.config import RunConfig
from m4jax.run.evaluate import Tracker
from m4jax.run.state import Layout


def train_run(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Trains the run's model, or goes on with it."""
    folder, module = layout.run(config), model.create(config)
    files.write_sealed(folder / "config.json", config.to_json())
    steps = config.train.steps
    training.train(
        config.train,
        train_data(config, layout),
        folder,
        model=module,
        init=(lambda: start.parameters(config.init_from, module)) if config.init_from else None,
        forks=layout.forks,
        on_progress=lambda record: progress("train", record["step"], steps),
        on_checkpoint=Tracker(config, layout).measure if config.track else None,
    )


def train_scorer(config: RunConfig, layout: Layout, progress: Progress) -> None:
    """Trains the model that scores a filtered run's pairs; nothing to do for other runs."""
    if config.scorer is None:
        return
    if config.scorer.weighted:
        weights.weigh(config.scorer, layout, progress)
    train_run(config.scorer, layout, progress)


def train_data(config: RunConfig, layout: Layout) -> training.TrainData:
    """Returns the examples of a run, with the data versions in which they are drawn."""
    train = config.source.train(layout.data, config.in_memory_gb)
    # The stream's bias is followed for the constrained labels, or else for the occupations.
    labels = config.balance.labels if config.balance else ("occupations",)
    notes = train.annotate(labels)
    notes.only(MAN)  # raises if bias of gender can't be told of them: evaluation asks for it
    images, given = train.images, start.given(config.init_from)
    if given and isinstance(images, EncodedPictures):
        images = images.scaled(given.scaling.options)
    return training.TrainData(
        images=images,
        tokens=model.tokenizer(config, layout)(train.texts)[train.caption_id],
        caption_id=train.caption_id,
        attributes=notes.attributes,
        labels=notes.labels,
        target=weights.targets(config.balance, notes)[:, 0],
        stages=stages(config, layout, train),
    )


def stages(config: RunConfig, layout: Layout, train: Training) -> tuple[training.Stage, ...]:
    """Returns the data versions of a run, one after another.

    Before and after the balanced stage all pairs that the filter leaves weigh the same.
    """
    weighted, plain = weights.read(config, layout, train.uids), None
    if config.balance is None:
        return (training.Stage(0, weighted),)
    if config.filter:
        plain = filtering.kept(config, layout, train).astype(np.float64)
    steps, acting = config.train.steps, config.balanced_steps
    start, stop = acting.start, acting.stop
    before = (training.Stage(0, plain),) if start > 0 else ()
    after = (training.Stage(stop, plain),) if stop < steps else ()
    return (*before, training.Stage(start, weighted), *after)
