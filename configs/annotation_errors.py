"""Balancing where annotation errs: with and without bounds for the true attribute.

    python -m experiments.annotation_errors --config=configs/annotation_errors.py \
        --workdir=runs/annotation-errors

takes the testbed, whose genders are known, flips some of them, and measures what weights that see
the flipped ones do to the true ones. Under two minutes on two cores.
"""

import dataclasses

import ml_collections

from m4jax.data.testbed.world import World


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.world = dataclasses.asdict(World())  # the testbed's knobs
    config.flipped = (0.1, 0.2)  # shares of the genders that annotation gets wrong
    config.seeds = 5  # draws of which ones
    config.checked = 500  # examples that are checked by hand, for the confusion matrix
    config.points = 0.05  # half the width of the band on shares
    config.labels = ("occupations", "any_thing")  # label sets that weights see
    return config
