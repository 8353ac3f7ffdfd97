"""Two small models, for `notebooks/audit_a_model.ipynb`: one of biased data, one of balanced.

    python -m experiments.grid --config=configs/tour.py --workdir=runs/tour

Two models of the smallest size on 8,000 pictures, one seed: quick, and too few to decide anything.
"""

import ml_collections

from configs import base


def get_config() -> ml_collections.ConfigDict:
    """Returns the grid: the data as they are, and balanced."""
    config = base.get_config()
    config.world.examples = 8_000
    config.model.variant = "emoji-XS/16"
    config.train.steps = 600
    config.train.checkpoint_every = 600
    # So few examples have less to keep, and bounds that are a few examples wide.
    config.balance.keep_rate = 0.3
    config.balance.eps_association = 1e-3
    config.evaluate.resamples = 500
    versions = (("original", {}), ("balanced", {"balance": {"enabled": True}}))
    config.factors = (("version", versions),)
    config.seeds = (0,)
    config.studies = (("versions", ({"version": "*"},)),)
    return config
