"""The tokenizers of CLIP and SigLIP, against those of others."""

import gzip
import importlib.util
import io
import itertools
import json
import re
import string
import sys
import types
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, processors

from m4jax import files
from m4jax.data import merges as merges_module
from m4jax.data import pieces, tokenizers
from m4jax.data.tokenizers import (
    CLIP_MERGES,
    ClipTokenizer,
    JsonTokenizer,
    Siglip2Tokenizer,
    SiglipTokenizer,
)
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


# Texts as the web has them, and what open_clip 3.3.0 cleans them to (`_clean_lower`).
AWKWARD = [
    ("it\u2019s a man\u2019s hat", "it's a man's hat"),
    ("\xe2\u20ac\u0153quoted\xe2\u20ac\x9d", '"quoted"'),
    ("caf\xc3\xa9", "caf\xe9"),
    ("cafe\u0301", "caf\xe9"),
    ("\ufb01re \ufb02y o\ufb03ce", "fire fly office"),
    ("\ufeffa dog", "a dog"),
    ("wo\u200bman", "wo\u200bman"),
    ("wo\xadmen", "wo\xadmen"),
    ("\U0001f469\u200d\U0001f692 firefighter", "\U0001f469\u200d\U0001f692 firefighter"),
    ("a\x00b\x07c\x1b[31mred", "abcred"),
    ("\uff26\uff35\uff2c\uff2c \uff57\uff49\uff44\uff54\uff48", "full width"),
    ("&amp;amp;lt;b&gt;", "<b>"),
    ("&amp;quot;hi&amp;quot;", '"hi"'),
    ("man&#39;s", "man's"),
    ("\xc3\xbcber", "\xfcber"),
    ("doesn\xe2\u20ac\u2122t", "doesn't"),
    ("a\u2028b", "a b"),
    ("a\xa0b", "a b"),
    ("\u2026and \u2013 so \u2014 on", "\u2026and \u2013 so \u2014 on"),
    ("\u201ccurly\u201d \u2018single\u2019", "\"curly\" 'single'"),
    ("na\xefve", "na\xefve"),
    ("\u0130stanbul", "i\u0307stanbul"),
    ("\u01c5", "d\u017e"),
    ("\xdf STRASSE", "\xdf strasse"),
    ("'\u017f x", "'\u017f x"),
    ("K kelvin \xc5", "k kelvin \xe5"),
    ("x\xb2 \xbd \u2167", "x\xb2 \xbd \u2177"),
    ("\u0663 \u096a", "\u0663 \u096a"),
    ("\u65e5\u672c\u8a9e", "\u65e5\u672c\u8a9e"),
    ("\uff71\uff72\uff73", "\u30a2\u30a4\u30a6"),
    ("\u202eevil", "\u202eevil"),
    ("a\u0300\u0301\u0302", "\xe0\u0301\u0302"),
    ("<b>bold</b>", "<b>bold</b>"),
    ("&nbsp;&nbsp;x", "x"),
    ("&notit;", "\xacit;"),
    ("&#x1F436;", "\U0001f436"),
    ("&#0;&#128;", "\ufffd\u20ac"),
    ("\x85next", "\u2026next"),
    ("a\tb\r\nc\x0bd\x0ce", "a b cd e"),
    (
        "\U0001f1e9\U0001f1ea\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f1e9\U0001f1ea\U0001f3f3\ufe0f\u200d\U0001f308",
    ),
    ("'S 'T 'RE", "'s 't 're"),
    ("it\xb4s it`s", "it\xb4s it`s"),
    ("\u0152UVRE", "\u0153uvre"),
    ("\u1e9e", "\xdf"),
    ("l\u2019homme", "l'homme"),
    ("sch\xc3\xb6n", "sch\xf6n"),
    ("\xe2\u201a\xac5", "\u20ac5"),
    ("\x00", ""),
    ("", ""),
    ("   ", ""),
    ("\u3000wide", "wide"),
    ("\ufdfa", "\ufdfa"),
    ("\u24b6\u24d1", "\u24d0\u24d1"),
    ("don\u02bct", "don't"),
    ("\ufffd", "\ufffd"),
    ("\U0001f9d1\U0001f3fd\u200d\U0001f373", "\U0001f9d1\U0001f3fd\u200d\U0001f373"),
    ("a\xadb\xadc", "a\xadb\xadc"),
    ("rock'n'roll y'all", "rock'n'roll y'all"),
    ("5'3\"", "5'3\""),
    ("l'\u0301x", "l'\u0301x"),
]


def odd_texts(count, seed=0):
    """Texts of characters from all over Unicode, with references, marks and broken encodings."""
    rng, texts = np.random.default_rng(seed), []
    blocks = [(0x20, 0x7F)] * 4 + [(0xA0, 0x250), (0x250, 0x2000), (0x2000, 0x2C00)]
    blocks += [(0xFB00, 0xFB50), (0x3000, 0xA000), (0xFE00, 0xFFF0), (0x1D400, 0x1D800)]
    blocks += [(0x1F300, 0x1FB00), (0, 0x20), (0x80, 0xA0)]
    extra = [" ", "'s", "\u2019s", "&amp;", "&#39;", "&amp;lt;", "\u200b", "\u0301", "\ufeff"]
    for _ in range(count):
        letters = [chr(rng.integers(*blocks[rng.integers(len(blocks))])) for _ in range(12)]
        # Which characters are letters differs between the libraries' versions of Unicode.
        letters = [x for x in letters if unicodedata.category(x) != "Cn"]
        mixed = rng.permutation([*letters, *rng.choice(extra, 3)])
        text = "".join(mixed.tolist())
        if rng.random() < 0.3:
            text = text.encode().decode("latin-1")
        texts.append(text)
    return texts


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


def test_clip_equals_open_clip_on_awkward_texts(peer, clip):
    texts = ["a\u0345b", "\u0345", *(text for text, _ in AWKWARD), *odd_texts(2_000)]
    np.testing.assert_array_equal(clip(texts), peer[0](texts).numpy())


@settings(deadline=None, max_examples=150, derandomize=True)
@given(text=st.text(st.characters(codec="utf-8", max_codepoint=0x2FFF), max_size=40))
def test_clip_equals_open_clip_on_any_text(peer, clip, text):
    np.testing.assert_array_equal(clip([text]), peer[0]([text]).numpy())


@pytest.mark.parametrize(("text", "cleaned"), AWKWARD, ids=range(len(AWKWARD)))
def test_texts_are_cleaned_as_open_clip_does(text, cleaned):
    assert pieces.CLIP.clean(text) == cleaned


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
    for text, inner in expected.items():
        ids = [start, *inner, end]
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
    with pytest.raises(InputError, match="siglip reads a text off its end token, 1"):
        tokenizers.open_named(f"siglip:{path}", 10)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"not a tokenizer.json"):
        JsonTokenizer(path)


def test_a_single_text_is_refused(merges):
    for tokenizer in (ClipTokenizer(merges), tokenizers.WordTokenizer(tokenizers.SPECIAL)):
        with pytest.raises(InputError, match="expected a list of texts, got a single one: 'dog'"):
            tokenizer("dog")


def trained(path, **options):
    """Trains a small SentencePiece model, and returns its path."""
    sentencepiece = pytest.importorskip("sentencepiece")
    written = io.BytesIO()
    sentences = ["a photo of a dog", "the cat sat on the mat", "a man and a woman at work"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=written, vocab_size=24, pad_id=0, eos_id=1,
        minloglevel=2, **options,
    )  # fmt: skip
    path.write_bytes(written.getvalue())
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model as SigLIP's."""
    return trained(tmp_path_factory.mktemp("model") / "tokenizer.model", unk_id=2, bos_id=-1)


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    """A model as Gemma's: <pad>, <eos>, <bos>, <unk>."""
    path = tmp_path_factory.mktemp("model") / "gemma.model"
    return trained(path, unk_id=3, bos_id=2, eos_piece="<eos>", bos_piece="<bos>",
                   normalization_rule_name="identity")  # fmt: skip


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


def test_siglip_cleans_as_open_clip_does(model):
    texts = ["ice_cream", "it\u2019s caf\xc3\xa9 &amp;amp; t-shirt"]
    assert [pieces.SIGLIP.clean(text) for text in texts] == ["ice cream", "its caf\xe9 tshirt"]
    tokenizer = SiglipTokenizer(model, context_length=16)
    np.testing.assert_array_equal(tokenizer(["the_mat!"]), tokenizer(["The  mat"]))


def test_siglip2_keeps_punctuation_and_pads_by_0(gemma, model):
    import sentencepiece

    tokenizer = tokenizers.open_named(f"siglip2:{gemma}", 16)
    assert isinstance(tokenizer, Siglip2Tokenizer) and tokenizer.vocab_size == 24
    assert tokenizers.size(f"siglip2:{gemma}") == 24
    ids = tokenizer(["A photo, of a  DOG!", "", "cat " * 40])
    peer = sentencepiece.SentencePieceProcessor(model_file=str(gemma))
    expected = peer.encode("a photo, of a  dog!")
    row = ([*expected, 1] + [0] * 16)[:16] if len(expected) < 16 else [*expected[:15], 1]
    np.testing.assert_array_equal(ids[0], row)
    assert ids[1].tolist() == [1] + [0] * 15
    assert ids[2, -1] == 1 and (ids[2, :-1] > 1).all()
    with pytest.raises(InputError, match="<eos>, which is siglip2's; name it siglip2:FILE"):
        SiglipTokenizer(gemma)
    with pytest.raises(InputError, match="</s>, which is siglip's; name it siglip:FILE"):
        Siglip2Tokenizer(model)


def gemma_json(template="$A <eos>", pad=None):
    """A tokenizer.json of letters, as Gemma's."""
    letters = [*string.ascii_letters, *string.punctuation, "\u2581"]
    ids = {piece: i for i, piece in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", *letters])}
    library = Tokenizer(models.BPE(ids, [], unk_token="<unk>"))
    library.normalizer = normalizers.Replace(" ", "\u2581")
    special = [(piece, ids[piece]) for piece in ("<bos>", "<eos>") if piece in template]
    if special:
        library.post_processor = processors.TemplateProcessing(template, special_tokens=special)
    library.add_special_tokens(["<eos>", "<bos>"])
    if pad is not None:
        library.enable_padding(direction="left", pad_id=pad, length=5)
    return library.to_str()


def opened(path, content, kind="siglip2", length=8):
    path.write_text(content)
    return tokenizers.open_named(f"{kind}:{path}", length)


def test_a_tokenizer_json_is_used_as_its_kind_asks(tmp_path):
    path = tmp_path / "tokenizer.json"
    plain, padded = opened(path, gemma_json()), opened(path, gemma_json(pad=7))
    texts = ["A b", "", "a very long text", "<eos>"]
    np.testing.assert_array_equal(plain(texts), padded(texts))  # the kind's padding counts
    assert plain(texts)[0].tolist()[3:] == [1, 0, 0, 0, 0] and plain(texts)[2, -1] == 1
    np.testing.assert_array_equal(plain(["A B"]), plain(["a b"]))
    assert (plain(texts)[3] == 1).sum() == 1  # a text never stands for a special token
    assert tokenizers.size(f"siglip2:{path}") == plain.vocab_size == 89
    assert JsonTokenizer(path, context_length=8)(["a"])[0, -1] == 7  # of no kind: the file says


@pytest.mark.parametrize(
    ("template", "kind", "length", "message"),
    [
        ("$A", "siglip2", 8, "reads a text off its end token, 1"),
        ("<bos> $A <eos>", "siglip2", 8, "begins texts with <bos>, as siglip2 does not"),
        ("$A <eos>", "siglip", 8, "its end is <eos>, which is siglip2's"),
        ("$A <eos>", "clip", 8, "reads a text off its end token, '<|endoftext|>'"),
        ("$A <eos>", "siglip2", 1, "context_length: expected at least 2, got 1"),
    ],
)
def test_a_tokenizer_json_of_another_kind_is_refused(tmp_path, template, kind, length, message):
    with pytest.raises(InputError, match=re.escape(message)):
        opened(tmp_path / "tokenizer.json", gemma_json(template), kind, length)


def test_a_broken_post_processor_is_no_panic(tmp_path):
    for place, value in (("special_tokens", {}), ("single", [])):
        content = json.loads(gemma_json())
        content["post_processor"][place] = value
        with pytest.raises(InputError, match=r"no special token '<eos>'|off its end token"):
            opened(tmp_path / "tokenizer.json", json.dumps(content))


def damaged(content, count, seed=0):
    """Copies of a file's content: one bit flipped each, cut, and none."""
    rng = np.random.default_rng(seed)
    for place in rng.integers(len(content), size=count):
        copy = bytearray(content)
        copy[place] ^= 1 << rng.integers(8)
        yield bytes(copy)
    yield from (b"", content[:9], content[: len(content) // 2], content[:-1])


def test_damaged_files_end_in_one_line(tmp_path, merges, model, gemma):
    files_of = {
        "siglip2:a.json": (gemma_json().encode(), 200),
        "clip:b.gz": (merges.read_bytes(), 12),
        "siglip:c.model": (model.read_bytes(), 150),
        "siglip2:d.model": (gemma.read_bytes(), 150),
    }
    refused = dict.fromkeys(files_of, 0)
    for name, (whole, count) in files_of.items():
        kind, _, file = name.partition(":")
        for content in damaged(whole, count):
            (tmp_path / file).write_bytes(content)
            try:
                ids = tokenizers.open_named(f"{kind}:{tmp_path / file}", 8)(["a dog", "", "x" * 30])
                assert ids.shape == (3, 8)
            except InputError:
                refused[name] += 1
    assert refused["clip:b.gz"] >= 14 and min(refused.values()) >= 4, refused


def test_a_lone_surrogate_is_told_with_its_row(merges, model):
    for tokenizer in (ClipTokenizer(merges), SiglipTokenizer(model)):
        with pytest.raises(InputError, match=r"text 1: '\\ud800' at 4 is half a surrogate pair"):
            tokenizer(["dog", "dog \ud800"])


def test_clip_reads_merges_of_transformers(tmp_path):
    """A merges.txt with the ids of its vocab.json, whatever their number and order."""
    pieces = [*"cdogat", *(x + "</w>" for x in "cdogat"), "do", "dog</w>", "ca", "cat</w>"]
    ids = {piece: i for i, piece in enumerate(["!", *merges_module.CLIP_SPECIAL, *pieces])}
    path = tmp_path / "merges.txt"
    path.write_text("#version: 0.2\nd o\ndo g</w>\nc a\nca t</w>\n")
    with pytest.raises(InputError, match=r"vocab\.json: no such file"):
        ClipTokenizer(path)
    (tmp_path / "vocab.json").write_text(json.dumps(ids))
    clip = tokenizers.open_named(f"clip:{path}", 6)
    assert clip(["Dog cat", "dog " * 9]).tolist() == [
        [1, ids["dog</w>"], ids["cat</w>"], 2, 0, 0],
        [1, *[ids["dog</w>"]] * 4, 2],
    ]
    assert tokenizers.size(f"clip:{path}") == len(ids)
    before = tokenizers.identity(f"clip:{path}")
    (tmp_path / "vocab.json").write_text(json.dumps(ids | {"more": len(ids)}))
    assert tokenizers.identity(f"clip:{path}") != before
    for content, message in (
        ("[1]", "expected an object of pieces"),
        ('{"a": 1}', r"has no <\|startoftext\|>"),
    ):
        (tmp_path / "vocab.json").write_text(content)
        with pytest.raises(InputError, match=message):
            ClipTokenizer(path)
    path.write_text("#version: 0.2\na b c\n")
    with pytest.raises(InputError, match="expected lines of two pieces"):
        ClipTokenizer(path)
