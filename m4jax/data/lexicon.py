"""Words that captions are annotated by, where nothing else says what a pair is about."""

import dataclasses
import functools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from m4jax.errors import InputError, nearest
from m4jax.files import read_json

_DIRECTORY, _PREFIX = Path(__file__).parent, "lexicon_"
_AXES = ("gender", "occupations", "things")
_WORD = re.compile(r"[^\W_]+")


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Words and phrases by what they name.

    Attributes:
        version: its name.
        gender: of "man" and "woman".
        occupations: label -> words; the order numbers the labels.
        things: label -> words; the proxies.
    """

    version: str
    gender: Mapping[str, Sequence[str]]
    occupations: Mapping[str, Sequence[str]]
    things: Mapping[str, Sequence[str]]

    def annotate(self, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Annotates captions by the words that occur in them, whole and in any case.

        Args:
            captions: n texts.

        Returns:
            man, int8 [n]: 1 where words of men alone occur, 0 where words of women alone do, −1
                (unknown) where neither or both do.
            labels, bool [n, c]: whether a word of the label occurs; occupations, then things.
        """
        names, labels = np.zeros((len(captions), 2), bool), np.zeros((len(captions), self._c), bool)
        for row, caption in enumerate(captions):
            for place in self._found(caption):
                if place < 2:
                    names[row, place] = True
                else:
                    labels[row, place - 2] = True
        woman, man = names.T
        return np.where(man == woman, -1, man).astype(np.int8), labels

    @property
    def _c(self) -> int:
        return len(self.occupations) + len(self.things)

    @functools.cached_property
    def _places(self) -> dict[tuple[str, ...], list[int]]:
        """Returns phrase -> what it names: 0 woman, 1 man, 2 the first label, and so on."""
        named = [self.gender["woman"], self.gender["man"]]
        named += [*self.occupations.values(), *self.things.values()]
        places: dict[tuple[str, ...], list[int]] = {}
        for place, phrases in enumerate(named):
            for phrase in phrases:
                places.setdefault(_words(phrase), []).append(place)
        return places

    def _found(self, caption: str) -> Iterator[int]:
        words, longest = _words(caption), max(map(len, self._places))
        for start in range(len(words)):
            for length in range(1, min(longest, len(words) - start) + 1):
                yield from self._places.get(words[start : start + length], ())


@functools.cache
def load(name_or_path: str | os.PathLike) -> Lexicon:
    """Reads and checks a lexicon.

    Args:
        name_or_path: a version that comes with the package ("en_v1"), or a JSON file.

    Raises:
        InputError: if there is no such version or file, or its content is not what it should be.
    """
    path = Path(name_or_path)
    if path.suffix != ".json":
        known = {f.stem.removeprefix(_PREFIX): f for f in _DIRECTORY.glob(f"{_PREFIX}*.json")}
        if str(name_or_path) not in known:
            hint = nearest(str(name_or_path), known)
            raise InputError(f"lexicon: no version {str(name_or_path)!r}; {hint}, or a .json file")
        path = known[str(name_or_path)]
    content = read_json(path)
    expected = {"version", "about", *_AXES}
    if not isinstance(content, dict) or set(content) != expected:
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected the fields {sorted(expected)}, got {found}")
    for axis in _AXES:
        _check(content[axis], f"{path}: {axis}")
    if set(content["gender"]) != {"man", "woman"}:
        raise InputError(f"{path}: gender: expected man and woman, got {sorted(content['gender'])}")
    return Lexicon(content["version"], *(content[axis] for axis in _AXES))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def _check(labels: object, where: str) -> None:
    if not isinstance(labels, dict) or not labels:
        raise InputError(f"{where}: expected labels with their words, got {labels!r}")
    for label, phrases in labels.items():
        if not isinstance(phrases, list) or not phrases:
            raise InputError(f"{where}: expected a list of words for {label!r}, got {phrases!r}")
        for phrase in phrases:
            if not isinstance(phrase, str) or not _words(phrase):
                raise InputError(f"{where}: {label}: expected words, got {phrase!r}")
