"""All that is measured of a model: one table of measurements, and what calls them."""

from collections.abc import Callable, Iterator

from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.measures.representation import representation

MEASUREMENTS: tuple[Callable[[Asked], Iterator[Measure]], ...] = (  # in the order of the results
    representation,
)


def measure_all(asked: Asked) -> list[Measure]:
    """Returns all numbers of a model on one set of pictures."""
    return [measure for measurement in MEASUREMENTS for measure in measurement(asked)]
