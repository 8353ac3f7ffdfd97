"""Folders that transformers and open_clip wrote: all that comes of them equals their own."""

import io

import numpy as np
import pytest
from helpers import peer_folders
from helpers.peer_folders import TEXTS
from PIL import Image

from m4jax import models
from m4jax.data import pictures, tokenizers
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
