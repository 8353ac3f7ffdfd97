"""Runs that share their first steps; as a command, one of several that begin at once."""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from helpers.runs import CONFIG, tiny_data, tiny_model
from m4jax.training import Stage, train

PLAIN = (Stage(0),)
WEIGHTS = np.linspace(0.1, 1.0, 32)
LATER = (Stage(0), Stage(7, WEIGHTS))  # other data from step 7 on
AT_ONCE = (3, 6, 7)  # steps at which the command leaves its state


def replace(**changes):
    return dataclasses.replace(CONFIG, **changes)


def data_of(stages):
    """Returns data with an annotation of its own: what it is measured by changes no step."""
    labels = np.random.default_rng(len(stages)).integers(0, 2, (32, 2)).astype(float)
    return tiny_data(stages=stages, labels=labels)


def run(folder, stages=PLAIN, forks=None, **changes):
    return train(replace(**changes), data_of(stages), folder, model=tiny_model(), forks=forks)


if __name__ == "__main__":
    study = Path(sys.argv[1])
    run(study / sys.argv[2], LATER, study / "forks", share_at=AT_ONCE)
