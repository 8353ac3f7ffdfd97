"""Annotation: attributes and labels of examples, as balancing takes them, and by words of captions.

A lexicon is a JSON file: `version`, `about`, `attributes` (attribute -> value -> words),
`occupations` and `things` (label -> words). An attribute of two values is one column of the
annotation, with the name of the second value: {"gender": {"woman": [...], "man": [...]}} is the
column "man". One of more values is a column for each, "age: young" say.
"""

import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax.data.text import check_texts, words
from m4jax.errors import InputError, nearest
from m4jax.files import digest, fingerprint, read_json

MAN = "man"  # the attribute whose bias is measured in models, and of which the census tells
ANY_THING = "any thing"
LABEL_SETS = ("occupations", "any_thing", "things")

_DIRECTORY, _PREFIX = Path(__file__).parent, "lexicon_"


@dataclasses.dataclass(frozen=True)
class Annotation:
    """What is known of n examples.

    Attributes:
        attributes: float [n, m], NaN where unknown.
        labels: float [n, c].
        attribute_names: m of them.
        label_names: c of them.
    """

    attributes: np.ndarray
    labels: np.ndarray
    attribute_names: tuple[str, ...]
    label_names: tuple[str, ...]

    def rows(self, chosen: np.ndarray) -> "Annotation":
        """Returns the annotation of the chosen examples."""
        return dataclasses.replace(
            self, attributes=self.attributes[chosen], labels=self.labels[chosen]
        )

    def only(self, name: str) -> "Annotation":
        """Returns the annotation with one of the attributes alone; raises if it has none such."""
        if name not in self.attribute_names:
            raise InputError(f"no attribute {name!r}; the data have {self.attribute_names}")
        place = self.attribute_names.index(name)
        column = self.attributes[:, place : place + 1]
        return dataclasses.replace(self, attributes=column, attribute_names=(name,))


def assemble(
    attributes: tuple[np.ndarray, Sequence[str]],
    occupations: tuple[np.ndarray, Sequence[str]],
    things: tuple[np.ndarray, Sequence[str]],
    label_sets: tuple[str, ...],
) -> Annotation:
    """Returns the annotation of n examples with the labels of the given sets.

    Args:
        attributes: [n, m] 1 or 0, NaN where unknown, and their names.
        occupations: 0/1 [n, c], and the names of the labels.
        things: likewise; "any_thing" is whether there is one.
        label_sets: any of `LABEL_SETS`.

    Raises:
        InputError: for an unknown label set.
    """
    check_texts(label_sets)
    for name in label_sets:
        if name not in LABEL_SETS:
            raise InputError(f"labels: unknown set {name!r}; known: {', '.join(LABEL_SETS)}")
    blocks = {
        "occupations": occupations,
        "any_thing": (things[0].max(1, keepdims=True), [ANY_THING]),
        "things": things,
    }
    chosen = [blocks[name] for name in label_sets]
    values, names = attributes
    labels = np.concatenate([np.zeros((len(values), 0)), *(block for block, _ in chosen)], axis=1)
    label_names = [name for _, block_names in chosen for name in block_names]
    return Annotation(values, labels, tuple(names), tuple(label_names))


def with_article(noun: str) -> str:
    """Returns the noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Words and phrases by what they name.

    Attributes:
        version: its name.
        attributes: attribute -> value -> words.
        occupations: label -> words; the order numbers the labels.
        things: label -> words; the proxies.
    """

    version: str
    attributes: Mapping[str, Mapping[str, Sequence[str]]]
    occupations: Mapping[str, Sequence[str]]
    things: Mapping[str, Sequence[str]]

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Names of the m columns of the attributes."""
        names: list[str] = []
        for attribute, values in self.attributes.items():
            each = [f"{attribute}: {value}" for value in values]
            names += each if len(values) > 2 else list(values)[1:]
        return tuple(names)

    @property
    def label_columns(self) -> tuple[str, ...]:
        """Names of the c columns of the labels in a table; a word may name one of each kind."""
        occupations = (f"occupation: {name}" for name in self.occupations)
        return (*occupations, *(f"thing: {name}" for name in self.things))

    @functools.cached_property
    def digest(self) -> str:
        """The identity of its content, the order of values and labels included."""
        attributes = [(name, list(values.items())) for name, values in self.attributes.items()]
        labels = (list(block.items()) for block in (self.occupations, self.things))
        return digest([self.version, attributes, *labels], length=64)

    def annotate(self, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Annotates captions by the words that occur in them, whole and in any case.

        Args:
            captions: n texts.

        Returns:
            attributes, int8 [n, m]: 1 where words of the column's value alone occur, 0 where words
                of another value alone do, −1 (unknown) where none or several values are named.
            labels, bool [n, c]: whether a word of the label occurs; occupations, then things.
        """
        check_texts(captions)
        named = np.zeros((len(captions), len(self._phrases)), bool)
        for row, caption in zip(named, captions, strict=True):
            row[list(self._find(caption))] = True
        columns, start = [], 0
        for values in self.attributes.values():
            block = named[:, start : start + len(values)]
            one = block.sum(1, keepdims=True) == 1
            shown = block[:, 1:] if len(values) == 2 else block
            columns.append(np.where(one, shown, -1))
            start += len(values)
        return np.concatenate(columns, axis=1).astype(np.int8), named[:, start:]

    def read(self, table: pa.Table, label_sets: tuple[str, ...]) -> Annotation:
        """Returns the annotation of captions from a table with a column for each name.

        The words of its caption are all that is known of an example, so that what they leave out
        counts as absent; an attribute is unknown (NULL) where they name none or several values.

        Raises:
            InputError: for an unknown label set, or if the table lacks a column.
        """
        names = self.attribute_names, self.label_columns
        absent = set(sum(names, ())).difference(table.column_names)
        if absent:
            raise InputError(
                f"annotated by another lexicon than {self.version}: no {sorted(absent)}; delete "
                "what was prepared and run again"
            )
        attributes, labels = (
            np.stack([table[name].cast(pa.float64()).to_numpy() for name in part], axis=1)
            for part in names
        )
        occupations, things = np.split(labels, [len(self.occupations)], axis=1)
        return assemble(
            (attributes, self.attribute_names),
            (occupations, list(self.occupations)),
            (things, list(self.things)),
            label_sets,
        )

    @functools.cached_property
    def _phrases(self) -> list[Sequence[str]]:
        """Returns the phrases of every value of every attribute, then of every label."""
        values = [phrases for axis in self.attributes.values() for phrases in axis.values()]
        return [*values, *self.occupations.values(), *self.things.values()]

    @functools.cached_property
    def _places(self) -> dict[tuple[str, ...], list[int]]:
        """Returns phrase, as words -> what it names, as places in `_phrases`."""
        places: dict[tuple[str, ...], list[int]] = {}
        for place, phrases in enumerate(self._phrases):
            for phrase in phrases:
                places.setdefault(_words(phrase), []).append(place)
        return places

    def _find(self, caption: str) -> Iterator[int]:
        words, longest = _words(caption), max(map(len, self._places))
        for start in range(len(words)):
            for length in range(1, min(longest, len(words) - start) + 1):
                yield from self._places.get(words[start : start + length], ())


def load_lexicon(name_or_path: str | os.PathLike) -> Lexicon:
    """Reads and checks a lexicon.

    Args:
        name_or_path: a version that comes with the package ("en_v1"), or a JSON file. An older one
            may have `gender`, of man and woman, in place of `attributes`.

    Raises:
        InputError: if there is no such version or file, or its content is not what it should be.
    """
    path = Path(name_or_path)
    if path.suffix != ".json":
        versions = {f.stem.removeprefix(_PREFIX): f for f in _DIRECTORY.glob(f"{_PREFIX}*.json")}
        if str(name_or_path) not in versions:
            hint = nearest(str(name_or_path), versions)
            raise InputError(f"lexicon: no version {str(name_or_path)!r}; {hint}, or a .json file")
        path = versions[str(name_or_path)]
    return _read(path, fingerprint(path))


@functools.lru_cache(maxsize=16)
def _read(path: Path, content: str) -> Lexicon:
    """Returns the lexicon of a file, read anew when its fingerprint is another one."""
    del content
    return _lexicon(read_json(path), path)


def _lexicon(content: Any, path: Path) -> Lexicon:
    """Returns the checked lexicon of a file's content."""
    if isinstance(content, dict) and "gender" in content and "attributes" not in content:
        gender = content.pop("gender")
        _check_words(gender, f"{path}: gender")
        if set(gender) != {"woman", MAN}:
            raise InputError(f"{path}: gender: expected man and woman, got {sorted(gender)}")
        content["attributes"] = {"gender": {name: gender[name] for name in ("woman", MAN)}}
    expected = {"version", "about", "attributes", "occupations", "things"}
    if not isinstance(content, dict) or set(content) != expected:
        actual = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected the fields {sorted(expected)}, got {actual}")
    attributes = content["attributes"]
    if not isinstance(attributes, dict) or not attributes:
        raise InputError(f"{path}: attributes: expected their values, got {attributes!r}")
    for name, values in attributes.items():
        _check_words(values, f"{path}: {name}")
        if len(values) < 2:
            raise InputError(f"{path}: {name}: expected two values or more, got {list(values)}")
    for name in ("occupations", "things"):
        _check_words(content[name], f"{path}: {name}")
    lexicon = Lexicon(content["version"], attributes, content["occupations"], content["things"])
    columns = ["uid", "caption", *lexicon.attribute_names, *lexicon.label_columns]
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{path}: two columns of a table would be called {name!r}")
    return lexicon


def _words(text: str) -> tuple[str, ...]:
    return words(text)


def _check_words(labels: object, where: str) -> None:
    if not isinstance(labels, dict) or not labels:
        raise InputError(f"{where}: expected labels with their words, got {labels!r}")
    for label, phrases in labels.items():
        if not isinstance(phrases, list) or not phrases:
            raise InputError(f"{where}: expected a list of words for {label!r}, got {phrases!r}")
        for phrase in phrases:
            if not isinstance(phrase, str) or not _words(phrase):
                raise InputError(f"{where}: {label}: expected words, got {phrase!r}")
