"""All that is measured of a model: one table of measurements, and what calls them."""

from collections.abc import Callable, Iterator, Sequence

from m4jax.errors import InputError
from m4jax.evaluation.measures.accuracy import accuracy, class_accuracy
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.association import association
from m4jax.evaluation.measures.bias_at_k import bias_at_k
from m4jax.evaluation.measures.effects import picture_effects, text_effects
from m4jax.evaluation.measures.harm import harm
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.measures.pairwise import pairwise
from m4jax.evaluation.measures.ranking import ranking
from m4jax.evaluation.measures.representation import representation
from m4jax.evaluation.measures.retrieval import retrieval
from m4jax.evaluation.measures.sensitivity import over_sets
from m4jax.evaluation.measures.so_b_it import so_b_it

MEASUREMENTS: tuple[Callable[[Asked], Iterator[Measure]], ...] = (  # in the order of the results
    representation,
    accuracy,
    class_accuracy,
    association,
    pairwise,
    retrieval,
    ranking,
    bias_at_k,
    harm,
    so_b_it,
    picture_effects,
    text_effects,
)


def measure_all(asked: Asked) -> list[Measure]:
    """Returns all numbers of a model on one set of pictures."""
    return [measure for measurement in MEASUREMENTS for measure in measurement(asked)]


def measure_sets(asks: Sequence[Asked]) -> list[Measure]:
    """Returns all numbers of a model on several sets of pictures, and their ranges over the sets.

    What is of no pictures (association tests of words) is told once.

    Raises:
        InputError: if two sets have the same name.
    """
    names = [asked.pictures.name for asked in asks]
    if len(set(names)) < len(names):
        raise InputError(f"sets of pictures: expected a name of its own for each, got {names}")
    by_key = {measure.key: measure for asked in asks for measure in measure_all(asked)}
    found = list(by_key.values())
    return found + (list(over_sets(found, asks[0].settings.level)) if asks else [])
