"""Checking an annotation by hand; every setting, with its default.

    python -m experiments.check_annotation --config=configs/check_annotation.py \
        --workdir=runs/annotated

writes a page on which people answer what 200 examples show, and turns their answers into confusion
matrices, see experiments/check_annotation.py.

    python -m configs.check_annotation

lists the settings with what they mean; they stand in m4jax/audit/annotating/config.py.
"""

import ml_collections

from m4jax import settings
from m4jax.audit.annotating.config import CheckConfig

SECTIONS = {"": CheckConfig}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(CheckConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), SECTIONS))
