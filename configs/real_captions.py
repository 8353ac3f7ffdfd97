"""Balancing real captions and labels; every setting, with its default.

    M4JAX_REAL=... python -m experiments.real_captions --config=configs/real_captions.py \
        --workdir=results/real-captions

reads the folder of captions in $M4JAX_REAL; see results/real-captions/README.md for what is there.
"""

import ml_collections

from experiments.real_captions import RealConfig
from m4jax import settings


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(RealConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), {"": RealConfig}))
