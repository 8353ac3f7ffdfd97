"""Captions annotated by words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4jax import files
from m4jax.data.annotation import Annotation, load_lexicon
from m4jax.data.testbed import catalog
from m4jax.data.testbed.world import annotate
from m4jax.errors import InputError

LEXICON = load_lexicon("en_v1")


def named(caption):
    (man,), shown = LEXICON.annotate([caption])
    labels = [*LEXICON.occupations, *LEXICON.things]
    return int(man[0]), {label for label, one in zip(labels, shown[0], strict=True) if one}


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A Man, reading.", (1, set())),
        ("two women and their dog", (0, set())),
        ("a man and a woman", (-1, set())),
        ("a manual for mankind", (-1, set())),
        ("the man's HAT", (1, {"hat"})),
        ("police officers next to a fire truck", (-1, {"police officer", "truck"})),
        ("a policewoman", (0, {"police officer"})),
        ("officer of the police", (-1, set())),
        ("construction\nworker; cook", (-1, {"construction worker", "cook"})),
        ("", (-1, set())),
    ],
)
def test_whole_words_and_phrases_count(caption, expected):
    assert named(caption) == expected


@given(st.text(max_size=60))
def test_case_and_punctuation_do_not_matter(caption):
    assert named(caption.lower()) == named(f"({caption.lower()})!")


def test_on_the_testbed_it_finds_what_the_captions_say(small_world, data_dir):
    columns = small_world.load_split("train", data_dir).columns
    attributes, shown = LEXICON.annotate(columns["caption"].astype(str).tolist())
    assert LEXICON.attribute_names == ("man",)
    np.testing.assert_array_equal(attributes[:, 0], columns["says_gender"])
    captions = dict.fromkeys(("gender", "occupation", "thing"), np.full(len(shown), -1))
    captions |= {f"says_{name}": columns[f"says_{name}"] for name in captions}
    notes = annotate(captions, ("occupations", "things"))
    np.testing.assert_array_equal(shown, notes.labels)
    assert tuple(LEXICON.occupations) == tuple(job.name for job in catalog.occupations())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gender": {"man": ["man"]}}, "expected man and woman"),
        ({"things": {}}, "things: expected labels"),
        ({"things": {"hat": "hat"}}, "list of words for 'hat'"),
        ({"things": {"hat": ["--"]}}, "hat: expected words"),
        ({"more": 1}, "expected the fields"),
        ({"version": None}, "version: expected a text, got None"),
        ({"things": {"\ud800": ["hat"]}}, "half a surrogate pair"),
        ({"things": {"": ["hat"]}}, "a label is called ''"),
        ({"gender": {"man": ["he", "Pat"], "woman": ["she", "pat."]}}, "both 'woman' and 'man'"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, changes, message):
    fields = {"version": "x", "about": "", "gender": {"man": ["he"], "woman": ["she"]},
              "occupations": {"cook": ["cook"]}, "things": {"hat": ["hat"]}}  # fmt: skip
    files.write_json(tmp_path / "mine.json", fields)
    assert load_lexicon(tmp_path / "mine.json").version == "x"
    files.write_json(tmp_path / "bad.json", fields | changes)
    with pytest.raises(InputError, match=message):
        load_lexicon(tmp_path / "bad.json")


ATTRIBUTES = {
    "gender": {"woman": ["woman", "she"], "man": ["man", "he"]},
    "age": {"child": ["child", "kid"], "adult": ["adult"], "old": ["old", "elderly"]},
    "light": {"night": ["at night"], "day": ["by day"]},
}


@pytest.fixture
def several(tmp_path):
    """A lexicon of three attributes, one of them with three values."""
    fields = {"version": "x", "about": "", "attributes": ATTRIBUTES,
              "occupations": {"cook": ["cook"]}, "things": {"hat": ["hat"]}}  # fmt: skip
    path = tmp_path / "several.json"
    files.write_json(path, fields)
    return path


def test_attributes_of_any_number_of_values(several):
    lexicon = load_lexicon(several)
    assert lexicon.attribute_names == ("man", "age: child", "age: adult", "age: old", "day")
    attributes, labels = lexicon.annotate(
        [
            "an old man",
            "a woman and a kid at night",
            "she is a cook; an elderly kid",
            "a hat by day",
        ]
    )
    expected = [[1, 0, 0, 1, -1], [0, 1, 0, 0, 0], [0, -1, -1, -1, -1], [-1, -1, -1, -1, 1]]
    np.testing.assert_array_equal(attributes, expected)
    np.testing.assert_array_equal(labels, [[0, 0], [0, 0], [1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({}, "attributes: expected their values"),
        ({"age": {"young": ["young"]}}, "age: expected two values or more"),
        ({"age": {"young": "young", "old": ["old"]}}, "age: expected a list of words for 'young'"),
        (ATTRIBUTES | {"sex": {"f": ["female"], "man": ["male"]}}, "would be called 'man'"),
        (ATTRIBUTES | {"id": {"a": ["a"], "uid": ["b"]}}, "would be called 'uid'"),
    ],
)
def test_bad_attributes_are_refused(several, attributes, message):
    files.write_json(
        several.with_name("bad.json"), files.read_json(several) | {"attributes": attributes}
    )
    with pytest.raises(InputError, match=message):
        load_lexicon(several.with_name("bad.json"))


def test_a_text_in_place_of_a_list_is_refused(small_world, data_dir):
    with pytest.raises(InputError, match="expected a list of captions, got a single one: 'a man'"):
        LEXICON.annotate("a man")
    columns = small_world.load_split("objects", data_dir).columns
    with pytest.raises(InputError, match="got a single one: 'things'"):
        annotate(columns, "things")


def test_one_attribute_alone(several):
    values = np.arange(6.0).reshape(2, 3)
    notes = Annotation(values, np.zeros((2, 1)), ("man", "dark", "day"), ("cook",))
    one = notes.only("dark")
    assert one.attribute_names == ("dark",) and one.label_names == ("cook",)
    np.testing.assert_array_equal(one.attributes, values[:, 1:2])
    with pytest.raises(InputError, match="no attribute 'young'"):
        notes.only("young")


def test_words_that_are_never_found_tell_no_language(tmp_path):
    fields = {"version": "x", "format": 2, "about": "",
              "attributes": {"gender": {"woman": ["she"], "man": ["he"]}},
              "occupations": {"cook": {"title": "", "words": ["cook"]}}, "things": {"hat": ["hat"]},
              "language": {"name": "English", "words": ["the", "Don't"], "least": 0.1}}  # fmt: skip
    files.write_json(tmp_path / "mine.json", fields)
    with pytest.raises(InputError, match='"Don\'t" is never found'):
        load_lexicon(tmp_path / "mine.json")


def test_an_unknown_version_is_refused():
    with pytest.raises(InputError, match="en_v"):
        load_lexicon("en_v9")
