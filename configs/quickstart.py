"""The quickstart: what a CLIP model absorbs of its data's bias, and what balancing changes.

    python -m experiments.grid --config=configs/quickstart.py --workdir=runs/quickstart

Two data worlds, four data versions, two seeds: eight models of 0.2 M parameters.
"""

import ml_collections

from configs import base

PROXIES = ("occupations", "any_thing", "things")


def get_config() -> ml_collections.ConfigDict:
    """Returns the grid: every data version with every seed, over the base configuration."""
    config = base.get_config()
    # Factors: a name and its levels, which are pairs of a name and the fields that differ from the
    # base. All data versions are compared with the first one.
    versions = (
        ("original", {}),
        ("balanced", {"balance": {"enabled": True}}),
        ("balanced_proxies", {"balance": {"enabled": True, "labels": PROXIES}}),
        ("oracle", {"world": {"men": 0.5, "association": 0.0, "company": 0.0}}),
    )
    config.factors = (("version", versions),)
    config.seeds = (0, 1)  # every version is trained once with each
    # Studies: a name and a union of products of factors; "*" stands for all levels.
    config.studies = (("versions", ({"version": "*"},)),)
    return config
