"""How phrases are written, and how they are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m4jax import files
from m4jax.data.annotation import load_lexicon
from m4jax.data.annotation.phrases import Finder, Wording, longest, wordings
from m4jax.errors import InputError

SETS = {"animal": ["lion", "polar bear"], "empty": ["--"]}


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("Queen bed", {("queen bed", 0, 2)}),
        ("men's", {("men s", 0, 2)}),
        ("a|b c", {("a c", 0, 2), ("b c", 0, 2)}),
        ("dress? code", {("dress code", 0, 2), ("code", 0, 1)}),
        ("male <animal>", {("male lion", 0, 2), ("male polar bear", 0, 3)}),
        ("male * lion", {("male * lion", 0, 3)}),
        ("[to|can] cook", {("to cook", 1, 2), ("can cook", 1, 2)}),
        ("model [<animal>]", {("model lion", 0, 1), ("model polar bear", 0, 1)}),
    ],
)
def test_wordings(phrase, expected):
    found = wordings(phrase, SETS)
    assert {(" ".join(one.words), one.start, one.end) for one in found} == expected


@pytest.mark.parametrize(
    "phrase",
    ["", "[to]", "[to cook", "to] cook", "a [b] c", "* a", "<plant>", "--", "a <empty>", "a?",
     "a|", " ".join(["<animal>"] * 20)],
)  # fmt: skip
def test_what_is_no_phrase_is_refused(phrase):
    with pytest.raises(InputError, match=r"^'|^\""):
        wordings(phrase, SETS)


LETTERS = st.lists(st.sampled_from("abc"), max_size=8).map(tuple)
PHRASES = st.lists(LETTERS.filter(bool).map(lambda x: Wording(x[:3], 0, len(x[:3]))), max_size=8)


@given(PHRASES, PHRASES, LETTERS)
def test_all_occurrences_are_found_and_no_word_is_taken_twice(names, vetoes, text):
    finder = Finder(
        ((one, i) for i, one in enumerate(names)), ((one, i) for i, one in enumerate(vetoes))
    )
    found = finder.every(text)
    for veto, listed in ((False, names), (True, vetoes)):
        expected = [
            (start, start + len(one.words), number)
            for number, one in enumerate(listed)
            for start in range(len(text) - len(one.words) + 1)
            if text[start : start + len(one.words)] == one.words
        ]
        flat = [(x.start, x.end, i) for x in found if x.veto == veto for i in x.names]
        assert sorted(flat) == sorted(expected)
    kept = longest(found)
    taken = [place for one in kept for place in range(one.start, one.end)]
    assert len(taken) == len(set(taken))
    for one in found:  # whatever lost, lost to one that is as long
        if one not in kept:
            rivals = [x for x in kept if x.start < one.end and one.start < x.end]
            assert max(x.length for x in rivals) >= one.length


FIELDS = {
    "format": 2, "version": "x", "about": "",
    "sets": {"person": ["person"], "animal": ["dog", "owl"]},
    "attributes": {"gender": {"woman": ["woman", "her"], "man": ["man", "his"]}},
    "references": ["her", "his"],
    "vetoes": ["man made", "cowboy hat", "[to] cook"],
    "occupations": {"cook": {"title": "Cooks", "words": ["cook", "head cook"]},
                    "cowboy": {"title": "", "words": ["cowboy"]}},
    "things": {"hat": ["hat"], "owl": ["owl"]},
}  # fmt: skip


@pytest.fixture
def lexicon(tmp_path):
    files.write_json(tmp_path / "mine.json", FIELDS)
    return load_lexicon(tmp_path / "mine.json")


@pytest.mark.parametrize(
    ("caption", "names"),
    [
        ("man-made", []),
        ("to cook", []),
        ("the head cook", ["occupation: cook"]),
        ("a cowboy hat", ["thing: hat"]),  # of things a veto takes none
        ("a cowboy, a hat", ["occupation: cowboy", "thing: hat"]),
        ("a dog and his hat", ["thing: hat"]),
        ("an owl with her hat", ["thing: hat", "thing: owl"]),
        ("a person, a dog and his hat", ["gender: man", "thing: hat"]),
        ("a person dog with his hat", ["thing: hat"]),  # as in "baby elephant"
        ("a cook, a dog and his hat", ["gender: man", "occupation: cook", "thing: hat"]),
        ("his dog", ["gender: man"]),
    ],
)
def test_a_lexicon_of_format_2(lexicon, caption, names):
    (counts,), _ = lexicon.mentions([caption])
    found = [name for name, count in zip(lexicon.names, counts, strict=True) if count]
    assert sorted(found) == names


def test_mentions_are_counted_up_to_255(lexicon):
    counts, vetoes = lexicon.mentions(["a hat and a hat", "hat " * 300, "man made, man-made"])
    assert counts[:, lexicon.names.index("thing: hat")].tolist() == [2, 255, 0]
    assert vetoes == {"man made": 1}


@pytest.mark.parametrize("value", [b"a man", None, float("nan"), 3, "\ud800"])
def test_what_is_no_text_is_refused_with_its_row(lexicon, value):
    with pytest.raises(InputError, match="caption 1: "):
        lexicon.annotate(["a man", value])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vetoes": ["to] cook"]}, "brackets don't match"),
        ({"vetoes": "king size"}, "vetoes: .*expected a list"),
        ({"vetoes": ["<plant> pot"]}, "no set 'plant'"),
        ({"occupations": {"cook": ["cook"]}}, "expected a title and words"),
        ({"language": {"name": "x"}}, "expected name, words and least"),
        ({"language": {"name": "x", "words": ["a"], "least": 2}}, "expected a share"),
        ({"sets": {"animal": []}}, "sets: expected a list"),
        ({"more": 1}, "expected the fields .* and maybe"),
    ],
)
def test_a_bad_file_of_format_2_is_refused(tmp_path, changes, message):
    files.write_json(tmp_path / "bad.json", FIELDS | changes)
    with pytest.raises(InputError, match=message):
        load_lexicon(tmp_path / "bad.json")


@pytest.mark.parametrize("version", ["en_v2", "de_v1", "fr_v1", "cs_v1"])
def test_no_veto_is_a_single_common_word(version):
    lexicon = load_lexicon(version)
    single = {
        one.words[0]
        for veto in lexicon.vetoes
        for one in wordings(veto, lexicon.sets)
        if len(one.words) == 1
    }
    assert single <= {"miss"}
