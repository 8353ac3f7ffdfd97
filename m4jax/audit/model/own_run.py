"""A run of ours as an audit takes it: its trained model, its own tokenizer."""

import dataclasses
from pathlib import Path

from m4jax import files, training
from m4jax.data.examples import Tokenizer
from m4jax.errors import InputError
from m4jax.models import Opened, Scaling
from m4jax.run import config as run_config
from m4jax.run import model
from m4jax.run.state import Layout


def is_run(path: str) -> bool:
    """Tells whether a path is the folder of a run."""
    return (Path(path) / "checkpoints").is_dir()


def open_run(path: str) -> tuple[Opened, Tokenizer]:
    """Returns the model of a run that is trained to its end, and its tokenizer.

    Pictures are scaled and cut as open_clip does it, to the size of the model's.

    Args:
        path: of the run, "runs/<id>" in the directory of a study or of `experiments.train`, whose
            `data/` has the vocabulary.

    Raises:
        InputError: if it is not trained to its end, or not where it was made.
    """
    folder = Path(path).absolute()
    config = run_config.from_json(files.read_sealed(folder / "config.json"))
    layout = Layout(folder.parent.parent)
    if layout.run(config) != folder:
        raise InputError(
            f"config.model: {path}: expected the run's folder where it was trained, "
            f"{layout.run(config)}; or a model that experiments.export has written"
        )
    module = model.create(config)
    params = model.trained(config, layout, module)
    facts = [training.describe(folder)["params"], dataclasses.asdict(module.variant)]
    facts += [config.data, config.model.context_length]
    opened = Opened(
        module=module,
        params=params,
        tokenizer="",
        scaling=Scaling(module.variant.image_size),
        kind="run",
        name=f"{config.model.variant}, run {folder.name}",
        identity=files.digest(facts, 64),
    )
    return opened, model.tokenizer(config, layout)
