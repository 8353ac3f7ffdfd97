"""The two-tower models: sizes, norms, and what may influence what."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import peers
from helpers.tolerance import rounding

from m4jax import models
from m4jax.errors import InputError
from m4jax.models import two_towers
from m4jax.models.convert import configurations, open_clip_config

TINY = {"image_size": 16, "width": 8, "text_width": 8, "depth": 2, "embed": 8, "vocab_size": 20}
CLIP_TINY = {**TINY, "patch_size": 8, "heads": 2, "text_heads": 2, "text_depth": 2, "context": 6}
TINY_MODELS = {
    "mean pooling": models.create("emoji-S/8", **TINY, context=6),
    "class token": models.create("ViT-B/32", **CLIP_TINY, logit_bias=-10.0),
    "attention pooling": models.create("SigLIP-B/16", **CLIP_TINY),
}
# Roundings one after another in a forward pass: sums of 192 terms (a patch) or of 8 (the width),
# nine a layer, and of 32 (the MLP) in each of two layers.
TERMS = 400
MASKED = ("mean pooling", "class token")  # padding must not matter

# OpenAI's ViT-B/32 has 151,277,313; the rest is counted by hand from the same formula (see below).
PARAMETERS = {
    "ViT-Ti/32": 20_852_353,
    "ViT-Ti/16": 20_438_209,
    "ViT-S/32": 63_085_825,
    "ViT-S/16": 62_257_537,
    "ViT-B/32": 151_277_313,
    "ViT-B/16": 149_620_737,
    "ViT-L/16": 427_739_393,
    "ViT-L/14": 427_616_513,
    "SigLIP-Ti/16": 17_500_802,
    "SigLIP-S/32": 58_022_018,
    "SigLIP-S/16": 57_193_730,
    "SigLIP-B/32": 204_812_546,
    "SigLIP-B/16": 203_155_970,  # as in transformers
    "SigLIP-L/16": 652_089_346,
    "SigLIP-L/14": 651_966_466,
    "ViT-H/14": 986_109_441,
    "ViT-g/14": 1_366_678_273,
    "ViT-bigG/14": 2_539_567_105,
    "SigLIP-So400m/14": 877_960_498,
    "SigLIP2-B/32": 376_856_066,
    "SigLIP2-B/16": 375_187_970,
    "SigLIP2-L/16": 881_526_786,
    "SigLIP2-So400m/14": 1_135_463_602,
    "SigLIP2-So400m/16": 1_135_670_962,
    "SigLIP2-g/16": 1_871_393_906,
    "emoji-S/8": 255_489,
    "emoji-S/4": 249_345,
    "emoji-XS/16": 81_889,
    "emoji-S/16": 291_585,
    "emoji-M/16": 814_657,
    "emoji-B/8": 1_118_849,
    "emoji-B/4": 1_106_561,
    "emoji-B/16": 1_191_041,
    "emoji-SigLIP-S/16": 337_409,
    "emoji-SigLIP-S/8": 301_313,
    "emoji-CLIP-S/8": 255_745,  # emoji-S/8 with a class token, its position, and a norm before
}


def init(model, seed=0):
    v = model.variant
    images = jnp.zeros((1, v.image_size, v.image_size, 3))
    return model.init(jax.random.key(seed), images, jnp.zeros((1, v.context), int))["params"]


def new_params(model, seed=0):
    compiled = jax.jit(init, static_argnums=0)
    return compiled(model, seed)


def apply(model, params, *arguments, method=None):
    """`model.apply`, compiled: one by one, its operations would take seconds to compile."""

    def run(params, *arguments):
        return model.apply({"params": params}, *arguments, method=method)

    return jax.jit(run)(params, *arguments)


def only(name):
    """A test of the models of which all but one are marked slow: each has gradients to compile."""
    slow = (pytest.param(x, marks=pytest.mark.slow) for x in TINY_MODELS if x != name)
    return pytest.mark.parametrize("tiny", [name, *slow], indirect=True)


@pytest.fixture(params=TINY_MODELS, scope="module")
def tiny(request):
    """A tiny model of each kind and its parameters."""
    model = TINY_MODELS[request.param]
    return model, new_params(model)


@pytest.fixture(params=MASKED, scope="module")
def masked(request):
    """The same for the models that padding must not influence."""
    model = TINY_MODELS[request.param]
    return model, new_params(model)


def by_formula(v):
    """The number of parameters, written down without the modules."""

    def layers(width, depth, hidden):
        mlp = 2 * width * hidden + hidden + width
        return depth * (4 * width**2 + 4 * width + mlp + 4 * width)

    def projection(width):
        return (width + v.biases) * v.embed

    hidden, text_hidden = v.mlp_width or 4 * v.width, v.text_mlp_width or 4 * v.text_width
    patches = (v.image_size // v.patch_size) ** 2
    image = (3 * v.patch_size**2 + v.biases + patches) * v.width + layers(v.width, v.depth, hidden)
    image += 2 * v.width  # the norm after the layers
    if v.pooling == "class":  # a token, its position, and the norm before the layers
        image += 4 * v.width
    if v.pooling == "map":  # a layer with one norm less, and the probe
        image += layers(v.width, 1, hidden) - 2 * v.width + v.width
    if v.pooling != "map" or v.embed != v.width:
        image += projection(v.width)
    text = (v.vocab_size + v.context + 2) * v.text_width
    text += layers(v.text_width, v.text_depth, text_hidden)
    return image + text + projection(v.text_width) + 1 + (v.logit_bias is not None)


def test_every_variant_is_counted():
    assert set(PARAMETERS) == set(models.names())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_count(name):
    model = models.create(name)
    sizes = [x.size for x in jax.tree.leaves(jax.eval_shape(lambda: init(model)))]
    assert sum(sizes) == PARAMETERS[name] == by_formula(model.variant)


@pytest.mark.parametrize("name", [name for name in PARAMETERS if not name.startswith("emoji")])
def test_parameter_count_is_that_of_transformers(name):
    """The peer's own model of the sizes, made without memory."""
    with peers.torch().device("meta"):
        model = peers.transformers_model(models.create(name).variant)
    assert sum(x.numel() for x in model.parameters()) == PARAMETERS[name]


OPEN_CLIP = {
    "ViT-B/32": "ViT-B-32-quickgelu", "ViT-L/14": "ViT-L-14-quickgelu", "ViT-H/14": "ViT-H-14",
    "ViT-g/14": "ViT-g-14", "ViT-bigG/14": "ViT-bigG-14", "SigLIP-B/16": "ViT-B-16-SigLIP",
    "SigLIP-So400m/14": "ViT-SO400M-14-SigLIP-384", "SigLIP2-B/32": "ViT-B-32-SigLIP2-256",
    "SigLIP2-B/16": "ViT-B-16-SigLIP2", "SigLIP2-L/16": "ViT-L-16-SigLIP2-256",
    "SigLIP2-So400m/14": "ViT-SO400M-14-SigLIP2",
    "SigLIP2-So400m/16": "ViT-SO400M-16-SigLIP2-256", "SigLIP2-g/16": "ViT-gopt-16-SigLIP2-256",
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN_CLIP)
def test_variants_are_those_that_open_clip_configures(name):
    peers.torch()
    peers.without_operators()
    library = pytest.importorskip("open_clip")
    content = library.get_model_config(OPEN_CLIP[name])
    told = configurations.read(content, open_clip_config.open_clip, name)
    made = configurations.variant(told, name)
    ours = models.create(name).variant
    # SigLIP's are trained with the approximate GELU, which open_clip takes only for some.
    free = dict.fromkeys(("activation", "text_activation"), "gelu_tanh") if "SigLIP" in name else {}
    free |= {"pixel_mean": ours.pixel_mean, "pixel_std": ours.pixel_std}
    assert dataclasses.replace(made, **free) == dataclasses.replace(ours, **free)


def test_sigmoid_adds_one_parameter():
    model = models.create("emoji-S/8", logit_bias=-10.0)
    sizes = [x.size for x in jax.tree.leaves(jax.eval_shape(lambda: init(model)))]
    assert sum(sizes) == PARAMETERS["emoji-S/8"] + 1 == by_formula(model.variant)


def test_embeddings_have_unit_norm_and_scalars_start_where_asked(tiny):
    model, params = tiny
    generator = np.random.default_rng(0)
    images = generator.normal(size=(3, 16, 16, 3)).astype(np.float32)
    tokens = generator.integers(1, 20, (3, 6))
    output = apply(model, params, images, tokens)
    tolerance = rounding(np.float32, 8 + 2)  # a sum over the width, its root, and the product
    np.testing.assert_allclose(np.linalg.norm(output.image, axis=1), 1, atol=tolerance)
    np.testing.assert_allclose(np.linalg.norm(output.text, axis=1), 1, atol=tolerance)
    assert output.image.dtype == output.text.dtype == np.float32
    assert output.logit_scale == pytest.approx(model.variant.logit_scale)
    assert output.logit_bias == (model.variant.logit_bias or 0)


def test_encoders_agree_with_the_pair(tiny):
    model, params = tiny
    images, tokens = jnp.ones((2, 16, 16, 3)), jnp.array([[1, 2, 0, 0, 0, 0], [3, 4, 5, 6, 7, 8]])
    output = apply(model, params, images, tokens)
    image, from_image = apply(model, params, images, method="encode_image")
    text, from_text = apply(model, params, tokens, method="encode_text")
    np.testing.assert_array_equal(image, output.image)
    np.testing.assert_array_equal(text, output.text)
    assert from_image["pooled"].shape == from_text["pooled"].shape == (2, 8)
    assert from_text["tokens"].shape == (2, 6, 8)


def influence(model, params, tokens, read):
    """Returns [K, L]: the size of the gradient of the K numbers `read` by each of L tokens."""

    def values(change):
        vectors = params["text"]["tokens"]["embedding"][tokens] + change
        return read(*run_text(model, params, tokens, vectors))

    change = jnp.zeros((len(tokens), model.variant.text_width))
    jacobian = jax.jit(jax.jacrev(values))(change)
    return np.abs(jacobian).sum(axis=-1)


def run_text(model, params, tokens, vectors):
    """Runs the text tower with `vectors` [L, D] in place of the embeddings of `tokens` [L]."""
    distinct = jnp.arange(len(tokens)) + 1  # each position gets its own row of a new table
    ids = jnp.where(tokens != 0, distinct, 0)
    table = jnp.zeros((model.variant.vocab_size, vectors.shape[1])).at[ids].set(vectors)
    params = {**params, "text": {**params["text"], "tokens": {"embedding": table}}}
    return model.apply({"params": params}, ids[None], method="encode_text")


def test_causal_tokens_depend_on_their_predecessors_only():
    model = TINY_MODELS["class token"]
    tokens = jnp.array([3, 4, 5, 6, 7, 8])

    def weighted(_, out):  # a plain sum is constant after a layer norm: its gradient is rounding
        return out["tokens"][0] @ jnp.arange(1.0, 1 + out["tokens"].shape[-1])

    size = influence(model, new_params(model), tokens, weighted)
    np.testing.assert_array_equal(size > 0, np.tri(6, dtype=bool))


def test_padding_has_no_influence_on_the_embedding(masked):
    model, params = masked
    tokens = jnp.array([3, 4, 5, 0, 0, 0])
    size = influence(model, params, tokens, lambda embedding, _: embedding[0])
    assert (size[:, :3] > 0).all()
    assert (size[:, 3:] == 0).all()


def test_shorter_texts_need_no_padding(masked):
    model, params = masked
    tokens = jnp.array([[3, 4, 5, 0, 0, 0]])
    long, _ = apply(model, params, tokens, method="encode_text")
    short, _ = apply(model, params, tokens[:, :3], method="encode_text")
    np.testing.assert_allclose(long, short, atol=rounding(np.float32, TERMS))


def test_a_patch_is_a_square_of_the_picture():
    images = np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    patches = two_towers.patchify(jnp.asarray(images), 2)
    assert patches.shape == (2, 6, 12)
    np.testing.assert_array_equal(patches[1, 4], images[1, 2:4, 2:4].ravel())


def test_initialisation_is_a_function_of_the_seed():
    model = TINY_MODELS["mean pooling"]
    first, again, other = new_params(model, 0), new_params(model, 0), new_params(model, 1)
    assert jax.tree.all(jax.tree.map(lambda a, b: (a == b).all(), first, again))
    assert (first["image"]["positions"] != other["image"]["positions"]).any()


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("emoji-S/9", {}, "unknown model 'emoji-S/9'; did you mean"),
        ("emoji-S/8", {"vocabsize": 3}, "did you mean 'vocab_size'"),
        ("emoji-S/8", {"patch_size": 33}, "image_size must be at least patch_size"),
        ("emoji-S/8", {"heads": 3}, "width must be a multiple of heads"),
        ("emoji-S/8", {"depth": 0}, "depth must be at least 1"),
        ("emoji-S/8", {"activation": "gelo"}, "did you mean 'gelu'"),
        ("emoji-S/8", {"pooling": "max"}, "unknown pooling 'max'"),
        ("emoji-S/8", {"dtype": "float16"}, "did you mean 'bfloat16'"),
    ],
)
def test_bad_input_is_told(name, overrides, message):
    with pytest.raises(InputError, match=message):
        models.create(name, **overrides)


def test_texts_of_another_length_are_refused_where_padding_counts():
    for name, length, message in (
        ("attention pooling", 5, "takes exactly 6"),
        ("class token", 7, "takes at most 6"),
    ):
        model = TINY_MODELS[name]
        variables, tokens = {"params": new_params(model)}, jnp.ones((1, length), int)
        with pytest.raises(InputError, match=message):
            model.apply(variables, tokens, method="encode_text")


def gradient(model, params):
    """The gradient of a number that depends on all of a model."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(3, 16, 16, 3)).astype(np.float32)
    tokens = generator.integers(1, 20, (3, 6))

    def value(params):
        output = model.apply({"params": params}, images, tokens)
        logits = output.logit_scale * output.image @ output.text.T + output.logit_bias
        return jax.nn.log_softmax(logits).trace() + logits[0, 1]

    return jax.jit(jax.grad(value))(params)


@only("attention pooling")
@pytest.mark.parametrize("remat", ["full", pytest.param("dots", marks=pytest.mark.slow)])
def test_remat_changes_nothing_but_memory(tiny, remat):
    model, params = tiny
    kept = gradient(model, params)
    again = gradient(type(model)(dataclasses.replace(model.variant, remat=remat)), params)
    for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=rounding(np.float32, 2 * TERMS))


@only("class token")
def test_bfloat16_computes_in_it_and_keeps_float32_outside(tiny):
    model, params = tiny
    half = type(model)(dataclasses.replace(model.variant, dtype="bfloat16"))
    assert {x.dtype for x in jax.tree.leaves(new_params(half))} == {jnp.dtype("float32")}
    images, tokens = jnp.ones((2, 16, 16, 3)), jnp.arange(1, 13).reshape(2, 6)
    for method, argument in (("encode_image", images), ("encode_text", tokens)):
        full, _ = apply(model, params, argument, method=method)
        found, out = apply(half, params, argument, method=method)
        assert found.dtype == jnp.float32
        assert out["tokens"].dtype == jnp.bfloat16
        assert np.abs(found - full).max() < 0.05
    for a, b in zip(*(jax.tree.leaves(gradient(m, params)) for m in (model, half)), strict=True):
        assert b.dtype == jnp.float32
        assert np.linalg.norm(a - b) <= 0.1 * np.linalg.norm(a) + 1e-2
