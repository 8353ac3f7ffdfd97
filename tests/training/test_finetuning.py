"""Fine-tuning settings: a frozen tower stays bit for bit, towers learn at rates of their own."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.runs import CONFIG, TERMS, metrics, tiny_data, tiny_model
from helpers.tolerance import rounding

from m4jax import models
from m4jax.errors import InputError
from m4jax.run.config import RunConfig, from_json
from m4jax.training import Member, TrainConfig, load_params, step, train, train_fleet
from m4jax.training import config as settings
from m4jax.training.losses import LOSSES

MODEL, DATA = tiny_model(), tiny_data()
STEPS = 4


def replace(**changes):
    return dataclasses.replace(CONFIG, **({"weight_decay": 0.1} | changes))


def signed(params):
    """Returns the parameters with zeros of both signs among them: bits, not only values, count."""
    return jax.tree.map(lambda x: x.at[..., 0].set(-0.0) if x.ndim else x, params)


PARAMS = signed(step.init_params(MODEL, seed=0))


def batch(k):
    rows = slice(8 * (k % 4), 8 * (k % 4) + 8)
    return step.Batch(jnp.asarray(DATA.images[rows]), jnp.asarray(DATA.tokens[rows, :2]))


def ours(config):
    """Returns the state after some steps."""
    optimizer = step.make_optimizer(config, 1e-2)
    take = jax.jit(step.make_train_step(config, MODEL, optimizer))
    state = step.new_state(PARAMS, optimizer, seed=config.seed)
    for k in range(STEPS):
        state, _ = take(state, batch(k))
    return state


def judged(config, tower_of):
    """Returns the parameters that optax's own `multi_transform` comes to: AdamW for each group.

    Args:
        config: of which the loss and the augmentation are used.
        tower_of: group -> its optimiser.
    """
    labels = {name: name if name in tower_of else "rest" for name in PARAMS}
    grouped = optax.multi_transform(tower_of, lambda _: labels)
    params, state = PARAMS, grouped.init(PARAMS)

    def loss(params, images, tokens):
        return LOSSES[config.loss].function(*MODEL.apply({"params": params}, images, tokens))[0]

    @jax.jit  # one program in place of one for each operation and shape
    def take(params, state, images, tokens, k):
        key = jax.random.fold_in(jax.random.key(jnp.uint32(config.seed)), k)
        images = step.augment(key, images, config, MODEL.variant)
        grads = jax.grad(loss)(params, images, tokens)
        grads = {n: jax.tree.map(jnp.zeros_like, g) if n == config.freeze else g
                 for n, g in grads.items()}  # fmt: skip
        updates, state = grouped.update(clip(grads, config.clip_norm), state, params)
        return optax.apply_updates(params, updates), state

    for k in range(STEPS):
        params, state = take(params, state, batch(k).images, batch(k).tokens, jnp.int32(k))
    return params


def clip(grads, norm):
    factor = jnp.minimum(1, norm / optax.tree.norm(grads))
    return jax.tree.map(lambda g: g * factor, grads)


def adamw(rate, config):
    return optax.adamw(rate, config.b1, config.b2, weight_decay=0.1, mask=step.matrices)


def assert_close(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        tolerance = rounding(np.float32, STEPS * TERMS)
        # The gradient of a key's bias is 0 but for rounding, which Adam scales up to its rate.
        floor = 2 * STEPS * 1e-2 if x.ndim == 2 and x.shape[-1] == 24 else tolerance
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=floor)


def test_rates_of_towers_are_adamw_with_that_rate():
    config = replace(image_rate=0.25, text_rate=3.0)
    groups = {"image": adamw(0.25e-2, config), "text": adamw(3e-2, config)}
    found = ours(config).params
    assert_close(found, judged(config, groups | {"rest": adamw(1e-2, config)}))
    plain = ours(replace()).params
    moved = [optax.tree.norm(jax.tree.map(jnp.subtract, x["text"], PARAMS["text"]))
             for x in (found, plain)]  # fmt: skip
    assert moved[0] > 2 * moved[1]


@pytest.mark.parametrize("tower", settings.TOWERS)
def test_a_frozen_tower_keeps_its_bits_and_has_no_moments(tower):
    config = replace(freeze=tower)
    state = ours(config)
    for a, b in zip(
        jax.tree.leaves(state.params[tower]), jax.tree.leaves(PARAMS[tower]), strict=True
    ):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    paths = [
        jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(state.opt_state)
    ]
    assert any(".mu" in path for path in paths) and not any(f"'{tower}'" in path for path in paths)
    other = {"image": "text", "text": "image"}[tower]
    groups = {tower: optax.set_to_zero(), other: adamw(1e-2, config), "rest": adamw(1e-2, config)}
    assert_close(state.params, judged(config, groups))
    assert (jax.tree.leaves(state.params[other])[0] != jax.tree.leaves(PARAMS[other])[0]).any()


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def interrupt(record):
    if record["step"] >= 6:
        raise Interrupted


TUNED = {"freeze": "image", "text_rate": 0.5}


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """An uninterrupted run of fine-tuning: its directory and its parameters."""
    run_dir = tmp_path_factory.mktemp("tuned")
    return run_dir, train(replace(**TUNED), DATA, run_dir, model=MODEL, init=lambda: PARAMS)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, tuned):
    options = {"model": MODEL, "init": lambda: PARAMS}
    with pytest.raises(Interrupted):
        train(replace(**TUNED), DATA, tmp_path, on_progress=interrupt, **options)
    params = train(replace(**TUNED), DATA, tmp_path, **options)
    jax.tree.map(np.testing.assert_array_equal, params, tuned[1])
    assert metrics(tmp_path) == metrics(tuned[0])
    jax.tree.map(np.testing.assert_array_equal, params["image"], PARAMS["image"])
    jax.tree.map(np.testing.assert_array_equal, load_params(tmp_path, MODEL), params)


def test_a_run_does_not_go_on_with_another_tower_frozen(tmp_path, tuned):
    options = {"model": MODEL, "init": lambda: PARAMS}
    with pytest.raises(InputError, match="settings: freeze: image → None"):
        train(replace(text_rate=0.5), DATA, tuned[0], **options)
    assert tuned[0] != tmp_path


@pytest.mark.slow
def test_a_fleet_freezes_what_each_member_would_alone(tmp_path):
    members = [
        Member(replace(seed=seed, freeze="text", image_rate=0.5), DATA, tmp_path / str(seed))
        for seed in (0, 1)
    ]
    seen = [[], []]
    found = train_fleet(members, model=MODEL, on_checkpoint=lambda k, _, x: seen[k].append(x))
    for member, params, (first, last) in zip(members, found, seen, strict=True):
        jax.tree.map(np.testing.assert_array_equal, params, last)
        jax.tree.map(np.testing.assert_array_equal, first["text"], last["text"])
        alone = train(member.config, DATA, tmp_path / f"alone {member.config.seed}", model=MODEL)
        assert_close(alone, params)
    mixed = [members[0], members[1]._replace(config=replace(seed=1, freeze="image"))]
    with pytest.raises(InputError, match="freeze of member 1 is image, that of member 0 is text"):
        train_fleet(mixed, model=MODEL)


def test_what_changes_nothing_is_not_told():
    assert TrainConfig(freeze="", image_rate=1.0, text_rate=1) == TrainConfig()
    named = RunConfig(train=TrainConfig(freeze="", image_rate=1.0))
    assert named.id == RunConfig().id
    assert not {"freeze", "image_rate", "text_rate"} & named.to_json()["train"].keys()
    tuned = RunConfig(train=TrainConfig(freeze="text", image_rate=0.1))
    assert len({tuned.id, named.id, RunConfig(train=TrainConfig(freeze="text")).id}) == 3
    assert from_json(tuned.to_json()) == tuned
    assert from_json(named.to_json()) == RunConfig()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": "imag"}, r"freeze: expected 'image', 'text' or '', got 'imag'; did you mean"),
        ({"image_rate": 0.0}, r"image_rate must be positive, got 0.0: freeze='image' leaves it"),
        ({"text_rate": -1.0}, r"text_rate must be positive"),
        ({"text_rate": math.nan}, r"text_rate"),
        ({"freeze": "text", "text_rate": 2.0}, r"text_rate is 2.0, but the text tower is frozen"),
    ],
)
def test_bad_settings_are_told(changes, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**changes)


def test_the_towers_are_those_of_the_models():
    assert set(settings.TOWERS) < set(PARAMS)
    siglip = models.create("emoji-S/8", logit_bias=-10.0)
    shapes = jax.eval_shape(lambda: step.init_params(siglip, seed=0))
    assert set(shapes) - set(settings.TOWERS) == {"log_scale", "logit_bias"}
