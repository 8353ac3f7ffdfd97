"""Blocks of examples: what solvers for streams read, checked."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from m4jax.balance import checks, inputs
from m4jax.balance.checks import ProblemError
from m4jax.balance.device import dual
from m4jax.balance.device.dual import Rows
from m4jax.balance.device.rows import make_rows
from m4jax.balance.folding import pad
from m4jax.balance.problem import Spec

NOTHING = (
    "the blocks hold no example with counts above 0 (each call for them starts at the first one: a "
    "generator that was read is empty)"
)


class Block(NamedTuple):
    """Some of the examples.

    Attributes:
        attributes: `[b, m]` s in [0, 1], NaN where unknown.
        labels: `[b, c]` y in [0, 1]. Frames, of which the columns are found by name, or arrays.
        utility: `[b]` u > 0, or None for ones.
        counts: `[b]` how often each row occurs, or None for once.
        columns: further columns of numbers `[b]` by name, of those that constraints speak of.
    """

    attributes: Any
    labels: Any
    utility: Any = None
    counts: Any = None
    columns: Mapping[str, Any] | None = None


def rows_of(spec: Spec, block: Block) -> tuple[Rows, np.ndarray, int]:
    """Returns the block's rows and b = ηu, padded with rows of count 0, and its own number."""
    attributes, labels, utility, counts, columns = _checked(spec, block)
    size = dual.padded(len(counts))
    rows = make_rows(spec.system, attributes, labels, columns, counts, size)
    return rows, spec.keep_rate * pad(utility, size, 1.0), len(counts)


def columns_of(names: tuple[str, ...], columns: Mapping[str, Any] | None, n: int) -> dict:
    """Returns the columns `[n]` of those names, checked.

    Raises:
        ProblemError: if one is missing or holds something else than finite numbers.
    """
    given = dict(inputs.items(columns))
    for name in names:
        if name not in given:
            raise ProblemError(
                f"columns lacks {name!r}, of which the constraints speak; expected a mapping from "
                "names to numbers, one per example"
            )
    return {name: checks.column(name, given[name], n) for name in names}


def _checked(spec: Spec, block: Block) -> tuple[Any, ...]:
    attributes, labels, utility, counts, columns = block
    attributes = inputs.ordered("attributes", attributes, spec.attribute_names)
    attributes = checks.unit_matrix("attributes", attributes, unknown=True)
    labels = checks.unit_matrix("labels", inputs.ordered("labels", labels, spec.label_names))
    shape = (attributes.shape[1], len(labels), labels.shape[1])
    expected = (len(spec.attribute_names), len(attributes), len(spec.label_names))
    if shape != expected:
        raise ProblemError(
            f"the block has {shape[0]} attributes, {shape[1]} rows and {shape[2]} labels; expected "
            f"{expected[0]}, {expected[1]} and {expected[2]}"
        )
    utility = checks.positive_vector("utility", utility, len(labels))
    if counts is None:
        counts = np.ones(len(labels))
    elif not np.any(checks.numbers("counts", counts)):
        counts = np.zeros(len(labels))
    else:
        counts = checks.nonnegative_vector("counts", counts, len(labels))
    columns = columns_of(spec.moments.recipe.names.columns, columns, len(labels))
    return attributes.astype(float), labels, utility, np.asarray(counts, float), columns
