"""Using weights in others' training code; every setting, with its default.

    python -m experiments.use_weights --config=configs/use_weights.py --workdir=runs/kept \
        --config.data='shards/*.tar' --config.weights=runs/balanced

    python -m configs.use_weights

lists the settings with what they mean; they stand in m4jax/tables/elsewhere/config.py.
"""

import ml_collections

from m4jax import settings
from m4jax.tables.elsewhere import UseConfig

SECTIONS = {"": UseConfig}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(UseConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), SECTIONS))
