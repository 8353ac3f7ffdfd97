"""Captions in German, French and Czech, and which lexicon is of which language."""

import itertools

import pytest

from m4jax.data.annotation import load_lexicon
from m4jax.errors import InputError

CAPTIONS = {
    "en": ["A man and a woman are waiting for the bus at the side of the road."],
    "de": [
        "Ein junger Mann sitzt auf der Bank und liest, während zwei Frauen vor dem Haus stehen.",
        "Der Junge mit dem Hut hält eine Katze.",
        "Eine junge Ärztin spricht mit einem Kind.",
        "Junge Hunde spielen im Gras.",
    ],
    "fr": [
        "Un homme est assis sur un banc, tandis que deux femmes sont debout devant la maison.",
        "Le garçon au chapeau tient un chat dans ses bras.",
        "Une infirmière parle à un enfant dans la rue.",
        "Des chiens jouent dans l'herbe avec un bonhomme de neige.",
    ],
    "cs": [
        "Muž sedí na lavičce, zatímco dvě ženy stojí před domem a na ulici jsou lidé.",
        "Chlapec, který je u stromu, drží míč.",
        "Učitelka mluví na dítě, které se dívá z okna.",
        "Psi si hrají na trávě.",
    ],
}
VERSIONS = {"en": "en_v2", "de": "de_v1", "fr": "fr_v1", "cs": "cs_v1"}


@pytest.mark.parametrize("language", ["de", "fr", "cs"])
def test_small_lexicons(language):
    lexicon = load_lexicon(VERSIONS[language])
    assert lexicon.attribute_names == ("man",)
    attributes, labels = lexicon.annotate(CAPTIONS[language])
    assert attributes[:, 0].tolist() == [-1, 1, 0, -1]
    job = {"de": "doctor", "fr": "nurse", "cs": "teacher"}[language]
    assert labels[2, lexicon.label_columns.index(f"occupation: {job}")]
    assert labels[:, : len(lexicon.occupations)].sum() == 1


def test_labels_are_called_alike_in_all_languages():
    english = load_lexicon("en_v2")
    for version in VERSIONS.values():
        lexicon = load_lexicon(version)
        assert set(lexicon.label_columns) <= set(english.label_columns)
        assert all(english.titles[name] == title for name, title in lexicon.titles.items())


@pytest.mark.parametrize(("spoken", "asked"), list(itertools.product(CAPTIONS, repeat=2)))
def test_a_lexicon_knows_its_language(spoken, asked):
    language = load_lexicon(VERSIONS[asked]).language
    captions = CAPTIONS[spoken] * 20
    if spoken == asked:
        language.check(captions, unless="")
        return
    with pytest.raises(InputError, match=f"commonest of {language.name}"):
        language.check(captions, unless="")
