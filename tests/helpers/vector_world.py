"""A small world of vectors: pictures and phrases share a space, so the right answers are known."""

import numpy as np

from m4jax import evaluation
from m4jax.evaluation.prompts import Prompts

C, T = 6, 7
PROMPTS = Prompts(
    version="test_v1",
    templates=("{}", "a photo of {}"),
    sensitivity=("{}", "a photo of {}", "photo {}"),
    gender={"man": "a man", "woman": "a woman"},
    occupation={f"job{i}": f"a job{i}" for i in range(C)},
    thing={f"kind{i}": f"a kind{i}" for i in range(T)},
    pairs=(("job0", "job5"), ("job1", "job4"), ("job3", "job2")),
)
SWAPPED = Prompts(
    version="test_v1",
    templates=PROMPTS.templates,
    sensitivity=PROMPTS.sensitivity,
    gender={"man": "a woman", "woman": "a man"},
    occupation=PROMPTS.occupation,
    thing=PROMPTS.thing,
    pairs=PROMPTS.pairs,
)
WORDS = ["a", "photo", "of", "man", "woman", "next", "to"]
WORDS += [f"job{i}" for i in range(C)] + [f"kind{i}" for i in range(T)]
ASSOCIATION = np.linspace(-0.5, 0.5, C)


class Model:
    """Embeds a text as the sum of its word vectors; a picture holds its embedding as pixels."""

    logit_scale = 10.0

    def __init__(self, seed: int = 0, d: int = 24):
        self._vectors = dict(
            zip(WORDS, np.random.default_rng(seed).normal(size=(32, d)), strict=False)
        )

    def embed_texts(self, texts):
        return np.array([sum(self._vectors[word] for word in text.split()) for text in texts])

    def embed_images(self, images):
        return images.reshape(len(images), -1)[:, :24].astype(np.float32) - 128


def splits(seed: int = 0, sprites: int = 40) -> dict:
    """Returns all splits with random pictures, two of each sprite."""
    rng = np.random.default_rng(seed)
    n = 2 * sprites
    sprite = np.repeat(np.arange(sprites), 2)

    def some(**fields):
        images = rng.integers(0, 256, (n, 3, 3, 3), np.uint8)
        return {"images": images, "group": sprite, **fields}

    captions = [f"a job{i % C} next to a kind{i % T}" for i in range(n)]
    plain = np.where(sprite % 3 == 0, -1, sprite % C)
    return {
        "faces": some(gender=sprite % 2),
        "workers": some(gender=sprite % 2, occupation=sprite % C),
        "objects": some(thing=sprite % T),
        "shots": some(occupation=np.where(sprite % 4 == 0, -1, sprite % C), thing=sprite % T),
        "scenes": some(captions=captions),
        "shift": some(gender=sprite % 2, occupation=plain),
    }


def evaluate(splits, model=None, prompts=PROMPTS, **changes):
    model = model or Model()
    arguments = {
        "embed_images": model.embed_images,
        "embed_texts": model.embed_texts,
        "logit_scale": model.logit_scale,
        "prompts": prompts,
        "data_association": ASSOCIATION,
        "resamples": 200,
        **changes,
    }
    return evaluation.evaluate(splits, **arguments)


def table(results):
    return {(r.metric, r.split, r.label): r for r in results}


def numbers(results):
    return np.array([[r.value, r.ci_low, r.ci_high, r.n] for r in results])


def same(results, others):
    """Tells whether two lists of results agree in everything; NaN equals NaN."""
    told = [[repr(value) for value in vars(r).values()] for r in results]
    return told == [[repr(value) for value in vars(r).values()] for r in others]
