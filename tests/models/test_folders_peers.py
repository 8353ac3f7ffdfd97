"""Folders that transformers and open_clip wrote: all that comes of them equals their own."""

import io

import numpy as np
import pytest
from helpers import peer_folders
from helpers.peer_folders import TEXTS
from PIL import Image

from m4jax import models
from m4jax.data import pictures, tokenizers
from m4jax.errors import InputError
from m4jax.training import Embedder

CLOSE = 2e-6  # between unit embeddings in float32


def embedded(opened, contents, texts):
    """Normalised pixels [n, 3, h, w], token ids, and the embeddings of both, by m4jax."""
    size, options = opened.scaling.size, opened.scaling.options
    read = np.stack([pictures.read(content, size, **options) for content in contents])
    tokens = tokenizers.open_named(opened.tokenizer, opened.context)(texts)
    embedder = Embedder(opened.module, opened.params, batch_size=16)
    pixels = np.asarray(models.normalise(read, opened.module)).transpose(0, 3, 1, 2)
    return pixels, tokens, embedder.images(read), embedder.tokens(tokens)


def by_transformers(folder, kind, contents, texts, **options):
    """The same by a few lines of transformers, and its logits."""
    library, torch = peer_folders.transformers(), peer_folders.peers.torch()
    model = getattr(library, f"{kind}Model").from_pretrained(folder, dtype=torch.float32).eval()
    images = [Image.open(io.BytesIO(content)) for content in contents]
    steps = peer_folders.processor(kind).from_pretrained(folder)
    pixels = steps(images, return_tensors="pt")["pixel_values"]
    tokenizer = library.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt", **options)
    with torch.no_grad():
        out = model(input_ids=ids["input_ids"], pixel_values=pixels)
    found = (pixels, ids["input_ids"], out.image_embeds, out.text_embeds, out.logits_per_image)
    return [x.numpy() for x in found]


def compare(opened, expected, contents, texts, record_property, close=CLOSE):
    """Raises unless pixels, tokens, embeddings and logits are the peer's."""
    found = embedded(opened, contents, texts)
    params = opened.params
    bias = float(params.get("logit_bias", 0))
    logits = found[2] @ found[3].T * np.exp(float(params["log_scale"])) + bias
    names = ("pixels", "image", "text", "logits")
    pairs = zip(
        names, (found[0], found[2], found[3], logits), (*expected[:1], *expected[2:]), strict=True
    )
    for name, ours, theirs in pairs:
        worst = float(np.abs(ours - theirs).max())
        record_property(name, worst)
        print(f"{name}: {worst:.2g}")
        bound = close * (float(np.exp(params["log_scale"])) if name == "logits" else 1)
        assert worst < bound, name
    return found[1]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"size": 48, "edge": 56, "hidden_act": "quick_gelu"},
        {"size": 36, "image_size": 36, "layer_norm_eps": 1e-5, "num_attention_heads": 4},
        {"shards": "60KB"},
    ],
    ids=["plain", "cut from more", "patches that leave a rest", "shards"],
)
def test_a_clip_of_transformers(tmp_path, options, record_property):
    folder = peer_folders.clip(tmp_path, **options)
    contents = peer_folders.pictures(12)
    opened = models.open_folder(folder)
    assert (opened.kind, opened.context) == ("transformers", 20)
    expected = by_transformers(folder, "CLIP", contents, TEXTS)
    tokens = compare(opened, expected, contents, TEXTS, record_property)
    end = tokens.max()  # transformers pads by it as well, which its causal mask never sees
    np.testing.assert_array_equal(np.where(tokens == 0, end, tokens), expected[1])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gemma": True},
        {"size": 36, "text_width": 48, "gemma": True},
        {"size": 48, "shards": "60KB", "hidden_act": "gelu"},
    ],
    ids=["plain", "gemma", "a text tower of its own width", "shards"],
)
def test_a_siglip_of_transformers(tmp_path, options, record_property):
    folder = peer_folders.siglip(tmp_path, **options)
    contents = peer_folders.pictures(12)
    opened = models.open_folder(folder)
    kind = "siglip2" if options.get("gemma") else "siglip"
    assert opened.tokenizer.startswith(f"{kind}:{folder}")
    texts = [text.lower().replace("_", " ") for text in TEXTS if text]
    expected = by_transformers(folder, "Siglip", contents, texts, max_length=16)
    tokens = compare(opened, expected, contents, texts, record_property)
    np.testing.assert_array_equal(tokens, expected[1])


def test_a_naflex_model_embeds_squares_as_transformers_does(tmp_path, record_property):
    folder = peer_folders.naflex(tmp_path)
    opened = models.open_folder(folder)
    assert opened.tokenizer.startswith("siglip2:") and "NaFlex" in opened.notes[0]
    library, torch = peer_folders.transformers(), peer_folders.peers.torch()
    contents, texts = squares(peer_folders.pictures(8)), [x.lower() for x in TEXTS]
    images = [Image.open(io.BytesIO(content)) for content in contents]
    steps = peer_folders.processor("Siglip2").from_pretrained(folder)(images, return_tensors="pt")
    ids = library.AutoTokenizer.from_pretrained(folder)(
        texts, padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    )["input_ids"]
    with torch.no_grad():
        out = library.Siglip2Model.from_pretrained(folder).eval()(input_ids=ids, **steps)
    grid = steps["pixel_values"].numpy().reshape(-1, 4, 4, 8, 8, 3)  # patches, cut out already
    pixels = grid.transpose(0, 5, 1, 3, 2, 4).reshape(-1, 3, 32, 32)
    found = (out.image_embeds, out.text_embeds, out.logits_per_image)
    expected = [pixels, ids.numpy(), *(x.numpy() for x in found)]
    tokens = compare(opened, expected, contents, texts, record_property)
    np.testing.assert_array_equal(tokens, expected[1])
    with pytest.raises(InputError, match="at its own number of patches only"):
        models.open_folder(folder, image_size=48)


def squares(contents):
    """The middles of pictures, as PNG files."""
    found = []
    for content in contents:
        written = io.BytesIO()
        Image.fromarray(pictures.read(content, 90)).save(written, "PNG")
        found.append(written.getvalue())
    return found


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", ["clip", "siglip", "open_clip"])
def test_parameters_in_16_bits(tmp_path, kind, dtype, record_property):
    """They are widened as they are, and all is computed in 32 bits, by both."""
    getattr(peer_folders, kind)(tmp_path, dtype=dtype)
    contents = peer_folders.pictures(4)
    opened = models.open_folder(tmp_path)
    texts = [text.lower().replace("_", " ") for text in TEXTS if text]
    if kind == "open_clip":
        expected = by_open_clip(tmp_path, contents, texts)
    else:
        name = {"clip": "CLIP", "siglip": "Siglip"}[kind]
        length = {"clip": 20, "siglip": 16}[kind]
        expected = by_transformers(tmp_path, name, contents, texts, max_length=length)
    compare(opened, expected, contents, texts, record_property)


def by_open_clip(folder, contents, texts):
    """Pixels, ids, embeddings and logits by a few lines of open_clip, which reads the folder."""
    torch = peer_folders.peers.torch()
    peer_folders.peers.without_operators()
    library = pytest.importorskip("open_clip")
    model, steps = library.create_model_from_pretrained(f"local-dir:{folder}")
    images = [Image.open(io.BytesIO(content)) for content in contents]
    pixels = torch.stack([steps(image) for image in images])
    ids = library.get_tokenizer(f"local-dir:{folder}")(texts)
    with torch.no_grad():
        image, text = (model.encode_image(pixels, True), model.encode_text(ids, True))
        logits = model.get_logits(pixels, ids)[0]
    return [x.numpy() for x in (pixels, ids, image, text, logits)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"custom": True, "quick_gelu": True},
        {"preprocess": {"resize_mode": "squash", "interpolation": "bilinear", "mean": [0.5] * 3}},
        {"init_logit_bias": -9.5},
    ],
    ids=["plain", "a text tower of its own", "squashed", "with a bias"],
)
def test_a_clip_of_open_clip(tmp_path, options, record_property):
    peer_folders.open_clip(tmp_path, **options)
    contents = peer_folders.pictures(12)
    opened = models.open_folder(tmp_path)
    assert opened.kind == "open_clip" and opened.tokenizer.endswith("bpe_simple_vocab_16e6.txt.gz")
    expected = by_open_clip(tmp_path, contents, TEXTS)
    tokens = compare(opened, expected, contents, TEXTS, record_property)
    np.testing.assert_array_equal(tokens, expected[1])


def test_the_tensors_of_a_small_siglip_of_open_clip(tmp_path):
    """timm's tower of SigLIP, of fewer sizes than any name of it tells."""
    sizes = {"embed_dim": 64, "depth": 2, "num_heads": 4, "img_size": 36, "mlp_ratio": 2.5}
    peer = peer_folders.open_clip_siglip(tmp_path, **sizes, patch_size=8)
    variant = {"image_size": 36, "patch_size": 8, "width": 64, "depth": 2, "heads": 4, "embed": 64}
    variant |= {"text_width": 64, "text_depth": 2, "text_heads": 4, "vocab_size": 200}
    variant |= {"mlp_width": 160, "text_mlp_width": 192, "context": 64}
    variant |= {"activation": "gelu", "text_activation": "gelu_tanh"}
    model = models.create("SigLIP2-B/16", **variant)
    path = tmp_path / "open_clip_model.safetensors"
    params, archive = models.convert.read_params(path, model, format="open_clip")
    torch = peer_folders.peers.torch()
    generator = np.random.default_rng(0)
    pixels = generator.normal(size=(3, 36, 36, 3)).astype(np.float32)
    ids = generator.integers(2, 200, (3, 64))
    with torch.no_grad():
        image = peer.encode_image(torch.tensor(pixels.transpose(0, 3, 1, 2)), True).numpy()
        text = peer.encode_text(torch.tensor(ids), True).numpy()
    out = model.apply({"params": params}, pixels, ids)
    np.testing.assert_allclose(out.image, image, atol=CLOSE)
    np.testing.assert_allclose(out.text, text, atol=CLOSE)
    back = models.convert.to_peer(params, model, format="open_clip")
    assert back.keys() == archive.tensors.keys()
    for name, tensor in archive.tensors.items():
        np.testing.assert_array_equal(back[name], tensor)


@pytest.mark.slow
def test_a_siglip_of_open_clip(tmp_path, record_property):
    """Of B size: open_clip has none of any other that its configuration can tell."""
    peer_folders.open_clip_siglip(tmp_path, "ViT-B-16-SigLIP")
    library = peer_folders.transformers()
    peer_folders.siglip_tokenizer(library, tmp_path).save_pretrained(tmp_path)
    contents, texts = peer_folders.pictures(3), [x.lower().replace("_", " ") for x in TEXTS if x]
    opened = models.open_folder(tmp_path)
    assert opened.module.variant.activation == "gelu" and opened.scaling.resize == "squash"
    expected = by_open_clip(tmp_path, contents, texts)
    tokens = compare(opened, expected, contents, texts, record_property, close=1e-5)
    np.testing.assert_array_equal(tokens, expected[1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CLIP", "Siglip"])
def test_models_of_b_size_of_transformers(tmp_path, kind, record_property):
    """With the library's own defaults, which its files leave out as far as they can."""
    library = peer_folders.transformers()
    config = getattr(library, f"{kind}Config")()
    model = peer_folders.randomised(
        getattr(library, f"{kind}Model")(config), peer_folders.peers.torch()
    )
    model.save_pretrained(tmp_path)
    peer_folders.processor(kind)().save_pretrained(tmp_path)
    if kind == "CLIP":
        peer_folders.openai_tokenizer(library).save_pretrained(tmp_path)
        length = 77
    else:
        peer_folders.siglip_tokenizer(library, tmp_path).save_pretrained(tmp_path)
        length = 64
    name = {"CLIP": "ViT-B/32", "Siglip": "SigLIP-B/16"}[kind]
    opened = models.open_folder(tmp_path)
    assert opened.module == models.create(name)
    contents, texts = peer_folders.pictures(3), [x.lower().replace("_", " ") for x in TEXTS if x]
    expected = by_transformers(tmp_path, kind, contents, texts, max_length=length)
    tokens = compare(opened, expected, contents, texts, record_property, close=1e-5)
    end = 1 if kind == "Siglip" else tokens.max()
    np.testing.assert_array_equal(np.where(tokens == 0, end, tokens), expected[1])
