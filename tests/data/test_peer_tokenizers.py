"""The tokenizers of CLIP and SigLIP, against those of others."""

import gzip
import importlib.util
import io
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax import files
from m4jax.data.peer_tokenizers import ClipTokenizer, SiglipTokenizer
from m4jax.errors import InputError

TEXTS = [
    "a photo of a dog",
    "  A  Photo,\tof 2 DOGS &amp; 17 cats!!  ",
    "it's they're I'll don't we've 'tis",
    "naïve café, Straße, 東京タワー, привет мир, 🐶🐕 end",
    "x" * 60 + " supercalifragilisticexpialidocious " * 12,
    "",
    "...",
    "price: $3.50 (50%) — a_b-c/d @home #tag",
    "½ cup, ²³ and Ⅷ or ٣",
]


@pytest.fixture(scope="module")
def peer():
    """open_clip's tokenizer and its file."""
    pytest.importorskip("torch")
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))
    pytest.importorskip("open_clip")
    from open_clip.tokenizer import SimpleTokenizer, default_bpe

    return SimpleTokenizer(), default_bpe()


@pytest.fixture(scope="module")
def clip(peer):
    return ClipTokenizer(peer[1], sha256=files.sha256(peer[1]))


def test_clip_equals_open_clip(peer, clip):
    assert clip.vocab_size == 49_408
    np.testing.assert_array_equal(clip(TEXTS), peer[0](TEXTS).numpy())
    assert clip(TEXTS).dtype == np.int32


@settings(deadline=None, max_examples=150, derandomize=True)
@given(text=st.text(st.characters(codec="utf-8", max_codepoint=0x2FFF), max_size=40))
def test_clip_equals_open_clip_on_any_text(peer, clip, text):
    # open_clip mends broken encodings with ftfy first; a text that it changes is not compared.
    ftfy = pytest.importorskip("ftfy")
    if ftfy.fix_text(text) == text:
        np.testing.assert_array_equal(clip([text]), peer[0]([text]).numpy())


def test_clip_refuses_other_files(tmp_path, peer):
    with pytest.raises(InputError, match=r"its SHA-256 is [0-9a-f]{64}, expected 1234"):
        ClipTokenizer(peer[1], sha256="1234")


def test_files_that_are_no_merges_are_told(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        ClipTokenizer(tmp_path / "a")
    (tmp_path / "b").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="no gzipped text"):
        ClipTokenizer(tmp_path / "b")
    (tmp_path / "c").write_bytes(gzip.compress(b"title\na b\n"))
    with pytest.raises(InputError, match="48,894 lines of two pieces"):
        ClipTokenizer(tmp_path / "c")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A small SentencePiece model, trained here."""
    sentencepiece = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    sentences = ["a photo of a dog", "the cat sat on the mat", "a man and a woman at work"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=24,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    path = tmp_path_factory.mktemp("model") / "tokenizer.model"
    path.write_bytes(written.getvalue())
    return path


def test_siglip_equals_sentencepiece_on_canonical_text(model):
    import sentencepiece

    tokenizer = SiglipTokenizer(model, sha256=files.sha256(model), context_length=16)
    ids = tokenizer(["A photo, of a  DOG!", "", "cat " * 40])
    assert ids.shape == (3, 16)
    assert ids.dtype == np.int32
    peer = sentencepiece.SentencePieceProcessor(model_file=str(model))
    expected = peer.encode("a photo of a dog")
    np.testing.assert_array_equal(ids[0, : len(expected)], expected)
    assert (ids[0, len(expected) :] == 1).all()
    assert (ids[1] == 1).all()
    assert ids[2, -1] == 1
    assert (ids[2, :-1] != 1).all()
    assert tokenizer.vocab_size == 24


def test_siglip_refuses_what_is_no_model(tmp_path):
    (tmp_path / "a").write_bytes(b"no model")
    missing = importlib.util.find_spec("sentencepiece") is None
    told = r"pip install" if missing else "not a SentencePiece model"
    with pytest.raises(InputError, match=told):
        SiglipTokenizer(Path(tmp_path / "a"))
