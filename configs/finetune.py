"""A limited retraining: what a little training on balanced data changes in a model that is there.

    python -m experiments.finetune --config=configs/finetune.py --workdir=runs/finetune

First the grid below: a model of CLIP's own form on the original data, and the two bounds (balanced
from the start; a world at parity), with every seed. Then, from the exported original models, the
fine-tuned ones, and what is made of them without training.
"""

import ml_collections

from configs import base
from experiments.finetuning.settings import TuneConfig
from m4jax import settings

VERSIONS = (
    ("original", {}),
    ("balanced", {"balance": {"enabled": True}}),
    ("oracle", {"world": {"men": 0.5, "association": 0.0, "company": 0.0}}),
)


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = base.get_config()
    config.model.variant = "emoji-CLIP-S/8"
    config.balance.keep_rate = "max"  # as much is kept as the constraints allow
    config.train.schedule = "rsqrt"  # the paper's kind, as in the ablation
    config.train.steps = 1_500  # 96,000 examples seen
    config.train.cooldown_steps = 75
    config.seeds = tuple(range(9))  # the first chooses the learning rate, the others confirm
    config.factors = (("version", VERSIONS),)
    config.studies = (("finetune", ({"version": "*"},)),)
    config.tuning = settings.fields(TuneConfig)
    return config
