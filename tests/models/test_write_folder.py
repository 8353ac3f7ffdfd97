"""A written Hugging Face folder: transformers itself loads it and computes what we do."""

import io
import json

import jax
import numpy as np
import pytest
from helpers import peers
from PIL import Image

from m4jax import models, training
from m4jax.data import pictures
from m4jax.data.testbed import catalog
from m4jax.data.tokenizer_json import END_PIECE, order, published, tokenizer_json
from m4jax.data.tokenizers import JsonTokenizer, WordTokenizer, open_named
from m4jax.errors import InputError
from m4jax.models.folders.write import Words, write_hugging_face
from m4jax.run import model

WORDS = catalog.words()
TEXTS = ["a photo of a woman", "A Cook, and a   MAN", "a quokka next to a firefighter's ﬁre",
         "a picture of a man with a wrench and a mechanic next to a photo of a woman and a judge",
         "naïve e\u0301 co\u00adok"]  # fmt: skip


def random(module):
    """Parameters that are all different: zeros and ones would hide what is left out."""
    params = training.step.init_params(module, seed=0)
    leaves, form = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [x + 0.1 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(form, noisy)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The testbed's model of CLIP's form with its words, written: (folder, embedder, tokenizer)."""
    module = models.create("emoji-CLIP-S/8", vocab_size=len(WORDS))
    params, words = random(module), WordTokenizer(WORDS, context_length=12)
    folder = tmp_path_factory.mktemp("clip")
    model.write_hugging_face(module, params, words, folder)
    return folder, training.Embedder(module, params), words


def test_words_are_found_as_by_our_tokenizer(clip):
    ours = clip[2](TEXTS)
    theirs = open_named(f"clip:{clip[0] / 'tokenizer.json'}", 12)(TEXTS)
    np.testing.assert_array_equal(order(len(WORDS))[theirs], ours)
    assert theirs.max() == len(WORDS) - 1  # the end has the largest id, and padding is 0
    assert (theirs[0] == 0).any()


def test_unknown_words_and_special_pieces_in_texts_are_words(clip):
    library = JsonTokenizer(clip[0] / "tokenizer.json", context_length=6)
    ids = library(["quokka", f"a {END_PIECE} b", "<pad>"])
    assert ids[0].tolist() == [1, len(WORDS) - 1, 0, 0, 0, 0]
    assert (ids[1] == len(WORDS) - 1).sum() == 1
    assert ids[2, 0] == 1


def test_a_published_tokenizer_is_the_file_it_was_read_from(clip):
    path = clip[0] / "tokenizer.json"
    again = published(open_named(f"clip:{path}", 12))
    assert again == (path.read_text(), END_PIECE, END_PIECE, None) or again.pad == "<pad>"
    assert json.loads(again.content) == json.loads(tokenizer_json(WORDS))


def test_transformers_embeds_as_we_do(clip):
    torch = peers.torch()
    peers.without_operators()
    transformers = pytest.importorskip("transformers")
    folder, embedder, words = clip
    peer = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    shown = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    given = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    pixels = processor(list(shown), return_tensors="pt")
    with torch.no_grad():
        found = peer(input_ids=given["input_ids"], attention_mask=given["attention_mask"],
                     pixel_values=pixels["pixel_values"])  # fmt: skip
    np.testing.assert_allclose(found.text_embeds, embedder.tokens(words(TEXTS)), atol=1e-5)
    np.testing.assert_allclose(found.image_embeds, embedder.images(shown), atol=1e-5)
    assert peer.logit_scale.exp().item() == pytest.approx(embedder.logit_scale, rel=1e-6)


def test_transformers_pools_the_end_whatever_the_padding(clip):
    torch = peers.torch()
    peers.without_operators()
    transformers = pytest.importorskip("transformers")
    peer = transformers.CLIPModel.from_pretrained(clip[0]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(clip[0])
    found = []
    for padding in ({"padding": True}, {"padding": "max_length", "max_length": 12}):
        given = tokenizer(TEXTS[:2], truncation=True, return_tensors="pt", **padding)
        with torch.no_grad():
            found.append(peer.get_text_features(**given).pooler_output.numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_siglip_is_written_as_siglip(tmp_path):
    torch = peers.torch()
    peers.without_operators()
    transformers = pytest.importorskip("transformers")
    module = models.create("SigLIP-B/16", **peers.SIZES | peers.SIGLIP)
    params = random(module)
    scaling = models.Scaling(32, resize="squash", interpolation="bilinear", cut="floor")
    write_hugging_face(tmp_path, module, params, scaling=scaling)
    assert models.open_folder(tmp_path).scaling == scaling
    peer = transformers.SiglipModel.from_pretrained(tmp_path).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    shown = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    tokens = np.random.default_rng(1).integers(2, 60, (3, module.variant.context))
    with torch.no_grad():
        pixels = processor(list(shown), return_tensors="pt")["pixel_values"]
        found = peer(input_ids=torch.tensor(tokens), pixel_values=pixels)
    embedder = training.Embedder(module, params)
    np.testing.assert_allclose(found.text_embeds, embedder.tokens(tokens), atol=1e-5)
    np.testing.assert_allclose(found.image_embeds, embedder.images(shown), atol=1e-5)


def test_photographs_are_prepared_as_told(tmp_path):
    """Of sizes that have to be scaled and cut, by transformers and by us."""
    peers.torch()
    transformers = pytest.importorskip("transformers")
    module = models.create("emoji-CLIP-S/8", vocab_size=60)
    params = training.step.init_params(module, seed=0)
    generator = np.random.default_rng(0)
    photo = Image.fromarray(generator.integers(0, 256, (60, 91, 3), np.uint8))
    content = io.BytesIO()
    photo.save(content, "png")
    for scaling in (models.Scaling(32), models.Scaling(32, edge=40, interpolation="bilinear")):
        write_hugging_face(tmp_path, module, params, scaling=scaling)
        found = models.open_folder(tmp_path).scaling
        assert (found.edge or 32) == (scaling.edge or 32)
        processor = transformers.AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
        theirs = processor(photo, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0)
        ours = pictures.read(content.getvalue(), 32, **found.options)
        np.testing.assert_allclose((ours / 255 - 0.5) / 0.5, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("emoji-S/8", {}, r"pooling 'mean' and mask 'padding' is neither .* emoji-CLIP-S/8"),
        ("emoji-CLIP-S/8", {"logit_bias": -10.0}, r"logit_bias=-10.0: .*CLIPModel has no bias"),
        ("emoji-CLIP-S/8", {"biases": True}, r'format "transformers" has CLIP models with a class'),
        ("SigLIP-B/16", {"embed": 384}, r"SigLIP models whose embed equals their width"),
    ],
)
def test_what_transformers_has_not_is_told(tmp_path, name, changes, message):
    module = models.create(name, vocab_size=60, **changes)
    with pytest.raises(InputError, match=message):
        write_hugging_face(tmp_path / "x", module, {})
    assert not (tmp_path / "x").exists()


def test_a_tokenizer_that_is_not_the_models_is_told(tmp_path):
    module = models.create("emoji-CLIP-S/8", vocab_size=len(WORDS))
    content = tokenizer_json(WORDS)
    for words, message in (
        (Words(content, "<pad>", END_PIECE, 17), r"17 tokens don't fit a model of 70 ids and 16"),
        (Words(content, "<pad>", "</s>", 12), r"'</s>' is none of its special pieces"),
        (Words(content.replace('"id": 69', '"id": 2'), "<pad>", END_PIECE, 12), r"end of id 2"),
    ):
        with pytest.raises(InputError, match=message):
            write_hugging_face(tmp_path, module, {}, words=words)


def test_other_files_of_tokenizers_are_refused():
    class Merges:
        """As a tokenizer of a list of merges is."""

        content = ""

    with pytest.raises(InputError, match=r"expected one of words or a tokenizer.json"):
        published(Merges())
