"""Points between two models: the ends to the bit, the line, and what has no line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from m4jax.errors import InputError
from m4jax.models.interpolate import interpolate

FIRST = {"a": {"b": jnp.array([1.0, -0.0, 3e-8])}, "s": jnp.float32(2)}
SECOND = {"a": {"b": jnp.array([2.0, 0.5, 1e8])}, "s": jnp.float32(-1)}


@pytest.mark.parametrize(("alpha", "expected"), [(0, FIRST), (0.0, FIRST), (1.0, SECOND)])
def test_the_ends_are_the_models_to_the_bit(alpha, expected):
    found = interpolate(FIRST, SECOND, alpha)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def test_between_lie_the_points_of_the_line():
    found = interpolate(FIRST, SECOND, 0.25)
    np.testing.assert_allclose(found["a"]["b"], [1.25, 0.125, 0.25e8], rtol=1e-6)
    assert found["s"] == 1.25 and found["s"].dtype == np.float32
    back = interpolate(SECOND, FIRST, 0.75)
    jax.tree.map(np.testing.assert_array_equal, found, back)
    same = interpolate(FIRST, FIRST, 0.3)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-7), same, FIRST)


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan"), float("inf")])
def test_outside_is_told(alpha):
    with pytest.raises(InputError, match=r"alpha: expected from 0 \(the first\) to 1"):
        interpolate(FIRST, SECOND, alpha)


def test_other_models_are_told():
    with pytest.raises(InputError, match=r"the first model has \(3,\) at \['a'\]\['b'\], the sec"):
        interpolate(FIRST, {**SECOND, "a": {"b": jnp.zeros(4)}}, 0.5)
    with pytest.raises(InputError, match=r"has nothing at \['t'\], the second \(\)"):
        interpolate(FIRST, {**SECOND, "t": jnp.float32(0)}, 0.5)
