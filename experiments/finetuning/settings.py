"""Settings of the study of a limited retraining."""

import dataclasses

from m4jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """What is tried on the models that are there."""

    steps: tuple[int, ...] = (30, 75, 150, 300)  # of fine-tuning: 2, 5, 10 and 20% of training
    tested: int = 150  # one of them, that is tested; here towers are frozen, too
    rates: tuple[float, ...] = (1.5e-4, 5e-4, 1.5e-3)  # of which the first seed chooses
    warmup: float = 0.1  # share of the steps
    alphas: tuple[float, ...] = (0.25, 0.5, 0.75)  # between the original and the longest tuned
    # The least that may be left of accuracy on gender, occupations and things by the rate that is
    # chosen: points below the original, mean over `steps`.
    loss: float = 0.05

    def __post_init__(self):
        if self.tested not in self.steps:
            raise InputError(f"tuning.tested: expected one of {self.steps}, got {self.tested}")
        if not self.rates or min(self.rates) <= 0 or min(self.steps) < 2:
            raise InputError("tuning: expected rates above 0 and at least 2 steps")
