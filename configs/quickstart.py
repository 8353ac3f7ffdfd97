"""The quickstart: what a CLIP model absorbs of its data's bias, and what balancing changes.

    python -m experiments.grid --config=configs/quickstart.py --workdir=runs/quickstart

Two data worlds, four data versions, two seeds: eight models of 0.2 M parameters.
"""

import ml_collections

from configs import base

PROXIES = ("occupations", "any_thing", "things")


def get_config() -> ml_collections.ConfigDict:
    """Returns the grid: `versions` x `seeds` over the base configuration."""
    config = base.get_config()
    # Data versions: a name, and the fields that differ from the base. All are compared with the
    # first one.
    config.versions = (
        ("original", {}),
        ("balanced", {"balance": {"enabled": True}}),
        ("balanced_proxies", {"balance": {"enabled": True, "labels": PROXIES}}),
        ("oracle", {"world": {"men": 0.5, "association": 0.0, "company": 0.0}}),
    )
    config.seeds = (0, 1)  # every version is trained once with each
    return config
