"""What is possible at all: the largest keep rate, constraints in conflict, the frontier."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from m4jax.balance import interior, operator, program
from m4jax.balance.newton import Dual

Array = jax.Array

CERTAIN = 1e-9  # a proven violation above this is no rounding


def none_exist(dual: Dual, mesh: Mesh | None) -> bool:
    """Tells whether it is proven that no weights meet all constraints at E[q] = η."""
    elastic = dual._replace(bound=jnp.ones_like(dual.bound))
    found = program.interior_point(elastic, cost=nothing, fixed_rate=True, mesh=mesh)
    return float(program.least_violation(elastic, found.point, mesh=mesh)) > CERTAIN


def nothing(weight: Array, base: Array) -> Array:
    """Returns 0: the cost when only the constraints matter."""
    return 0.0 * weight
