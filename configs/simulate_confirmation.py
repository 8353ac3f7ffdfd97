"""Errors and power of the confirmation's tests, simulated before its first run.

    python -m experiments.simulate_study --config=configs/simulate_confirmation.py \
        --workdir=runs/simulated-confirmation

Deviations are about those of its pilot (two seeds), a little larger.
"""

import ml_collections

from configs import simulate_study

# Metric (split and name) -> deviation over seeds of the difference of two runs; the same of its
# mean over other emoji, for the mean of many seeds; the difference that is planned for.
METRICS = {
    "objects/representation_bias": (0.10, 0.022, 0.12),
    "faces/association_bias_mean": (0.006, 0.0025, 0.01),
    "faces/association_correlation": (0.06, 0.02, 0.7),
    "faces/gender_acc1": (0.01, 0.005, 0.0),
    "shift/gender_acc1": (0.03, 0.012, 0.0),
    "objects/acc1": (0.025, 0.018, 0.06),
    "workers/acc1": (0.025, 0.016, 0.03),
    "scenes/text_retrieval_recall@50": (0.008, 0.004, 0.01),
    "scenes/image_retrieval_recall@50": (0.008, 0.004, 0.01),
}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return simulate_study.simulated("confirmation", METRICS, studies=300)
