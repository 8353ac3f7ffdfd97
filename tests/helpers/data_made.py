"""Data with known bias, for the tests of the audit."""

import numpy as np

from m4jax.audit.inputs.shown import Shown
from m4jax.evaluation.measures.pictures import Attribute


def made(codes, labels, *, values=("woman", "man"), groups=None, captions=None, name="gender"):
    """Returns what is known of n examples with one attribute."""
    codes = np.asarray(codes)
    n = len(codes)
    return Shown(
        name="made",
        uids=np.array([f"u{i}" for i in range(n)], object),
        groups=np.arange(n) if groups is None else np.asarray(groups),
        attributes={name: Attribute(tuple(values), codes)},
        labels={k: np.asarray(v, bool) for k, v in labels.items()},
        captions=captions or [[] for _ in range(n)],
        nobody=np.zeros(n, bool),
        known_by="columns",
    )
