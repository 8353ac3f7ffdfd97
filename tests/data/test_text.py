"""What a word is, and what is no text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4jax.data.annotation import load_lexicon
from m4jax.data.text import check_texts, clean, decoded, words
from m4jax.data.tokenizers import SPECIAL, UNKNOWN, WordTokenizer, vocabulary
from m4jax.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wo\u00admen", "women"),
        ("wo\u200bman", "woman"),
        ("a wo-\nman", "a woman"),
        ("\uff4d\uff41\uff4e", "man"),
        ("of\ufb01cer", "officer"),
        ("man,nurse", "man nurse"),
        ("nurse/doctor", "nurse doctor"),
        ("man&#39;s &amp;amp; co", "man s co"),
        ("cafe\u0301", "caf\u00e9"),
        ("\ufeffMAN", "man"),
    ],
)
def test_annotator_and_tokenizer_see_the_same_words(text, expected):
    assert clean(text) == expected
    known = WordTokenizer([*SPECIAL, *words(expected)], context_length=8)
    np.testing.assert_array_equal(known([text]), known([expected]))
    assert (known([text]) != UNKNOWN).all()
    lexicon = load_lexicon("en_v1")
    np.testing.assert_array_equal(lexicon.annotate([text])[0], lexicon.annotate([expected])[0])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_word_of_a_text_is_met_again(text):
    found = words(text)
    assert words(" ".join(found)) == found
    tokens = WordTokenizer(vocabulary(dict.fromkeys(found, 1)), context_length=50)([text])
    assert (tokens != UNKNOWN).all()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"caf\xe9", "not UTF-8 .* at byte 3"),
        ("a \ud800", "half a surrogate pair"),
        (None, "no text but NoneType None"),
        (float("nan"), "no text but float nan"),
        (3, "no text but int 3"),
        (b"", "empty"),
        (" \u200b\ufeff", "empty"),
    ],
)
def test_what_is_no_text_says_why(value, reason):
    with pytest.raises(ValueError, match=reason):
        decoded(value)
    assert decoded(b"caf\xc3\xa9") == decoded(np.str_("caf\xe9")) == "caf\xe9"


@pytest.mark.parametrize("wrong", [None, float("nan"), b"a man", 3, "\udfff man"])
def test_texts_are_checked_row_by_row(wrong):
    tokenizer = WordTokenizer([*SPECIAL, "man"])
    for refused in (check_texts, tokenizer, load_lexicon("en_v1").annotate):
        with pytest.raises(InputError, match=r"(text|caption) 2: "):
            refused(["a", "b", wrong])
