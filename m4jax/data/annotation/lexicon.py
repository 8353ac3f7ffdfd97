"""A lexicon: what the words of a caption name."""

import collections
import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from m4jax.data.annotation import phrases
from m4jax.data.annotation.arrays import Annotation, assemble
from m4jax.data.annotation.language import Language
from m4jax.data.annotation.phrases import Finder, Match, Wording
from m4jax.data.text import check_texts, words
from m4jax.errors import InputError
from m4jax.files import digest

_MOST = np.iinfo(np.uint8).max


@dataclasses.dataclass(frozen=True)
class Lexicon:
    """Words and phrases by what they name.

    Attributes:
        version: its name.
        attributes: attribute -> value -> phrases.
        occupations: label -> phrases; the order numbers the labels.
        things: label -> phrases; the proxies.
        titles: label -> official title of the occupation.
        vetoes: phrases that name no value and no occupation; things in them count ("cowboy hat").
        sets: name -> phrases, for `<name>` in other phrases.
        references: words of the attributes ("his", "mother") that name nothing where they stand
            for an animal: one of the set "animal" comes before them, and neither one of "person"
            nor an occupation or another word of an attribute does. A "person" just before an
            "animal" is none ("baby elephant"); words of vetoes are neither.
        language: that of the captions; None: any.
        format: 1: phrases are nothing but words, and all that occur count. 2: they are as
            `phrases` says, and the longest count.
    """

    version: str
    attributes: Mapping[str, Mapping[str, Sequence[str]]]
    occupations: Mapping[str, Sequence[str]]
    things: Mapping[str, Sequence[str]]
    titles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    vetoes: Sequence[str] = ()
    sets: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    references: Sequence[str] = ()
    language: Language | None = None
    format: int = 1

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

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that phrases name: values of attributes ("gender: woman"), then labels."""
        values = (f"{name}: {one}" for name, axis in self.attributes.items() for one in axis)
        return (*values, *self.label_columns)

    @functools.cached_property
    def digest(self) -> str:
        """The identity of its content, the order of values and labels included."""
        attributes = [(name, list(values.items())) for name, values in self.attributes.items()]
        labels = (list(block.items()) for block in (self.occupations, self.things))
        rest = [self.format, list(self.vetoes), list(self.sets.items()), list(self.references)]
        return digest([self.version, attributes, *labels, *rest], length=64)

    def annotate(self, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Annotates captions by the words that occur in them, whole and in any case.

        Args:
            captions: n texts.

        Returns:
            attributes, int8 [n, m]: 1 where words of the column's value alone occur, 0 where words
                of another value alone do, −1 (unknown) where none or several values are named: of
                a man and a woman in one caption gender is unknown.
            labels, bool [n, c]: whether a word of the label occurs; occupations, then things.

        Raises:
            InputError: if one of the captions is no text.
        """
        return self.summarize(self.mentions(captions)[0])

    def summarize(self, mentions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns what `annotate` does, from the mentions [n, k] of `mentions`."""
        named = mentions > 0
        columns, start = [], 0
        for values in self.attributes.values():
            block = named[:, start : start + len(values)]
            one = block.sum(1, keepdims=True) == 1
            shown = block[:, 1:] if len(values) == 2 else block
            columns.append(np.where(one, shown, -1))
            start += len(values)
        return np.concatenate(columns, axis=1).astype(np.int8), named[:, start:]

    def mentions(self, captions: Sequence[str]) -> tuple[np.ndarray, collections.Counter[str]]:
        """Counts what captions name.

        Args:
            captions: n texts.

        Returns:
            uint8 [n, k]: how often each of the k `names` is named, 255 for more.
            Words that vetoes took -> in how many of the captions.

        Raises:
            InputError: if one of the captions is no text.
        """
        check_texts(captions, "caption")
        counts: collections.Counter[tuple[int, int]] = collections.Counter()
        vetoes: collections.Counter[str] = collections.Counter()
        for row, caption in enumerate(captions):
            text = words(caption)
            found = self.find(text)
            counts.update((row, name) for one in found if not one.veto for name in one.names)
            vetoes.update({" ".join(text[one.start : one.end]) for one in found if one.veto})
        table = np.zeros((len(captions), len(self.names)), np.uint8)
        if counts:
            rows, names = np.array(list(counts)).T
            table[rows, names] = np.minimum(list(counts.values()), _MOST)
        return table, vetoes

    def find(self, text: Sequence[str]) -> list[Match]:
        """Returns the phrases among the words of a caption that count, vetoes among them.

        Args:
            text: the words of the caption, as `text.words` gives them.
        """
        found = self._finder.every(text)
        if not found or self.format == 1:
            return found
        found = self._longest(found)
        if self._references.isdisjoint(text):
            return found
        return [one for one in found if not self._is_of_an_animal(one, found, text)]

    def _longest(self, found: list[Match]) -> list[Match]:
        """Returns the phrases that take their words; of things vetoes take none ("cowboy hat")."""
        kept = phrases.longest(found)
        if not any(one.veto for one in kept):
            return kept
        first = len(self.names) - len(self.things)
        names = phrases.longest(one for one in found if not one.veto)
        things = [one for one in names if min(one.names) >= first]
        persons = [one for one in kept if one.veto or min(one.names) < first]
        return sorted([*persons, *things], key=lambda one: one.start)

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

    def compile(self) -> None:
        """Makes ready to annotate, which otherwise the first captions wait for.

        Raises:
            InputError: if a phrase is not written as one.
        """
        _ = self._finder

    @functools.cached_property
    def _finder(self) -> Finder:
        values = [listed for axis in self.attributes.values() for listed in axis.values()]
        named = [*values, *self.occupations.values(), *self.things.values()]
        return Finder(self._numbered(named), self._numbered([one] for one in self.vetoes))

    def _numbered(self, lists) -> Iterator[tuple[Wording, int]]:
        for number, listed in enumerate(lists):
            for phrase in listed:
                found = (
                    phrases.plain(phrase)
                    if self.format == 1
                    else phrases.wordings(phrase, self.sets)
                )
                yield from ((wording, number) for wording in found)

    @functools.cached_property
    def _references(self) -> frozenset[str]:
        return frozenset(self.references)

    @functools.cached_property
    def _nouns(self) -> tuple[frozenset[str], frozenset[str]]:
        """Returns the words of persons and of animals for which another word may stand."""
        persons, animals = (frozenset(self.sets.get(name, ())) for name in ("person", "animal"))
        return persons, animals

    def _is_of_an_animal(self, match: Match, found: list[Match], text: Sequence[str]) -> bool:
        if match.veto or text[match.start] not in self._references:
            return False
        persons, animals = self._nouns
        before = range(match.start)
        vetoed = {place for one in found if one.veto for place in range(one.start, one.end)}
        beasts = {place for place in before if text[place] in animals} - vetoed
        if not beasts or any(
            text[place] in persons and place + 1 not in beasts and place not in vetoed
            for place in before
        ):
            return False
        people = len(self.names) - len(self.things)  # an animal's hat is no person
        return not any(
            min(one.names) < people and text[one.start] not in self._references
            for one in found
            if one.start < match.start and not one.veto
        )
