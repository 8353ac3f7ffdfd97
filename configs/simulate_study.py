"""Errors and power of a study's tests, simulated.

    python -m experiments.simulate_study --config=configs/simulate_study.py --workdir=runs/simulated

The standard deviations are about those of the published ablation; pictures' are by drawing, and
twice as large for RB (resampled by emoji they would be).
"""

import ml_collections

# Metric (split and name) -> deviation over seeds of the difference of two runs; the same of its
# mean over other pictures; the difference that is planned for.
METRICS = {
    "objects/representation_bias": (0.1, 0.028, 0.15),
    "faces/association_bias_mean": (0.004, 0.0014, 0.015),
    "faces/association_correlation": (0.02, 0.006, 0.9),
    "faces/gender_acc1": (0.012, 0.005, 0.0),
    "shift/gender_acc1": (0.025, 0.016, 0.0),
    "objects/acc1": (0.023, 0.008, 0.04),
    "workers/acc1": (0.025, 0.014, 0.07),
    "scenes/text_retrieval_recall@5": (0.027, 0.007, 0.03),
    "scenes/image_retrieval_recall@5": (0.017, 0.007, 0.03),
}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return simulated("ablation", METRICS, studies=500)


def simulated(
    claims: str, metrics: dict[str, tuple[float, float, float]], *, studies: int
) -> ml_collections.ConfigDict:
    """Returns the configuration for a study's claims, with `metrics` as `METRICS` has them."""
    config = ml_collections.ConfigDict()
    config.claims = claims  # whose claims; see m4jax/report/studies.py
    config.seeds = (12, 20)  # in a study
    config.studies = studies  # that are simulated, of each kind
    config.truths = ("nothing", "smallest", "planned")  # kinds of worlds; see simulation.effect
    # A key of `effects` may be of one claim: "9 objects/representation_bias".
    for place, name in enumerate(("deviations", "pictures", "effects")):
        config[name] = ml_collections.ConfigDict({k: of[place] for k, of in metrics.items()})
    config.seed = 0  # of what is drawn
    return config
