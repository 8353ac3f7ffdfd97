"""The tokenizers of CLIP and SigLIP, against those of others."""

import gzip
import importlib.util
import io
import itertools
import string
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from m4jax import files
from m4jax.data import tokenizers
from m4jax.data.tokenizers import CLIP_MERGES, ClipTokenizer, JsonTokenizer, SiglipTokenizer
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
    (tmp_path / "d").write_bytes(gzip.compress(b"title\n" + b"ab cd\n" * CLIP_MERGES))
    with pytest.raises(InputError, match="expected pieces made by earlier ones"):
        ClipTokenizer(tmp_path / "d")


@pytest.fixture(scope="module")
def merges(tmp_path_factory):
    """A list of merges as long as OpenAI's: a few of letters, and others that never apply."""
    first = ["d o", "do g</w>", "c a", "ca t</w>", "p h", "o t", "ph ot", "phot o</w>", "1 2"]
    rare = [chr(code) for code in (*range(174, 256), *range(256, 324))]  # of bytes beyond ASCII
    others = (f"{a} {b}{end}" for a in rare for b in (*rare, *string.ascii_letters)
              for end in ("", "</w>"))  # fmt: skip
    lines = ["title", *first, *itertools.islice(others, CLIP_MERGES - len(first))]
    path = tmp_path_factory.mktemp("merges") / "merges.txt.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_clip_merges_pairs_by_rank_within_words(merges):
    clip = ClipTokenizer(merges, context_length=10)
    start, end = clip.vocab_size - 2, clip.vocab_size - 1
    assert clip.vocab_size == 49_408
    symbol = {
        letter: ord(letter) - 33 for letter in map(chr, range(33, 127))
    }  # bytes as they print
    dog, cat, photo = (512 + rank for rank in (1, 3, 7))
    final = {letter: 256 + i for letter, i in symbol.items()}
    expected = {
        " A  DOG &amp;\tcat ": [final["a"], dog, final["&"], cat],
        "photo's 12": [photo, symbol["'"], final["s"], final["1"], final["2"]],
        "": [],
    }
    for text, pieces in expected.items():
        ids = [start, *pieces, end]
        np.testing.assert_array_equal(clip([text])[0], ids + [0] * (10 - len(ids)))
    np.testing.assert_array_equal(clip(["dog " * 20])[0], [start, *[dog] * 8, end])
    assert clip([]).shape == (0, 10)


def test_a_tokenizer_json_gives_the_tokens_of_what_it_was_made_of(merges, tmp_path):
    clip, path = ClipTokenizer(merges, context_length=10), tmp_path / "tokenizer.json"
    clip._library.no_padding()
    clip._library.save(str(path))
    texts = ["dog and cat", "", "photo of 12 dogs " * 3]
    clip = ClipTokenizer(merges, context_length=10)
    opened = tokenizers.open_named(f"clip:{path}", 10)
    assert opened.vocab_size == clip.vocab_size
    np.testing.assert_array_equal(opened(texts), clip(texts))
    padded = JsonTokenizer(path, sha256=files.sha256(path), context_length=6, pad=7)
    np.testing.assert_array_equal(padded([""])[0, 2:], 7)
    with pytest.raises(InputError, match="49,408 entries; siglip has 32,000"):
        tokenizers.open_named(f"siglip:{path}", 10)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"not a tokenizer.json"):
        JsonTokenizer(path)


def test_a_single_text_is_refused(merges):
    for tokenizer in (ClipTokenizer(merges), tokenizers.WordTokenizer(tokenizers.SPECIAL)):
        with pytest.raises(InputError, match="expected a list of texts, got a single one: 'dog'"):
            tokenizer("dog")


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
    message = r"pip install" if missing else "not a SentencePiece model"
    with pytest.raises(InputError, match=message):
        SiglipTokenizer(Path(tmp_path / "a"))
