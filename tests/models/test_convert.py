"""Converters: what a peer computes, we compute; what is written is read back bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import peers
from helpers.tolerance import rounding

from m4jax import models
from m4jax.errors import InputError
from m4jax.models import convert
from m4jax.training.losses import LOSSES

PAIRS = 5
CASES = {
    "open_clip, OpenAI's": ("open_clip", "ViT-B/32", {}),
    "open_clip": ("open_clip", "ViT-B/32", {"activation": "gelu"}),
    "transformers, CLIP": ("transformers", "ViT-B/32", {}),
    "transformers, SigLIP": ("transformers", "SigLIP-B/16", peers.SIGLIP),
    "transformers, odd sizes": (
        "transformers",
        "SigLIP-B/16",
        peers.SIGLIP | {"text_width": 48, "mlp_width": 150, "text_mlp_width": 70, "image_size": 36},
    ),
}


def make(case):
    format, name, overrides = CASES[case]
    return format, models.create(name, **(peers.SIZES | overrides))


def batch(v):
    """Pictures [B, h, w, 3], and texts that end in the largest id, padded with 0."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(PAIRS, v.image_size, v.image_size, 3)).astype(np.float32)
    tokens = generator.integers(2, v.vocab_size - 1, (PAIRS, v.context))
    for row, end in zip(tokens, (3, 4, 5, 7, v.context - 1), strict=True):
        row[end] = v.vocab_size - 1
        row[end + 1 :] = 0
    return images, tokens


def ours(model, params, images, tokens):
    kind = "softmax" if model.variant.logit_bias is None else "sigmoid"

    def loss(params):
        output = model.apply({"params": params}, images, tokens)
        return LOSSES[kind].function(*output).loss, output

    (value, output), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    return value, output, gradient


def theirs(torch, peer, images, tokens):
    """The peer's own loss, its embeddings, and the gradient of all its parameters."""
    pixels = torch.tensor(images.transpose(0, 3, 1, 2).copy())
    ids = torch.tensor(tokens)
    if hasattr(peer, "vision_model"):
        output = peer(pixel_values=pixels, input_ids=ids, return_loss=True)
        image, text, value = output.image_embeds, output.text_embeds, output.loss
    else:
        import open_clip

        image, text, scale = peer(pixels, ids)[:3]
        value = open_clip.ClipLoss()(image, text, scale)
    value.backward()
    gradient = {name: p.grad.numpy() for name, p in peer.named_parameters()}
    return value.item(), image.detach().numpy(), text.detach().numpy(), gradient


def distance(a, b):
    return np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b))


def scrambled(torch, peer):
    """Gives every parameter a random value: zeros and ones at the start hide mistakes."""
    with torch.no_grad():
        for parameter in peer.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
        peer.logit_scale.fill_(1.5)
    return peer.eval()


def state(peer):
    return {name: p.detach().numpy() for name, p in peer.named_parameters()}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_peer(case):
    torch, (format, model) = peers.torch(), make(case)
    if format == "open_clip":
        peer = peers.open_clip_model(model.variant, model.variant.activation)
    else:
        peer = peers.transformers_model(model.variant)
    peer = scrambled(torch, peer)
    params = convert.from_peer(state(peer), model, format=format)
    images, tokens = batch(model.variant)
    value, image, text, gradient = theirs(torch, peer, images, tokens)
    our_value, output, our_gradient = ours(model, params, images, tokens)
    tolerance = rounding(np.float32, 400)  # forward: a patch, and ten sums in each of two layers
    assert distance(output.image, image) < tolerance
    assert distance(output.text, text) < tolerance
    assert our_value == pytest.approx(value, rel=tolerance)
    expected = convert.from_peer(gradient, model, format=format)
    for path, leaf in jax.tree_util.tree_leaves_with_path(expected):
        found = our_gradient
        for key in path:
            found = found[key.key]
        # A key's bias shifts all scores of a row alike: its gradient is 0 but for rounding.
        scale = max(np.linalg.norm(leaf), 1e-3)
        assert np.linalg.norm(found - leaf) <= 1e-4 * scale, jax.tree_util.keystr(path)


@pytest.mark.slow
def test_equals_open_clips_vit_b_32():
    torch, model = peers.torch(), models.create("ViT-B/32")
    peer = peers.open_clip_model(model.variant, "quick_gelu").eval()
    params = convert.from_peer(state(peer), model, format="open_clip")
    images, tokens = batch(model.variant)
    value, image, text, gradient = theirs(torch, peer, images, tokens)
    our_value, output, our_gradient = ours(model, params, images, tokens)
    assert distance(output.image, image) < 1e-4
    assert distance(output.text, text) < 1e-4
    assert our_value == pytest.approx(value, rel=1e-4)
    expected = convert.from_peer(gradient, model, format="open_clip")
    found = jax.tree.map(distance, our_gradient, expected)
    assert max(jax.tree.leaves(found)) < 1e-4


@pytest.mark.slow
def test_has_as_many_parameters_as_transformers_siglip():
    torch, model = peers.torch(), models.create("SigLIP-B/16")
    with torch.device("meta"):
        peer = peers.transformers_model(model.variant)
    assert sum(p.numel() for p in peer.parameters()) == 203_155_970


def new_params(model, seed=0):
    v = model.variant
    images = jnp.zeros((1, v.image_size, v.image_size, 3))
    init = jax.jit(lambda key: model.init(key, images, jnp.zeros((1, v.context), int))["params"])
    return init(jax.random.key(seed))


ROUND_TRIPS = [(case, make(case)[0]) for case in CASES]
ROUND_TRIPS += [("transformers, SigLIP", "big_vision"), ("open_clip", "m4jax")]


@pytest.mark.parametrize(("case", "format"), ROUND_TRIPS)
def test_what_is_saved_is_loaded_bit_for_bit(tmp_path, case, format):
    model = make(case)[1]
    params = new_params(model)
    path = tmp_path / f"file{convert.FORMATS[format].suffix}"
    convert.save(params, path, model, format=format)
    loaded = convert.load(path, model, format=format)
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


def big_vision_names(layers):
    """The names of big_vision's SigLIP, written down from its modules."""
    attention = [f"{x}/{y}" for x in ("query", "key", "value", "out") for y in ("kernel", "bias")]
    block = [f"MultiHeadDotProductAttention_0/{x}" for x in attention]
    dense = [f"MlpBlock_0/Dense_{i}/{x}" for i in (0, 1) for x in ("kernel", "bias")]
    norms = [f"LayerNorm_{i}/{x}" for i in (0, 1) for x in ("scale", "bias")]
    names = {"t", "b", "img/pos_embedding", "txt/pos_embedding", "txt/Embed_0/embedding"}
    names |= {"img/embedding/kernel", "img/embedding/bias", "txt/head/kernel", "txt/head/bias"}
    names |= {f"img/MAPHead_0/{x}" for x in ["probe", *block, *dense, *norms[:2]]}
    for tower, depth in layers.items():
        names |= {f"{tower}/encoder_norm/{x}" for x in ("scale", "bias")}
        for i in range(depth):
            names |= {f"{tower}/encoderblock_{i}/{x}" for x in [*block, *dense, *norms]}
    return names


def test_big_vision_names_and_scanned_layers():
    model = make("transformers, SigLIP")[1]
    params = new_params(model)
    tensors = convert.to_peer(params, model, format="big_vision")
    assert set(tensors) == big_vision_names({"img/Transformer": 2, "txt/Encoder_0": 3})
    width, heads = model.variant.width, model.variant.heads
    block = "img/Transformer/encoderblock_1/MultiHeadDotProductAttention_0"
    assert tensors[f"{block}/key/kernel"].shape == (width, heads, width // heads)
    assert tensors[f"{block}/out/kernel"].shape == (heads, width // heads, width)
    assert tensors["img/embedding/kernel"].shape == (8, 8, 3, width)
    scanned = {f"params/{k}": v for k, v in tensors.items() if "encoderblock_" not in k}
    for tower, depth in {"img/Transformer": 2, "txt/Encoder_0": 3}.items():
        start = f"{tower}/encoderblock_0/"
        for name in [x.removeprefix(start) for x in tensors if x.startswith(start)]:
            layers = [tensors[f"{tower}/encoderblock_{i}/{name}"] for i in range(depth)]
            scanned[f"params/{tower}/encoderblock/{name}"] = np.stack(layers)
    loaded = convert.from_peer(scanned, model, format="big_vision")
    jax.tree.map(np.testing.assert_array_equal, loaded, params)


def test_big_vision_heads_are_those_of_the_peer_in_torch():
    """The two peers of one architecture agree on which numbers are a head's queries."""
    model = make("transformers, SigLIP")[1]
    params = new_params(model)
    flax = convert.to_peer(params, model, format="big_vision")
    torch = convert.to_peer(params, model, format="transformers")
    kernel = flax["txt/Encoder_0/encoderblock_2/MultiHeadDotProductAttention_0/query/kernel"]
    weight = torch["text_model.encoder.layers.2.self_attn.q_proj.weight"]
    np.testing.assert_array_equal(kernel.reshape(len(kernel), -1), weight.T)


def test_a_head_for_another_embedding_size(tmp_path):
    model = models.create("SigLIP-B/16", **(peers.SIGLIP | {"embed": 24}))
    params = new_params(model)
    assert params["image"]["projection"]["kernel"].shape == (64, 24)
    convert.save(params, tmp_path / "a.npz", model, format="big_vision")
    loaded = convert.load(tmp_path / "a.npz", model, format="big_vision")
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
    with pytest.raises(InputError, match="embed equals their width"):
        convert.save(params, tmp_path / "a.safetensors", model, format="transformers")


def test_exported_models_need_nothing_else(tmp_path):
    model = make("transformers, SigLIP")[1]
    params = new_params(model)
    convert.export(params, tmp_path / "out", model)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]
    found, loaded = convert.read_model(tmp_path / "out")
    assert found.variant == model.variant
    jax.tree.map(np.testing.assert_array_equal, loaded, params)
    file = tmp_path / "out" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="checksum"):
        convert.read_model(tmp_path / "out")


def test_files_of_another_model_are_told():
    format, model = make("open_clip")
    tensors = convert.to_peer(new_params(model), model, format=format)
    tensors |= {"input_resolution": np.array(32)}  # OpenAI's files carry it along
    convert.from_peer(tensors, model, format=format)
    without = {k: v for k, v in tensors.items() if k != "visual.ln_pre.bias"}
    with pytest.raises(InputError, match=r"'visual.ln_pre.bias' is missing"):
        convert.from_peer(without, model, format=format)
    with pytest.raises(InputError, match=r"1 tensors .* 'visual.more'"):
        convert.from_peer(tensors | {"visual.more": np.zeros(3)}, model, format=format)
    with pytest.raises(InputError, match=r"expected shape \(64, 40\), got \(64, 8\)"):
        convert.from_peer(tensors | {"visual.proj": np.zeros((64, 8))}, model, format=format)


def test_bad_files_are_told(tmp_path):
    format, model = make("open_clip")
    with pytest.raises(InputError, match="did you mean 'open_clip'"):
        convert.load(tmp_path / "a", model, format="openclip")
    with pytest.raises(InputError, match="no such file"):
        convert.load(tmp_path / "a.safetensors", model, format=format)
    for suffix in (".safetensors", ".npz"):
        path = tmp_path / f"b{suffix}"
        path.write_bytes(b"no model at all")
        with pytest.raises(InputError, match="not a readable"):
            convert.load(path, model, format=format)
    np.savez(tmp_path / "pickled.npz", a=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="not a readable"):
        convert.load(tmp_path / "pickled.npz", model, format=format)
    with pytest.raises(InputError, match=r"end in \.safetensors"):
        convert.save(new_params(model), tmp_path / "c.npz", model, format=format)
    with pytest.raises(InputError, match="is that of SigLIP models"):
        convert.save(new_params(model), tmp_path / "c.npz", model, format="big_vision")
