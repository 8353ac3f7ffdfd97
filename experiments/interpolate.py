r"""Writes the models between two: a dial from a model to what fine-tuning made of it.

    python -m experiments.interpolate --config=configs/interpolate.py --workdir=runs/dial \
        --config.first=MODEL --config.second=TUNED

writes `alpha-0.25` and so on to the workdir, folders as the two are. Which α to take, an audit of
each tells; α = 0 is the first model and 1 the second one, bit for bit.
"""

import dataclasses
from pathlib import Path

from rich.console import Console

from experiments import command
from m4jax import files, models, settings
from m4jax.data import tokenizer_json, tokenizers
from m4jax.errors import InputError
from m4jax.models.interpolate import interpolate
from m4jax.training.identity import check_model


@dataclasses.dataclass(frozen=True)
class InterpolateConfig:
    """Between which models, and where."""

    first: str = ""  # folder of the model before, as models.open_folder takes it
    second: str = ""  # folder of the same model after fine-tuning
    alphas: tuple[float, ...] = (0.25, 0.5, 0.75)  # from 0, the first, to 1, the second

    def __post_init__(self):
        for name in ("first", "second"):
            if not getattr(self, name):
                raise InputError(f"config.{name}: expected the folder of a model, got none")
        for alpha in self.alphas:
            if not 0 <= alpha <= 1:
                raise InputError(f"config.alphas: expected from 0 to 1, got {alpha}")


def main(console: Console) -> int:
    """Writes a folder for each α."""
    given, example = command.config(), "configs/interpolate.py"
    config = settings.record(InterpolateConfig, given, "config", example)
    first, second = models.open_folder(config.first), models.open_folder(config.second)
    check(first, second, config)
    for alpha in config.alphas:
        params = interpolate(first.params, second.params, alpha)
        target = command.workdir() / f"alpha-{alpha:g}"
        write(first, params, target)
        console.print(f"Written: {target}")
    return 0


def check(first: models.Opened, second: models.Opened, config: InterpolateConfig) -> None:
    """Raises `InputError` unless two folders hold one model at different times."""
    check_model(dataclasses.asdict(first.module.variant), second.module, config.first)
    for what, a, b in (
        ("scale pictures", first.scaling, second.scaling),
        ("cut texts into tokens", *(_content(x.tokenizer) for x in (first, second))),
    ):
        if a != b:
            raise InputError(
                f"{config.first} and {config.second} {what} otherwise: only weights of one model, "
                "before and after fine-tuning, have points between them"
            )


def write(like: models.Opened, params, target: Path) -> None:
    """Writes parameters as a folder of the kind of the model `like`: ours, or transformers'."""
    if like.kind == "m4jax":
        models.convert.export(params, target, like.module)
        return
    words = None
    if like.tokenizer:
        found = tokenizer_json.published(tokenizers.open_named(like.tokenizer, like.context))
        words = models.folders.Words(found.content, found.pad, found.end, like.context)
    options = {"words": words, "scaling": like.scaling}
    models.folders.write_hugging_face(target, like.module, params, **options)


def _content(name: str) -> str:
    """Returns what tells a tokenizer from others, wherever its file lies."""
    return files.sha256(name.partition(":")[2]) if name else ""


if __name__ == "__main__":
    command.run(main)
