"""Prompts are versioned data: a file holds the templates and the phrases of every class."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m4jax.errors import InputError, nearest
from m4jax.files import digest, read_json

_DIRECTORY = Path(__file__).with_name("prompts")
_AXES = ("gender", "occupation", "thing")
_TEMPLATES = ("templates", "sensitivity")
_PAIRS = "pairs"  # may be missing: versions of before 3 have none


@dataclass(frozen=True)
class Prompts:
    """Phrases to be put into templates.

    Attributes:
        version: name of the version; it stands in every result.
        templates: texts with one `{}` for the phrase; the embeddings of a class are averaged.
        sensitivity: templates under each of which bias is measured alone, to see what depends on
            it.
        gender: phrases of "man" and "woman".
        occupation: label -> noun phrase with its article; the order numbers the classes.
        thing: kind -> noun phrase with its article; the order numbers the classes.
        pairs: of labels of occupations (a, b), of which is asked which one a picture is nearer to;
            (): nothing is asked.
    """

    version: str
    templates: tuple[str, ...]
    sensitivity: tuple[str, ...]
    gender: Mapping[str, str]
    occupation: Mapping[str, str]
    thing: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def digest(self) -> str:
        """The identity of the content, the order of templates, classes and pairs included."""
        axes = [list(getattr(self, name).items()) for name in _AXES]
        pairs = [self.pairs] if self.pairs else []  # else it is that of before there were any
        return digest([self.version, self.templates, self.sensitivity, *axes, *pairs], length=64)


def load(name_or_path: str | os.PathLike) -> Prompts:
    """Reads and checks prompts.

    Args:
        name_or_path: a version that comes with the package ("emoji_scenes_v3"), or a JSON file.

    Returns:
        The prompts.

    Raises:
        InputError: if there is no such version or file, or its content is not what it should be.
    """
    path = find(name_or_path, "emoji_scenes")
    content = read_json(path)
    _check(content, path)
    templates = {name: tuple(content[name]) for name in _TEMPLATES}
    return Prompts(**{**content, **templates, _PAIRS: tuple(map(tuple, content.get(_PAIRS, ())))})


def find(name_or_path: str | os.PathLike, family: str) -> Path:
    """Returns the file of a version that comes with the package, or of a path that ends in .json.

    Args:
        name_or_path: the version or the path.
        family: what the names of such versions begin with.

    Raises:
        InputError: if there is no such version.
    """
    path = Path(name_or_path)
    if path.suffix == ".json":
        return path
    versions = {file.stem: file for file in _DIRECTORY.glob(f"{family}_*.json")}
    if str(name_or_path) not in versions:
        hint = nearest(str(name_or_path), versions)
        raise InputError(f"prompts: no version {str(name_or_path)!r}; {hint}, or a .json file")
    return versions[str(name_or_path)]


def _check(content: Any, path: Path) -> None:
    expected = {"version", *_TEMPLATES, *_AXES}
    if not isinstance(content, dict) or set(content) - {_PAIRS} != expected:
        fields = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected the fields {sorted(expected)}, got {fields}")
    if not is_text(content["version"]):
        raise InputError(f"{path}: version: expected a name, got {content['version']!r}")
    for name in _TEMPLATES:
        check_templates(content[name], f"{path}: {name}")
    for axis in _AXES:
        check_phrases(content[axis], f"{path}: {axis}")
    if set(content["gender"]) != {"man", "woman"}:
        raise InputError(
            f"{path}: gender: expected the labels man and woman, got {sorted(content['gender'])}"
        )
    if _PAIRS in content:
        _check_pairs(content[_PAIRS], content["occupation"], f"{path}: {_PAIRS}")


def _check_pairs(pairs: Any, occupations: Mapping[str, str], where: str) -> None:
    """Checks that it is a list of pairs of two different occupations, none of them twice."""
    if not (isinstance(pairs, list) and pairs):
        raise InputError(f"{where}: expected a list of pairs of occupations, got {pairs!r}")
    for pair in pairs:
        two = isinstance(pair, list) and len(pair) == 2 and all(map(is_text, pair))
        if not two or pair[0] == pair[1] or not set(pair) <= set(occupations):
            raise InputError(f"{where}: expected two different occupations in each, got {pair!r}")
    if len(set(map(frozenset, pairs))) < len(pairs):
        raise InputError(f"{where}: one occurs twice; delete it")


def check_templates(templates: Any, where: str) -> None:
    """Checks that it is a list of different texts with one `{}` each; `where` begins the error."""
    if not (isinstance(templates, list) and templates):
        raise InputError(f"{where}: expected a list of texts, got {templates!r}")
    for template in templates:
        if not (is_text(template) and template.count("{}") == 1):
            raise InputError(f"{where}: expected one {{}} in each, got {template!r}")
    if len(set(templates)) < len(templates):
        raise InputError(f"{where}: one occurs twice; delete it")


def check_phrases(phrases: Any, where: str) -> None:
    """Checks that it maps two labels or more to different phrases; `where` begins the error."""
    if not (isinstance(phrases, dict) and len(phrases) >= 2):
        raise InputError(f"{where}: expected two labels or more with their phrases")
    for label, phrase in phrases.items():
        if not (is_text(label) and is_text(phrase)):
            raise InputError(f"{where}: expected a phrase for label {label!r}, got {phrase!r}")
    if len(set(phrases.values())) < len(phrases):
        raise InputError(f"{where}: two labels have the same phrase; no model can tell them apart")


def is_text(value: Any) -> bool:
    """Tells whether it is a text, not an empty one."""
    return isinstance(value, str) and bool(value.strip())
