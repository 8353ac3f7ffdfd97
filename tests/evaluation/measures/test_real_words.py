"""Real embeddings: what is known of CLIP ViT-B/32 comes out, with the sign that it has."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from helpers.asking import one

from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.bias_at_k import bias_at_k
from m4jax.evaluation.measures.effects import picture_effects
from m4jax.evaluation.measures.pictures import Attribute, PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.measures.ranking import ranking
from m4jax.evaluation.measures.so_b_it import so_b_it
from m4jax.evaluation.measures.word_lists import Effects, Harm, Ranking, WordList, WordLists
from m4jax.evaluation.ranks import normalise

pytestmark = pytest.mark.skipif("M4JAX_REAL" not in os.environ, reason="needs real embeddings")

MEN = {"man", "men", "boy", "boys", "guy", "male"}
WOMEN = {"woman", "women", "girl", "girls", "lady", "female"}
CLASSES = {
    "sport": ["Football", "Skateboard", "Surfboard", "Motorcycle"],
    "dress": ["Dress", "Necklace", "Handbag", "Earrings"],
    "people": ["Man", "Woman"],
}


@pytest.fixture(scope="module")
def clip():
    folder = Path(os.environ["M4JAX_REAL"]) / "clip_b32"
    about = json.loads((folder / "flickr8k_1000_images.json").read_text())
    said = [set(" ".join(one["captions"]).lower().split()) for one in about]
    man, woman = (np.array([bool(words & of) for words in said]) for of in (MEN, WOMEN))
    codes = np.where(man & ~woman, 0, np.where(woman & ~man, 1, -1))
    images = np.load(folder / "flickr8k_1000_images.npy").astype(np.float32)
    names = json.loads((folder / "oid_names.json").read_text())
    texts = np.load(folder / "text_oid_clip_a+cname.npy").astype(np.float32)
    texts = texts if len(texts) == len(names) else texts.T
    table = {f"a {name}": row for name, row in zip(names, texts, strict=True)}
    lists = {
        name: WordList({x: f"a {x}" for x in words}, "OpenImages")
        for name, words in CLASSES.items()
    }
    words = WordLists(
        "w", Ranking("{}", 1000, ("sport", "dress")), Harm("{}", "people", ("sport",)),
        Ranking("{}", 100, ("sport", "dress")), Effects("{}", (("dress", "sport"),), ()), lists,
    )  # fmt: skip
    pictures = PictureSet(
        "flickr8k", normalise(images, "pictures"), np.array([one["image"] for one in about]),
        np.arange(len(about)), {"gender": Attribute(("man", "woman"), codes)},
    )  # fmt: skip
    known = Texts(lambda t: np.stack([table[x] for x in t]), 100.0, lambda t: t in table)
    return Asked(pictures=pictures, texts=known, prompts=AuditPrompts("v"), words=words)


def test_dresses_go_with_women_and_footballs_with_men(clip):
    found = list(so_b_it(clip))
    assert one(found, "c_asc", label="dress: Dress").high < -0.7
    assert one(found, "c_asc", label="dress: Dress").p < 0.01
    assert one(found, "c_asc", label="sport: Football").low > 0
    (effect,) = picture_effects(clip)
    assert effect.high < -0.5
    assert effect.p < 0.001


def test_the_pictures_imbalance_is_not_the_models(clip):
    """Two men for each woman: plain Bias@K sees men first, the balanced one sees women."""
    found = list(bias_at_k(clip))
    plain, balanced = (one(found, name) for name in ("bias_at_k", "bias_at_k_balanced"))
    assert plain.value > balanced.value + 0.15
    assert one(found, "bias_at_k_balanced", label="Dress").high < -0.4
    skew = one(list(ranking(clip)), "max_skew", label="Dress")
    assert (skew.which, skew.low > 0.3) == ("woman", True)
