"""Balancing tables of any size; every setting, with its default.

    python -m experiments.balance --config=configs/balance.py --workdir=runs/balance

balances the testbed's training split, which it writes as `examples.parquet`: the format in which
your own data come. The share of men is brought within 5 points of 50%, among all and within each
label, and as much is kept as that allows. Under a minute on two cores, a few seconds for what is
there already. Other things to ask for:

    --config.band=0.02 --config.one_sided=drop
    --config.constraints="('share man within teacher between 40% and 60%', 'cap all at most 30%')"
    --config.eps_association=1e-3 --config.eps_representation=1e-3 --config.keep_rate=0.5

    python -m configs.balance

lists the settings with what they mean; they stand in m4jax/tables/config.py and request.py.
"""

import ml_collections

from m4jax import settings
from m4jax.data.testbed.world import World
from m4jax.tables import TableConfig

SECTIONS = {"": TableConfig, "world": World}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(TableConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), SECTIONS))
