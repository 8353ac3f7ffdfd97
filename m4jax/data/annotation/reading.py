"""Reads and checks lexicons, JSON files of two formats.

Format 1: `version`, `about`, `attributes` (attribute -> value -> words), `occupations` and `things`
(label -> words). Format 2 says `format: 2`, its phrases are written as `phrases` tells, occupations
are label -> {`title`: the official one, or "", `words`: phrases}, and it may have `vetoes`, `sets`,
`references` and `language` (`name`, `words`, `least`), see `Lexicon`.

An attribute of two values is one column of the annotation, with the name of the second value:
{"gender": {"woman": [...], "man": [...]}} is the column "man". One of more values is a column for
each, "age: young" say.
"""

import functools
import os
from pathlib import Path
from typing import Any

from m4jax.data.annotation.arrays import MAN
from m4jax.data.annotation.language import Language
from m4jax.data.annotation.lexicon import Lexicon
from m4jax.data.text import decoded, words
from m4jax.errors import InputError, nearest
from m4jax.files import fingerprint, read_json

_DIRECTORY, _PREFIX = Path(__file__).parents[1], "lexicon_"
_FIELDS = {"version", "about", "attributes", "occupations", "things"}
_MAY = {"format", "vetoes", "sets", "references", "language"}  # of format 2


def load_lexicon(name_or_path: str | os.PathLike) -> Lexicon:
    """Reads and checks a lexicon.

    Args:
        name_or_path: a version that comes with the package ("en_v2"), or a JSON file. An older one
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
    _check_fields(content, path)
    lexicon = _second(content, path) if content.get("format") == 2 else _first(content, path)
    attributes = content["attributes"]
    if not isinstance(attributes, dict) or not attributes:
        raise InputError(f"{path}: attributes: expected their values, got {attributes!r}")
    for name, values in attributes.items():
        _check_words(values, f"{path}: {name}")
        if len(values) < 2:
            raise InputError(f"{path}: {name}: expected two values or more, got {list(values)}")
        _check_apart(values, f"{path}: {name}")
    if not isinstance(content["version"], str) or not content["version"]:
        raise InputError(f"{path}: version: expected a text, got {content['version']!r}")
    for name in ("occupations", "things"):
        _check_words(getattr(lexicon, name), f"{path}: {name}")
    _check_phrases(lexicon, path)
    columns = ["uid", "caption", *lexicon.attribute_names, *lexicon.label_columns]
    for name in columns:
        if columns.count(name) > 1:
            raise InputError(f"{path}: two columns of a table would be called {name!r}")
    return lexicon


def _check_fields(content: Any, path: Path) -> None:
    second = isinstance(content, dict) and content.get("format") == 2
    fits = isinstance(content, dict) and set(content) - (_MAY if second else set()) == _FIELDS
    if not fits:
        actual = sorted(content) if isinstance(content, dict) else type(content).__name__
        may = f", and maybe {sorted(_MAY)}" if second else ""
        raise InputError(f"{path}: expected the fields {sorted(_FIELDS)}{may}, got {actual}")


def _first(content: dict, path: Path) -> Lexicon:
    return Lexicon(*(content[name] for name in ("version", "attributes", "occupations", "things")))


def _second(content: dict, path: Path) -> Lexicon:
    occupations = content["occupations"]
    if not isinstance(occupations, dict) or not all(
        isinstance(one, dict) and set(one) == {"title", "words"} and isinstance(one["title"], str)
        for one in occupations.values()
    ):
        raise InputError(f"{path}: occupations: expected a title and words of each label")
    for name in ("vetoes", "references"):
        _check_list(content.setdefault(name, []), f"{path}: {name}")
    if content.setdefault("sets", {}):
        _check_words(content["sets"], f"{path}: sets")
    return Lexicon(
        version=content["version"],
        attributes=content["attributes"],
        occupations={label: one["words"] for label, one in occupations.items()},
        things=content["things"],
        titles={label: one["title"] for label, one in occupations.items()},
        vetoes=content["vetoes"],
        sets=content["sets"],
        references=content["references"],
        language=_language(content.get("language"), path),
        format=2,
    )


def _language(content: Any, path: Path) -> Language | None:
    if content is None:
        return None
    if not isinstance(content, dict) or set(content) != {"name", "words", "least"}:
        raise InputError(f"{path}: language: expected name, words and least, got {content!r}")
    _check_list(content["words"], f"{path}: language")
    for word in content["words"]:
        if words(word) != (word,):
            raise InputError(
                f"{path}: language: {word!r} is never found: captions are read as words in lower "
                "case without punctuation"
            )
    least = content["least"]
    if not isinstance(least, int | float) or not 0 <= least <= 1:
        raise InputError(f"{path}: language: least: expected a share, got {least!r}")
    return Language(str(content["name"]), frozenset(content["words"]), least)


def _check_words(labels: object, where: str) -> None:
    if not isinstance(labels, dict) or not labels:
        raise InputError(f"{where}: expected labels with their words, got {labels!r}")
    for label, listed in labels.items():
        try:
            decoded(label)
        except ValueError as error:
            raise InputError(f"{where}: a label is called {label!r}: {error}") from None
        if not listed:
            raise InputError(f"{where}: expected a list of words for {label!r}, got {listed!r}")
        _check_list(listed, where, label)


def _check_apart(values: dict[str, list[str]], where: str) -> None:
    """Raises `InputError` if two values of an attribute have a phrase in common."""
    first: dict[tuple[str, ...], str] = {}
    for value, listed in values.items():
        for phrase in listed:
            if first.setdefault(words(phrase), value) != value:
                other = first[words(phrase)]
                raise InputError(f"{where}: {phrase!r} names both {other!r} and {value!r}")


def _check_list(listed: object, where: str, label: str = "") -> None:
    if not isinstance(listed, list):
        raise InputError(f"{where}: expected a list of words for {label!r}, got {listed!r}")
    for phrase in listed:
        if not isinstance(phrase, str):
            raise InputError(f"{where}: {label}: expected words, got {phrase!r}")


def _check_phrases(lexicon: Lexicon, path: Path) -> None:
    """Raises `InputError`, with the phrase, unless all are written as phrases."""
    blocks = [*lexicon.attributes.items(), ("occupations", lexicon.occupations)]
    for name, labels in [*blocks, ("things", lexicon.things), ("", {"vetoes": lexicon.vetoes})]:
        for label, listed in labels.items():
            for phrase in listed:
                if not words(phrase):
                    raise InputError(f"{path}: {name}: {label}: expected words, got {phrase!r}")
    try:
        lexicon.compile()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
