"""What a model has learnt: bias, zero-shot accuracy, retrieval, each with an interval and its n."""

from m4jax.evaluation import prompts
from m4jax.evaluation.metrics import VERSION
from m4jax.evaluation.predictions import load_predictions, save_predictions
from m4jax.evaluation.suite import Evaluation, Result, difference, evaluate, recompute

__all__ = [
    "VERSION",
    "Evaluation",
    "Result",
    "difference",
    "evaluate",
    "load_predictions",
    "prompts",
    "recompute",
    "save_predictions",
]
