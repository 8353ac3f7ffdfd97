"""Every setting of a run, with its default; other configurations override a few of them.

    python -m configs.base

lists them all with what they mean. Most stand, each on one line with its comment, in the dataclass
that reads them; the sections below say where.
"""

import ml_collections

from m4jax import settings
from m4jax.data.sources import SOURCES
from m4jax.run.config import EvaluateConfig, ModelConfig, RunConfig
from m4jax.run.data_version import BalanceConfig, FilterConfig
from m4jax.training import TrainConfig

SECTIONS = SOURCES | {  # the sources: m4jax/data/testbed/world.py, m4jax/data/pairs.py
    "filter": FilterConfig,  # leaving out pairs that don't fit (m4jax/run/data_version.py)
    "balance": BalanceConfig,  # the paper's M4 (m4jax/run/data_version.py, m4jax/tables/request.py)
    "model": ModelConfig,  # m4jax/run/config.py
    "train": TrainConfig,  # m4jax/training/config.py
    "evaluate": EvaluateConfig,  # m4jax/run/config.py
}


def get_config() -> ml_collections.ConfigDict:
    """Returns the base configuration: the testbed, one unweighted run."""
    config = settings.fields(RunConfig, "source", "during", *SECTIONS)
    config.seed = 0  # of initial parameters, batches and augmentation
    config.source = "world"  # where training pairs come from: a key of SOURCES, see below
    without = {"filter": ("balance",), "train": ("seed",)}  # they follow from other fields
    for name, kind in SECTIONS.items():
        config[name] = settings.fields(kind, *without.get(name, ()))
    config.filter.enabled = False  # False: all pairs stay
    config.filter.scorer_balanced = False  # whether its scorer is trained on data balanced as below
    config.balance.enabled = False  # False: all examples weigh the same
    config.balance.during = (0.0, 1.0)  # shares of the steps between which the weights act
    return config


if __name__ == "__main__":
    print(settings.listing(get_config(), {"": RunConfig} | SECTIONS, __file__))
