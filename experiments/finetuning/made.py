"""What is made of models without training: points between two, and a direction taken out."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.finetuning.runs import Bases
from experiments.finetuning.settings import TuneConfig
from m4jax import evaluation, files, training
from m4jax.evaluation import projection
from m4jax.evaluation.prompts import Prompts, load
from m4jax.models.interpolate import interpolate
from m4jax.run import model
from m4jax.run.config import RunConfig
from m4jax.run.evaluate import evaluate, record
from m4jax.run.start import given
from m4jax.run.state import evaluation_id

SIDES = {
    "texts": (True, False),
    "pictures": (False, True),
    "both": (True, True),
}


class Projected:
    """An embedder whose texts, pictures or both are without a direction."""

    def __init__(self, embedder: training.Embedder, basis: np.ndarray, texts: bool, pictures: bool):
        self._embedder, self._basis = embedder, basis
        self._texts, self._pictures = texts, pictures
        self.logit_scale = embedder.logit_scale

    def images(self, images: np.ndarray) -> np.ndarray:
        """Returns the embeddings of pictures."""
        found = self._embedder.images(images)
        return projection.project_out(found, self._basis) if self._pictures else found

    def tokens(self, tokens: np.ndarray) -> np.ndarray:
        """Returns the embeddings of texts."""
        found = self._embedder.tokens(tokens)
        return projection.project_out(found, self._basis) if self._texts else found


def held_out_templates(prompts: Prompts) -> list[str]:
    """Returns the templates that nothing is measured by: the direction is told by these."""
    return [template for template in prompts.sensitivity if template not in prompts.templates]


def gender_direction(prompts: Prompts, embed: Callable[[list[str]], np.ndarray]) -> np.ndarray:
    """Returns the direction between man and woman of a model, [1, d]."""
    phrases = (prompts.gender["man"], prompts.gender["woman"])
    return projection.attribute_directions(phrases, held_out_templates(prompts), embed)


def made(
    bases: Bases, seed: int, longest: RunConfig, tuning: TuneConfig
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yields condition and results of all that is made of the models of a seed.

    Args:
        bases: the models that are there.
        seed: of the original one.
        longest: the run that was fine-tuned the longest, the other end of the line.
        tuning: the settings.
    """
    start, layout = given(longest.init_from), bases.layout
    tuned = training.load_params(layout.run(longest), model.create(longest))
    words = model.tokenizer(longest, layout)

    def between(alpha: float) -> training.Embedder:
        return training.Embedder(start.module, interpolate(start.params, tuned, alpha))

    def projected(texts: bool, pictures: bool) -> Projected:
        plain = training.Embedder(start.module, start.params)
        prompts = load(longest.evaluate.prompts)
        basis = gender_direction(prompts, lambda texts: plain.tokens(words(texts)))
        return Projected(plain, basis, texts, pictures)

    for alpha in tuning.alphas:
        yield _evaluated(bases, f"alpha {alpha:g}", longest, seed, between, alpha)
    for side, which in SIDES.items():
        yield _evaluated(bases, f"projected {side}", longest, seed, projected, *which)


def _evaluated(bases, name, config, seed, make, *arguments) -> tuple[str, list[dict[str, Any]]]:
    """Returns a condition's results, read if they are there for the same model and evaluation."""
    of = files.digest([config.id, evaluation_id(config), name, evaluation.VERSION])
    path = bases.layout.root / "made" / f"seed-{seed}" / f"{name.replace(' ', '-')}-{of}.jsonl"
    if not path.exists():
        splits = config.source.evaluation(bases.layout.data)
        words = model.tokenizer(config, bases.layout)
        found = evaluate(config, bases.layout, splits, make(*arguments), words)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_jsonl(path, [record(row) for row in found.results])
    return name, files.read_jsonl(path)
