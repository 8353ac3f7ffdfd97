"""Annotating captions and pictures of your own; every setting, with its default.

    python -m experiments.annotate --config=configs/annotate.py --workdir=runs/annotated \
        --config.files="('captions.csv',)"

writes `examples.parquet`, which `experiments.balance` takes.

    python -m configs.annotate

lists the settings with what they mean; they stand in m4jax/data/annotation/tables.py, and those of
pictures and columns in m4jax/audit/annotating/config.py.
"""

import ml_collections

from m4jax import settings
from m4jax.audit.annotating.config import SeveralConfig

SECTIONS = {"": SeveralConfig}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(SeveralConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), SECTIONS))
