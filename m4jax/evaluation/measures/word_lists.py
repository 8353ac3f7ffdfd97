"""Lists of words that models are asked about: versioned data, each list with its source."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.evaluation.prompts import find, is_text
from m4jax.files import digest, read_json


@dataclass(frozen=True)
class WordList:
    """Words of one meaning.

    Attributes:
        words: label -> what is put into a template ("thief": "a thief").
        source: where the list is from.
    """

    words: Mapping[str, str]
    source: str


@dataclass(frozen=True)
class Ranking:
    """How pictures are ranked by words.

    Attributes:
        template: text with one `{}` for the word.
        top: how many of the first pictures are looked at, k.
        lists: names of the lists whose words are the queries; for So-B-IT, its categories.
    """

    template: str
    top: int
    lists: tuple[str, ...]


@dataclass(frozen=True)
class Harm:
    """Classes that do harm if a picture of a person is taken for one of them.

    Attributes:
        template: text with one `{}` for the word.
        people: name of the list of classes that do none.
        lists: names of the lists of harmful classes.
    """

    template: str
    people: str
    lists: tuple[str, ...]


@dataclass(frozen=True)
class Effects:
    """Association tests.

    Attributes:
        template: text with one `{}` for the word.
        pictures: pairs of lists (A, B) that the pictures of two groups are compared with.
        texts: quadruples of lists (X, Y, A, B): the words of X and of Y are compared with those.
    """

    template: str
    pictures: tuple[tuple[str, str], ...]
    texts: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True)
class WordLists:
    """Lists of words, and what they are used for.

    Attributes:
        version: name of the version; it stands in every result.
        ranking: neutral queries, for skew, NDKL and Bias@K.
        harm: harmful classes.
        so_b_it: categories of words for C-ASC and entropy.
        effects: association tests.
        lists: name -> list.
    """

    version: str
    ranking: Ranking
    harm: Harm
    so_b_it: Ranking
    effects: Effects
    lists: Mapping[str, WordList]

    @property
    def digest(self) -> str:
        """The identity of the content, the order of lists and words included."""
        lists = [[name, list(one.words.items()), one.source] for name, one in self.lists.items()]
        uses = [vars(use) for use in (self.ranking, self.harm, self.so_b_it, self.effects)]
        return digest([self.version, uses, lists], length=64)

    def texts(self, name: str, template: str) -> dict[str, str]:
        """Returns the texts of a list, label -> text."""
        return {
            label: template.replace("{}", word) for label, word in self.lists[name].words.items()
        }


def load(name_or_path: str | os.PathLike) -> WordLists:
    """Reads and checks lists of words.

    Args:
        name_or_path: a version that comes with the package ("words_v1"), or a JSON file.

    Returns:
        The lists.

    Raises:
        InputError: if there is no such version or file, or its content is not what it should be.
    """
    path = find(name_or_path, "words")
    content = read_json(path)
    _fields(content, WordLists, str(path))
    if not is_text(content["version"]):
        raise InputError(f"{path}: version: expected a name, got {content['version']!r}")
    lists = _lists(content["lists"], f"{path}: lists")
    return WordLists(
        version=content["version"],
        ranking=_ranking(content["ranking"], lists, f"{path}: ranking"),
        harm=_harm(content["harm"], lists, f"{path}: harm"),
        so_b_it=_ranking(content["so_b_it"], lists, f"{path}: so_b_it"),
        effects=_effects(content["effects"], lists, f"{path}: effects"),
        lists=lists,
    )


def _lists(content: Any, where: str) -> dict[str, WordList]:
    if not (isinstance(content, dict) and content):
        raise InputError(f"{where}: expected lists with their names, got {_short(content)}")
    lists = {}
    for name, one in content.items():
        _fields(one, WordList, f"{where}: {name}")
        if not is_text(one["source"]):
            raise InputError(f"{where}: {name}: source: say where the list is from")
        lists[name] = WordList(_words(one["words"], f"{where}: {name}"), one["source"])
    return lists


def _words(words: Any, where: str) -> dict[str, str]:
    """Returns label -> word; a plain list of words is its own labels."""
    pairs = list(words.items()) if isinstance(words, dict) else words
    if not (isinstance(pairs, list) and pairs):
        raise InputError(f"{where}: words: expected a list, or labels with words")
    pairs = [pair if isinstance(pair, tuple) else (pair, pair) for pair in pairs]
    for label, word in pairs:
        if not (is_text(label) and is_text(word)):
            raise InputError(f"{where}: words: expected words, got {_short(word)}")
    if len({word for _, word in pairs}) < len(pairs):
        raise InputError(f"{where}: words: one occurs twice; delete it")
    return dict(pairs)


def _ranking(content: Any, lists: Mapping[str, WordList], where: str) -> Ranking:
    _fields(content, Ranking, where)
    top = content["top"]
    if type(top) is not int or top < 1:
        raise InputError(f"{where}: top: expected a whole number of 1 or more, got {_short(top)}")
    names = _names(content["lists"], lists, f"{where}: lists")
    return Ranking(_template(content, where), top, names)


def _harm(content: Any, lists: Mapping[str, WordList], where: str) -> Harm:
    _fields(content, Harm, where)
    (people,) = _names([content["people"]], lists, f"{where}: people")
    names = _names(content["lists"], lists, f"{where}: lists")
    phrases = [word for name in (people, *names) for word in lists[name].words.values()]
    if len(set(phrases)) < len(phrases):
        raise InputError(f"{where}: two classes have one phrase; no model can tell them apart")
    return Harm(_template(content, where), people, names)


def _effects(content: Any, lists: Mapping[str, WordList], where: str) -> Effects:
    _fields(content, Effects, where)
    found: dict[str, tuple] = {}
    for field, size in (("pictures", 2), ("texts", 4)):
        if not isinstance(content[field], list):
            raise InputError(f"{where}: {field}: expected a list, got {_short(content[field])}")
        tests = [_names(test, lists, f"{where}: {field}") for test in content[field]]
        for test in tests:
            if len(test) != size:
                raise InputError(f"{where}: {field}: expected {size} lists a test, got {len(test)}")
        found[field] = tuple(tests)
    return Effects(_template(content, where), **found)


def _names(content: Any, lists: Mapping[str, WordList], where: str) -> tuple[str, ...]:
    if not (isinstance(content, list) and content):
        raise InputError(f"{where}: expected names of lists, got {_short(content)}")
    for name in content:
        if not isinstance(name, str) or name not in lists:
            raise InputError(f"{where}: no list {name!r}; {nearest(str(name), lists)}")
    if len(set(content)) < len(content):
        raise InputError(f"{where}: one list occurs twice; delete it")
    return tuple(content)


def _template(content: Mapping[str, Any], where: str) -> str:
    template = content["template"]
    braces = ("{", "}", "{}") if is_text(template) else ()
    if not braces or [template.count(brace) for brace in braces] != [1, 1, 1]:
        raise InputError(f"{where}: template: expected a text with one {{}}, got {template!r}")
    return template


def _fields(content: Any, kind: type, where: str) -> None:
    expected = sorted(kind.__dataclass_fields__)
    if not isinstance(content, dict) or sorted(content) != expected:
        came = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{where}: expected the fields {expected}, got {came}")


def _short(value: Any) -> str:
    return repr(value)[:60]
