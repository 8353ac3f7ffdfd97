"""The labelled pictures of the few-shot probes, taken from the training pictures."""

import numpy as np

from m4jax.data import catalog, testbed

SHOTS = 10  # of each class; where the training pictures have fewer, all of them


def choose(train: testbed.Split) -> dict[str, np.ndarray]:
    """Returns the split `shots` as `evaluation.evaluate` takes it.

    10 pictures of each occupation (a worker without a thing) and of each kind of thing (without a
    person), by what they show, not by their captions; the same ones for every run on a world.
    """
    columns, rng = train.columns, np.random.default_rng(0)
    alone = columns["thing"] < 0, columns["gender"] < 0
    classes = ("occupation", len(catalog.occupations())), ("thing", len(catalog.things()))
    rows = []
    for plain, (name, count) in zip(alone, classes, strict=True):
        for k in range(count):
            found = np.flatnonzero(plain & (columns[name] == k))
            rows.append(rng.permutation(found)[:SHOTS])
    chosen = np.sort(np.concatenate(rows))
    drawing = np.where(alone[1], columns["thing_drawing"], columns["person_drawing"])
    return {
        "images": train.images[chosen],
        "group": drawing[chosen],
        "occupation": np.where(alone[0], columns["occupation"], -1)[chosen],
        "thing": np.where(alone[1], columns["thing"], -1)[chosen],
    }
