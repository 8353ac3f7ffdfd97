"""Between which two models a dial is made; every setting, with its default."""

import ml_collections

from experiments.interpolate import InterpolateConfig
from m4jax import settings


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration; `first` and `second` have to be set."""
    return settings.fields(InterpolateConfig, first="", second="")


if __name__ == "__main__":
    print(settings.listing(get_config(), {"": InterpolateConfig}))
