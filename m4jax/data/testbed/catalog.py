"""The testbed's emoji: which picture file shows what, and which emoji training never sees.

Emoji go by their CLDR short names, as in the package `emoji`; `sprites` finds their files.
"""

import csv
import dataclasses
import functools
import hashlib
import json
from importlib import resources

VENDORS = ("Appl", "FB", "Goog", "Joy", "Sams", "Twtr", "Wind")
SHIFT_VENDOR = "Wind"  # left out of training and of all splits but `shift`: drawn unlike the others
HELD_OUT_STYLES = 10  # of 16, where whole drawings of plain persons are held out
HELD_OUT_VENDORS = 2  # of those that draw an occupation, where its drawings are held out
TONES = ("", "light_skin_tone", "medium-light_skin_tone", "medium_skin_tone",
         "medium-dark_skin_tone", "dark_skin_tone")  # fmt: skip
GENDERS = ("woman", "man")  # the index is the value of the attribute "man"

# Plain persons: no occupation can be read off them. Bald heads and beards are left out: at these
# sizes a bald woman and a bald man are drawn alike, so that their gender can't be perceived.
STYLES = ("", "blond_hair", "curly_hair", "red_hair", "white_hair", "bowing", "facepalming",
          "frowning", "gesturing_NO", "gesturing_OK", "getting_haircut", "getting_massage",
          "pouting", "raising_hand", "shrugging", "tipping_hand")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Occupation:
    """An occupation: name, emoji, share of women, and the thing that goes with it."""

    name: str
    emoji: str
    women_share: float
    proxy: str


@dataclasses.dataclass(frozen=True)
class Emoji:
    """One emoji and what it shows; -1 stands for "none"."""

    name: str  # CLDR short name
    motif: str  # the same for emoji that are drawn alike, in another skin tone
    style: str  # of a plain person, one of STYLES; else ""
    gender: int  # index into GENDERS
    occupation: int  # index into occupations()
    thing: int  # index into things()
    held_out: bool  # shown in evaluation splits alone


@functools.cache
def occupations() -> tuple[Occupation, ...]:
    """Returns the 22 occupations; women's shares: US census 2012, by FiveThirtyEight (CC BY)."""
    rows = csv.DictReader(_text("occupations_v1.csv").splitlines())
    return tuple(
        Occupation(row["occupation"], row["emoji"], float(row["women_share"]), row["proxy"])
        for row in rows
    )


@functools.cache
def things() -> dict[str, tuple[str, ...]]:
    """Returns the kinds of things, each with the names of the emoji that show it."""
    kinds = json.loads(_text("things_v1.json"))["kinds"]
    return {kind: tuple(names) for kind, names in kinds.items()}


@functools.cache
def words() -> tuple[str, ...]:
    """Returns the vocabulary of the captions, version 1; its order is part of every checkpoint."""
    return tuple(_text("vocabulary_v1.txt").split())


@functools.cache
def load() -> tuple[Emoji, ...]:
    """Returns all emoji of the testbed: workers, plain persons, things."""
    persons = [(occupation.emoji, r) for r, occupation in enumerate(occupations())]
    persons += [(style, -1) for style in STYLES]
    result = []
    for suffix, occupation in persons:
        for gender, noun in enumerate(GENDERS):
            # Two of the six skin tones are held out, others for each emoji: every tone is trained.
            out = _ranked([f"{noun} {suffix} {tone}" for tone in TONES], 2)
            for tone in TONES:
                name = _person_name(noun, suffix, tone)
                held_out = f"{noun} {suffix} {tone}" in out
                style = suffix if occupation < 0 else ""
                shows = (gender, occupation, -1)
                result.append(Emoji(name, f"{noun} {suffix}", style, *shows, held_out))
    for thing, names in enumerate(things().values()):
        out = _ranked(names, max(1, len(names) // 3))
        result += [Emoji(name, name, "", -1, -1, thing, name in out) for name in names]
    return tuple(result)


@functools.cache
def held_out_styles() -> frozenset[str]:
    """Returns the styles of plain persons of which training need see no drawing; by hash."""
    return frozenset(_ranked(STYLES, HELD_OUT_STYLES))


def held_out_vendors(occupation: int, vendors: tuple[str, ...]) -> set[str]:
    """Returns the vendors of whose drawings of an occupation training need see none; by hash.

    They are the same for women and men: a vendor draws both with the same clothes and tools.

    Args:
        occupation: index into `occupations()`.
        vendors: those that draw it.
    """
    name = occupations()[occupation].emoji
    out = _ranked([f"{name} {vendor}" for vendor in vendors], HELD_OUT_VENDORS)
    return {vendor for vendor in vendors if f"{name} {vendor}" in out}


def _text(name: str) -> str:
    """Returns the content of a file that comes with the package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _person_name(noun: str, suffix: str, tone: str) -> str:
    """Returns CLDR's short name: man_cook_dark_skin_tone, but man_dark_skin_tone_red_hair."""
    parts = [noun, tone, suffix] if suffix.endswith("_hair") else [noun, suffix, tone]
    return "_".join(part for part in parts if part)


def _ranked(names: list[str] | tuple[str, ...], count: int) -> set[str]:
    """Returns `count` of the names, chosen by hash: the same ones for every seed and machine."""
    return set(sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count])
