"""Captions, lexicons, prompts, settings of every kind: read as people read them, or refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
from helpers.fuzz import attempt, cases
from hypothesis import given
from hypothesis import strategies as st

import m4jax
from configs import balance as balance_config
from configs import base as base_config
from m4jax.data import tokenizers
from m4jax.data.annotation import load_lexicon
from m4jax.data.text import clean, decoded, words
from m4jax.evaluation.measures.prompts import load as load_audit_prompts
from m4jax.evaluation.measures.word_lists import load as load_words
from m4jax.evaluation.prompts import load as load_prompts
from m4jax.run.config import run_config
from m4jax.tables import table_config

EVERY = st.text(st.characters())  # no lone surrogates
NO_TEXTS = st.one_of(
    st.none(), st.floats(), st.integers(), st.binary(), st.text(), st.just("\udc80")
)
PLAIN = (
    "a man and a nurse at the table",
    "two women in white, waiting",
    "the fireman's boots",
    "an old lady with her doctor",
    "a girl, 7, feeding ducks",
)


@cases(200)
@given(EVERY)
def test_cleaning_is_done_when_it_is_done(text):
    cleaned = attempt("texts", lambda: clean(text))
    assert clean(cleaned) == cleaned
    assert " ".join(words(text)) == cleaned


def disguised(text, rng):
    """Returns the text as the web writes it: escaped, full-width, with what can't be seen in it."""
    result = []
    for letter in text:
        kind = rng.integers(12)
        if letter == " ":
            letter = rng.choice([" ", "\u00a0", " \u200b", "\u3000", " ", "\t", " - ", ", "])
        elif kind == 0 and letter.isalpha():
            letter = chr(ord(letter) + 0xFEE0)  # full width
        elif kind == 1:
            letter = f"&#{ord(letter)};"
        elif kind == 2 and letter.isalpha():
            letter += str(rng.choice(["\u00ad", "\u200b", "\ufeff", "\u2060"]))
        elif kind == 3:
            letter = letter.upper()
        elif letter == "'":
            letter = str(rng.choice(["'", "\u2019", "&#39;", "&amp;#39;"]))
        result.append(str(letter))
    return "".join(result)


@cases(200)
@given(st.sampled_from(PLAIN), st.integers(0, 1 << 40))
def test_a_disguise_changes_neither_annotation_nor_tokens(text, seed):
    odd = disguised(text, np.random.default_rng(seed))
    lexicon = load_lexicon("en_v1")
    tokenize = tokenizers.WordTokenizer([*tokenizers.SPECIAL, *sorted(set(words(" ".join(PLAIN))))])
    attempt("disguised captions", lambda: lexicon.annotate([odd]))
    for known, found in zip(lexicon.annotate([text]), lexicon.annotate([odd]), strict=True):
        np.testing.assert_array_equal(found, known)
    np.testing.assert_array_equal(tokenize([odd]), tokenize([text]))


@cases(100)
@given(st.lists(NO_TEXTS, max_size=4))
def test_what_is_no_text_is_refused_everywhere(values):
    lexicon = load_lexicon("en_v1")
    tokenize = tokenizers.WordTokenizer([*tokenizers.SPECIAL, "man"])
    for read in (lexicon.annotate, tokenize):
        result = attempt("no texts", lambda read=read: read(values))
        good = all(isinstance(x, str) and x.isprintable() for x in values)
        assert result is not None or not good
    for value in values:
        try:
            assert isinstance(decoded(value), str)
        except ValueError as error:
            assert str(error)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def changed(value, rng, replacement):
    """Returns a JSON value with one of its parts replaced, left out, or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = list(value)[rng.integers(len(value))]
        kind = rng.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return value | {f"{key}x": value[key]}
        return value | {key: changed(value[key], rng, replacement)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = rng.integers(len(value))
        return [changed(x, rng, replacement) if i == place else x for i, x in enumerate(value)]
    return replacement


PACKAGE = Path(m4jax.__file__).parent
FILES = {
    load_lexicon: PACKAGE / "data/lexicon_en_v1.json",
    load_prompts: PACKAGE / "evaluation/prompts/emoji_scenes_v3.json",
    load_words: PACKAGE / "evaluation/prompts/words_v1.json",
    load_audit_prompts: PACKAGE / "evaluation/prompts/audit_v1.json",
}


@cases(100)
@given(st.sampled_from(list(FILES)), st.integers(0, 1 << 40), JSON)
def test_a_users_json_is_taken_or_refused(tmp_path_factory, read, seed, replacement):
    path = tmp_path_factory.mktemp("json") / "own.json"
    content = json.loads(FILES[read].read_text(encoding="utf-8"))
    path.write_text(json.dumps(changed(content, np.random.default_rng(seed), replacement)))
    result = attempt("lexicons and prompts", lambda: read(str(path)))
    if result is not None and read is load_lexicon:
        attributes, labels = result.annotate(list(PLAIN))
        assert attributes.shape == (len(PLAIN), len(result.attribute_names))
        assert labels.shape == (len(PLAIN), len(result.label_columns))
    path.unlink()


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([1e308, -1.0, 0, -0.0, 2**63, "", "max", "inf", "words", "../..", "a\0b"]),
    st.text(max_size=6),
    st.lists(st.floats() | st.text(max_size=3), max_size=3).map(tuple),
)


@cases(300)
@given(st.sampled_from([base_config, balance_config]), st.integers(0, 1 << 40), VALUES)
def test_a_setting_is_taken_or_refused(module, seed, value):
    config = module.get_config().to_dict()
    read = run_config if module is base_config else table_config
    rng, part = np.random.default_rng(seed), config
    while True:
        name = list(part)[rng.integers(len(part))]
        if not (isinstance(part[name], dict) and rng.random() < 0.95):
            break
        part = part[name]
    part[name] = value
    result = attempt("settings", lambda: read(config))
    if result is not None and module is base_config:
        assert attempt("names of runs", lambda: result.id) is None or len(result.id) == 12
    assert result is None or dataclasses.is_dataclass(result)
