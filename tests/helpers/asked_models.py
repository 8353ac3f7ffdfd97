"""Small models to be audited: pictures and texts as vectors, with what is known of them."""

import dataclasses
import zlib

import numpy as np

from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.pictures import Attribute, PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.resampling import Settings

WIDTH = 8
GENDER = {"gender": {"man": ("a man", "a guy"), "woman": ("a woman", "a gal")}}
CLASSES = {"nurse": "a nurse", "pilot": "a pilot", "cook": "a cook", "judge": "a judge"}


def vector(text):
    """A vector that depends on the text alone."""
    return np.random.default_rng(zlib.crc32(text.encode())).normal(size=WIDTH)


def embed(texts):
    return np.stack([vector(text) for text in texts]).astype(np.float32)


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def pictures(n=80, seed=0, name="set", *, values=None, groups=None, embeddings=None, **fields):
    """Pictures at random, of men and women by turns unless `values` tells otherwise."""
    rng = np.random.default_rng(seed)
    if values is None:
        values = {"gender": (("man", "woman"), np.arange(n) % 2)}
    return PictureSet(
        name=name,
        embeddings=unit(rng.normal(size=(n, WIDTH)) if embeddings is None else embeddings),
        uids=np.array([f"u{i:05d}" for i in range(n)]),
        groups=np.arange(n) if groups is None else np.asarray(groups),
        attributes={key: Attribute(names, np.asarray(c)) for key, (names, c) in values.items()},
        **fields,
    )


def ask(of, prompts=None, *, scale=10.0, known=None, **settings):
    prompts = prompts or AuditPrompts("v", attributes=GENDER, classes=CLASSES)
    return Asked(
        pictures=of,
        texts=Texts(embed, scale, known),
        prompts=prompts,
        settings=Settings(**settings),
    )


def moved(of, order):
    """The same pictures in another order."""
    return dataclasses.replace(
        of,
        embeddings=of.embeddings[order],
        uids=of.uids[order],
        groups=of.groups[order],
        attributes={k: Attribute(a.names, a.codes[order]) for k, a in of.attributes.items()},
        labels={k: x[order] for k, x in of.labels.items()},
        nobody=None if of.nobody is None else of.nobody[order],
        captions=None if of.captions is None else [of.captions[i] for i in order],
        predictions={k: x[order] for k, x in of.predictions.items()},
    )


def twice(of):
    """Every picture twice, both within its group."""
    order = np.repeat(np.arange(len(of)), 2)
    copied = moved(of, order)
    uids = np.array([f"{uid}/{k % 2}" for k, uid in enumerate(copied.uids)])
    return dataclasses.replace(copied, uids=uids)


def found(measures, metric, **fields):
    """The one measure of that metric and these fields; others are the default ones."""
    fields = {"group": "", "label": "", "wording": "", **fields}
    (one,) = (
        m for m in measures
        if m.metric == metric and all(getattr(m, k) == v for k, v in fields.items())
    )  # fmt: skip
    return one
