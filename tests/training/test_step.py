"""The step: one compilation, what it changes, and what it is told to leave alone."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.runs import CONFIG, TERMS, tiny_data, tiny_model
from helpers.tolerance import rounding

from m4jax.models import Output
from m4jax.training import step
from m4jax.training.config import TrainConfig, schedule
from m4jax.training.losses import LOSSES

MODEL = tiny_model()
CONFIG = dataclasses.replace(CONFIG, weight_decay=0.1, shift_pixels=1, flip=True, jitter=0.1)
OPTIMIZER = step.make_optimizer(CONFIG, 1e-2)


def batch(start=0):
    data = tiny_data()
    rows = slice(start, start + CONFIG.batch_size)
    return step.Batch(jnp.asarray(data.images[rows]), jnp.asarray(data.tokens[rows, :2]))


@pytest.fixture(scope="module")
def compiled():
    """The jitted step, and a function that makes a new state for it."""
    train_step = step.make_train_step(CONFIG, MODEL, OPTIMIZER)
    quickly = {"xla_backend_optimization_level": 0}
    init = functools.partial(step.init_state, MODEL, OPTIMIZER, seed=0)
    return jax.jit(train_step), jax.jit(init, compiler_options=quickly)


def test_compiles_once(compiled):
    train_step, init = compiled
    state = init()
    for start in (0, 8, 16):
        state, _ = train_step(state, batch(start))
    assert train_step._cache_size() == 1
    assert state.step == 3


def test_is_a_pure_function(compiled):
    train_step, init = compiled
    state = init()
    first, again = train_step(state, batch()), train_step(state, batch())
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_random_numbers_follow_from_seed_and_step(compiled):
    train_step, init = compiled
    state = init()
    loss = {
        name: float(train_step(state._replace(**change), batch())[1]["loss"])
        for name, change in {
            "same": {},
            "step": {"step": jnp.int32(1)},
            "seed": {"seed": jnp.uint32(1)},
        }.items()
    }
    assert len(set(loss.values())) == 3


def test_logit_scale_stays_at_most_100(compiled):
    train_step, init = compiled
    state = init()
    state = state._replace(params={**state.params, "log_scale": jnp.log(jnp.float32(1000))})
    state, metrics = train_step(state, batch())
    assert metrics["logit_scale"] == pytest.approx(1000, rel=1e-4)  # that of this step's loss
    assert jnp.exp(state.params["log_scale"]) <= 100.001


def test_only_matrices_decay():
    params = jax.eval_shape(lambda: step.init_params(MODEL, seed=0))
    decayed = step.matrices(params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        name = path[-1].key
        expected = name in ("kernel", "embedding")
        assert decayed_at(decayed, path) == expected
        if expected:
            assert leaf.ndim >= 2


def decayed_at(tree, path):
    for key in path:
        tree = tree[key.key]
    return tree


def test_weight_decay_and_clipping_by_hand():
    params = {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.full(2, 3.0)}
    update, _ = OPTIMIZER.update(
        jax.tree.map(jnp.zeros_like, params), OPTIMIZER.init(params), params
    )
    np.testing.assert_allclose(update["kernel"], -1e-2 * 0.1 * 3.0, rtol=rounding(np.float32, 3))
    np.testing.assert_array_equal(update["bias"], 0)
    huge = {"kernel": jnp.zeros((2, 2)), "bias": jnp.array([3e8, 4e8])}
    _, state = OPTIMIZER.update(huge, OPTIMIZER.init(params), params)
    first_moment = optax.tree_utils.tree_get(state, "mu")["bias"]
    np.testing.assert_allclose(first_moment, [0.1 * 0.6, 0.1 * 0.8], rtol=1e-5)


def test_schedule_warms_up_and_ends_at_zero():
    rate = schedule(TrainConfig(learning_rate=2.0, warmup_steps=4, steps=12))
    assert [float(rate(s)) for s in (0, 2, 4, 8, 12)] == pytest.approx([0, 1, 2, 1, 0], abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_microbatches_equal_the_big_batch(loss):
    overrides = LOSSES[loss].model
    model = tiny_model(**overrides)
    state = step.init_state(model, OPTIMIZER, seed=0)
    results = {}
    for parts in (1, 4):
        config = dataclasses.replace(CONFIG, loss=loss, microbatches=parts)
        train_step = step.make_train_step(config, model, optax.sgd(1.0))
        weighted = batch()._replace(weight=jnp.linspace(0.5, 1.5, CONFIG.batch_size))
        started = step.new_state(state.params, optax.sgd(1.0), seed=0)
        results[parts] = jax.jit(train_step)(started, weighted)
    tolerance = rounding(np.float32, TERMS)  # of gradients, parameters and metrics about 1 in size
    for a, b in zip(jax.tree.leaves(results[1]), jax.tree.leaves(results[4]), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_microbatches_keep_the_order_of_rows():
    def embed(images, tokens):
        return Output(images, tokens, jnp.float32(1), jnp.float32(0))

    rows = jnp.arange(24.0).reshape(12, 2)
    output = step.embed_in_parts(embed, 3)(rows, rows + 1)
    np.testing.assert_array_equal(output.image, rows)
    np.testing.assert_array_equal(output.text, rows + 1)
    assert output.logit_scale.shape == ()
