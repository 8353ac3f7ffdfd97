"""Captions annotated by words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4jax import files
from m4jax.data.annotation import load_lexicon
from m4jax.data.testbed import catalog
from m4jax.data.testbed.world import annotate
from m4jax.errors import InputError

KNOWN = load_lexicon("en_v1")


def named(caption):
    (man,), shown = KNOWN.annotate([caption])
    labels = [*KNOWN.occupations, *KNOWN.things]
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
    attributes, shown = KNOWN.annotate(columns["caption"].astype(str).tolist())
    assert KNOWN.attribute_names == ("man",)
    np.testing.assert_array_equal(attributes[:, 0], columns["says_gender"])
    told = dict.fromkeys(("gender", "occupation", "thing"), np.full(len(shown), -1))
    told |= {f"says_{name}": columns[f"says_{name}"] for name in told}
    notes = annotate(told, ("occupations", "things"))
    np.testing.assert_array_equal(shown, notes.labels)
    assert tuple(KNOWN.occupations) == tuple(job.name for job in catalog.occupations())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gender": {"man": ["man"]}}, "expected man and woman"),
        ({"things": {}}, "things: expected labels"),
        ({"things": {"hat": "hat"}}, "list of words for 'hat'"),
        ({"things": {"hat": ["--"]}}, "hat: expected words"),
        ({"more": 1}, "expected the fields"),
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


def test_an_unknown_version_is_refused():
    with pytest.raises(InputError, match="en_v1"):
        load_lexicon("en_v2")
