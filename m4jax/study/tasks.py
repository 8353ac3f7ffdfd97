"""The kinds of work of a study, each a function of a run and of where its files lie."""

import dataclasses
from pathlib import Path

import numpy as np

from m4jax import balance, evaluation, files, models, training
from m4jax.data import annotate, testbed, tokenizer, weights
from m4jax.errors import InputError
from m4jax.study import verdict
from m4jax.study.config import BalanceConfig, RunConfig
from m4jax.study.layout import Layout
from m4jax.training.losses import LOSSES

EMBED_BATCH = 256


def prepare_world(config: RunConfig, layout: Layout, progress: testbed.Progress) -> None:
    """Prepares the run's world."""
    testbed.prepare(config.world, layout.data, progress)


def weigh(config: RunConfig, layout: Layout, progress: testbed.Progress) -> None:
    """Balances the run's training data and writes the weights with their certificate.

    Raises:
      InputError: if the solver did not converge, or the constraints can't all hold.
    """
    folder = layout.weights(config)
    if weights.is_written(folder):
        return
    progress("balance", 0, 1)
    train = testbed.load(config.world, "train", layout.data)
    notes = annotate.annotate(train.columns, config.balance.labels)
    try:
        problem = make_problem(config.balance, notes)
    except balance.ProblemError as error:
        raise InputError(f"balancing: {error}") from None
    solution = balance.solve(
        problem, objective=config.balance.objective, tolerance=config.balance.tolerance
    )
    verdict.require(problem, solution)
    certificate = balance.certificate(problem, solution)
    weights.write(
        folder, uids=train.columns["uid"], weights=solution.weights, certificate=certificate
    )


def train_run(config: RunConfig, layout: Layout, progress: testbed.Progress) -> None:
    """Trains the run's model, or goes on with it."""
    folder = layout.run(config)
    files.write_json(folder / "config.json", dataclasses.asdict(config))
    words = _tokenizer(config)
    model, steps = _model(config, words), config.train.steps
    training.train(
        config.train,
        _train_data(config, layout, words),
        folder,
        model=model,
        init=(lambda: _initial(config, model)) if config.init_from else None,
        on_progress=lambda record: progress("train", record["step"], steps),
    )


def evaluate_run(config: RunConfig, layout: Layout, progress: testbed.Progress) -> None:
    """Evaluates the trained model: `predictions.npz` and `eval.jsonl`."""
    folder = layout.run(config)
    progress("evaluate", 0, 1)
    words = _tokenizer(config)
    model = _model(config, words)
    params = training.load_params(folder, model)
    embedder = training.Embedder(model, params, batch_size=EMBED_BATCH)
    result = evaluation.evaluate(
        evaluation_splits(config, layout.data),
        embed_images=embedder.images,
        embed_texts=lambda texts: embedder.tokens(words(texts)),
        logit_scale=embedder.logit_scale,
        prompts=evaluation.prompts.load(config.evaluate.prompts),
        data_association=world_association(config, layout.data),
        resamples=config.evaluate.resamples,
        seed=0,
    )
    evaluation.save_predictions(folder / "predictions.npz", result.predictions)
    records = [
        {name: _json(value) for name, value in dataclasses.asdict(row).items()}
        for row in result.results
    ]
    files.write_jsonl(folder / "eval.jsonl", records)


def run_cell(config: RunConfig, layout: Layout, progress: testbed.Progress) -> None:
    """Trains and evaluates one cell of the grid; `DONE` is written last."""
    train_run(config, layout, progress)
    evaluate_run(config, layout, progress)
    evaluation_sha256 = files.sha256(layout.run(config) / "eval.jsonl")
    files.write_json(
        layout.run(config) / "DONE", {"id": config.id, "eval.jsonl": evaluation_sha256}
    )


TASKS = {
    "world": prepare_world,
    "weights": weigh,
    "train": train_run,
    "evaluate": evaluate_run,
    "run": run_cell,
}


def make_problem(config: BalanceConfig, notes: annotate.Annotation) -> balance.Problem:
    """Returns the balancing problem of annotated data."""
    return balance.Problem(
        notes.attributes,
        notes.labels,
        target=np.full(notes.attributes.shape[1], config.target),
        keep_rate=config.keep_rate,
        eps_representation=config.eps_representation,
        eps_association=config.eps_association,
        penalty=config.penalty,
    )


def world_association(config: RunConfig, data_dir: Path) -> np.ndarray:
    """Returns the association [c] of the run's world, before any weights, for each occupation."""
    train = testbed.load(config.world, "train", data_dir)
    notes = annotate.annotate(train.columns, ("occupations",))
    return balance.bias(notes.attributes, notes.labels).association[0]


def evaluation_splits(config: RunConfig, data_dir: Path) -> dict[str, dict[str, np.ndarray]]:
    """Returns the evaluation splits as `evaluation.evaluate` takes them."""
    splits = {}
    for name in ("faces", "workers", "objects", "scenes", "shift"):
        split = testbed.load(config.world, name, data_dir)
        columns = split.columns
        # Pictures of one drawing, in other skin tones or places, are not independent of each other:
        # they are resampled together. A pair counts to its thing.
        person, thing = columns["person_drawing"], columns["thing_drawing"]
        group = np.where(thing >= 0, thing, person)
        splits[name] = {"images": split.images, "group": group}
        splits[name] |= {key: columns[key] for key in ("gender", "occupation", "thing")}
        splits[name]["captions"] = columns["caption"].tolist()
    return splits


def _train_data(config: RunConfig, layout: Layout, words) -> training.TrainData:
    train = testbed.load(config.world, "train", layout.data, in_memory_gb=config.in_memory_gb)
    # The stream's bias is followed for the constrained labels, or else for the occupations.
    labels = config.balance.labels if config.balance else ("occupations",)
    notes = annotate.annotate(train.columns, labels)
    target = config.balance.target if config.balance else 0.5
    weighted = None
    if config.balance:
        weighted = weights.read(layout.weights(config), train.columns["uid"])
    _, caption_id = np.unique(train.columns["caption"].astype(str), return_inverse=True)
    return training.TrainData(
        images=train.images,
        tokens=words(train.columns["caption"].tolist()),
        caption_id=caption_id,
        attributes=notes.attributes,
        labels=notes.labels,
        target=np.full(notes.attributes.shape[1], target),
        stages=_stages(config, weighted),
    )


def _stages(config: RunConfig, weighted: np.ndarray | None) -> tuple[training.Stage, ...]:
    """Returns the data versions of a run, one after another."""
    if weighted is None:
        return (training.Stage(0),)
    steps = config.train.steps
    start, stop = (round(share * steps) for share in config.during)
    before = (training.Stage(0),) if start > 0 else ()
    after = (training.Stage(stop),) if stop < steps else ()
    return (*before, training.Stage(start, weighted), *after)


def _initial(config: RunConfig, model):
    """Returns the parameters of the run or of the exported model that a run starts from."""
    folder = Path(config.init_from)
    if (folder / models.convert.VARIANT).exists():
        return models.convert.read_model(folder)[1]
    return training.load_params(folder, model)


def export(config: RunConfig, layout: Layout, target: Path, format: str) -> None:
    """Writes the parameters of a trained run in a format of `models.convert`."""
    model = _model(config, _tokenizer(config))
    params = training.load_params(layout.run(config), model)
    if format == "m4jax":
        models.convert.export(params, target, model)
    else:
        models.convert.save(params, target, model, format=format)


def _tokenizer(config: RunConfig) -> tokenizer.WordTokenizer:
    words = tokenizer.emoji_scenes_words()
    return tokenizer.WordTokenizer(words, context_length=config.model.context_length)


def _model(config: RunConfig, words: tokenizer.WordTokenizer):
    wanted = config.model
    overrides = {"image_size": config.world.resolution, "vocab_size": words.vocab_size}
    overrides |= {"dtype": wanted.dtype, "remat": wanted.remat}
    if wanted.embed:
        overrides["embed"] = wanted.embed
    if models.create(wanted.variant).variant.text_mask == "none":  # it takes one length only
        overrides["context"] = wanted.context_length
    if config.train.loss == "sigmoid":
        overrides |= LOSSES["sigmoid"].model
    return models.create(wanted.variant, **overrides)


def _json(value):
    """JSON has no NaN: what can't be estimated is null."""
    return None if isinstance(value, float) and np.isnan(value) else value
