"""What English captions name: the lexicon en_v2."""

import time

import pytest

from m4jax.data.annotation import load_lexicon
from m4jax.data.text import words
from m4jax.errors import InputError

LEXICON = load_lexicon("en_v2")


def named(caption):
    """Returns "man", "woman", "both" or "none", and the occupations."""
    (counts,), _ = LEXICON.mentions([caption])
    names = [name for name, n in zip(LEXICON.names, counts, strict=True) if n]
    genders = [name.removeprefix("gender: ") for name in names if name.startswith("gender")]
    jobs = {x.removeprefix("occupation: ") for x in names if x.startswith("occupation")}
    return "both" if len(genders) > 1 else genders[0] if genders else "none", jobs


NO_ONE = (
    "a queen bed", "king-size mattress", "Happy Mother's Day!", "father\u2019s day cards",
    "MS Office 2019",
    "Ms Word", "men's shoes", "women 's leather bag", "womens modern rain boots",
    "USB adapter, male to female plug", "a USB plug, female", "a male lion",
    "female white peacock", "a mother bear",
    "king penguins", "a queen bee", "a man-made lake", "man cave", "the Isle of Man", "Spider-Man",
    "a ladybug", "lady finger biscuits", "girl scout cookies", "a toilet sign for the men's room",
    "drag queen", "a guy wire", "mom jeans", "mother of pearl", "Notre Dame", "a snowman",
    "a human", "German beer", "his or her bag", "granny smith apples", "a princess dress",
    "a baby elephant with its mother", "a dog with his ball", "the goat and her young",
)  # fmt: skip
MEN = (
    "a grandpa", "the nephew", "groom on the beach", "a gentleman", "dad", "three guys", "a lad",
    "policemen", "a businessman", "an old man\u2019s hands", "the men's final", "a fisherman",
    "a king on his throne", "a person on his bike",
    "a male bull rider", "\uff4dan", "a rider feeds a horse from his hand",
)  # fmt: skip
WOMEN = (
    "businesswoman", "a waitress", "an actress", "the bride", "a lady", "mum and child", "a widow",
    "young ladies", "a niece", "wo\u00admen", "wo\u200bman", "wo-\nman", "women &amp; children",
    "a female nurse", "a mother with her puppy", "a ballerina", "the queen waves", "a nun",
)  # fmt: skip


@pytest.mark.parametrize("caption", NO_ONE)
def test_words_that_name_nobody(caption):
    assert named(caption)[0] == "none"


@pytest.mark.parametrize("caption", MEN)
def test_men(caption):
    assert named(caption)[0] == "man"


@pytest.mark.parametrize("caption", WOMEN)
def test_women(caption):
    assert named(caption)[0] == "woman"


@pytest.mark.parametrize(
    "caption", ["bride and groom", "a boy and girl", "a mother and her son", "men and women"]
)
def test_of_a_man_and_a_woman_gender_is_unknown(caption):
    assert named(caption)[0] == "both"
    assert LEXICON.annotate([caption])[0] == -1


@pytest.mark.parametrize(
    ("caption", "jobs"),
    [
        ("how to cook rice", set()),
        ("a man cooks dinner", set()),
        ("a cook in the kitchen", {"cook"}),
        ("Doctor Who", set()),
        ("a nurse shark", set()),
        ("painter's tape", set()),
        ("a model train", set()),
        ("the model walks the runway", {"model"}),
        ("a coach bus", set()),
        ("the coach talks to a player", {"coach", "athlete"}),
        ("pilot light", set()),
        ("a tour guide book", set()),
        ("a guard rail", set()),
        ("a security guard", {"guard"}),
        ("farmers' market", set()),
        ("a farmer", {"farmer"}),
        ("two toy soldiers", set()),
        ("nurse and doctor", {"nurse", "doctor"}),
        ("a civil engineer", {"civil engineer"}),
        ("the hairdresser", {"hairdresser"}),
        ("a businesswoman", {"businessperson"}),
        ("an actress", {"actor"}),
        ("a person in a cowboy hat", set()),
    ],
)
def test_occupations(caption, jobs):
    assert named(caption)[1] == jobs


def test_a_woman_at_work_is_both():
    assert named("an actress") == ("woman", {"actor"})
    assert named("two firemen") == ("man", {"firefighter"})


def test_the_occupations_are_those_of_the_census():
    assert len(LEXICON.occupations) >= 230
    assert sum(map(bool, LEXICON.titles.values())) >= 230
    assert LEXICON.titles["nurse"] == "Registered nurses"
    assert LEXICON.titles["doctor"] == "Physicians and surgeons"
    for label, phrases in LEXICON.occupations.items():
        assert len(phrases) == len(set(phrases)), label
        assert all(" ".join(words(phrase)) == phrase for phrase in phrases), label


def test_captions_of_another_language_are_told():
    german = ["Ein Mann steht auf der Straße und wartet an der Haltestelle auf den Bus."] * 20
    with pytest.raises(InputError, match=r"another language.*set x=False"):
        LEXICON.language.check(german, unless="x=False")
    LEXICON.language.check(german[:3], unless="")  # too few to tell
    LEXICON.language.check(["a man waits for the bus at the side of the road"] * 30, unless="")


def test_thousands_of_captions_take_seconds():
    captions = ["Two young guys with shaggy hair look at their hands in the yard."] * 5_000
    start = time.perf_counter()
    LEXICON.mentions(captions)
    assert time.perf_counter() - start < 5  # 0.1 s where nothing else is at work


def test_of_things_vetoes_take_none():
    (counts,), vetoes = LEXICON.mentions(["a person in a cowboy hat and a red shirt"])
    assert counts[LEXICON.names.index("thing: hat")] == 1
    assert vetoes == {"cowboy hat": 1}
