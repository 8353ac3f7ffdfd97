"""What an audit asks of a model: templates, words for the values of attributes, classes, pairs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m4jax.errors import InputError
from m4jax.evaluation.prompts import check_phrases, check_templates, find, is_text
from m4jax.files import digest, read_json

_FIELDS = ("version", "templates", "sensitivity", "attributes", "classes", "pairs", "sources")


@dataclass(frozen=True)
class AuditPrompts:
    """Phrases to be put into templates.

    Attributes:
        version: name of the version; it stands in every result.
        templates: texts with one `{}` for a phrase; the embeddings of a phrase are averaged.
        sensitivity: templates under each of which bias is measured alone.
        attributes: attribute -> value -> its wordings. The first ones are the default; the i-th
            ones of all values belong together ("a guy", "a gal"), so that there are as many of
            each. Of two values, differences are the first minus the second.
        classes: class -> noun phrase with its article; none: no class is asked about.
        pairs: two phrases each, of which the model has to choose one.
        sources: field -> where it is from.
    """

    version: str
    templates: tuple[str, ...] = ("{}",)
    sensitivity: tuple[str, ...] = ()
    attributes: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    classes: Mapping[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The identity of the content, the order of everything included."""
        attributes = [
            [name, [[value, list(words)] for value, words in values.items()]]
            for name, values in self.attributes.items()
        ]
        rest = [self.templates, self.sensitivity, list(self.classes.items()), self.pairs]
        return digest([self.version, attributes, *rest], length=64)

    def value(self, attribute: str, name: str) -> str | None:
        """Returns the value that a name means: itself, or that of which it is a wording.

        Case, hyphens and articles do not count: "Female" is a wording of "woman" if "a female" is.
        None: it means none, or more than one.
        """
        values = self.attributes.get(attribute, {})
        if name in values:
            return name
        plain = _plain(name)
        found = [v for v, words in values.items() if plain in map(_plain, (v, *words))]
        return found[0] if len(found) == 1 else None


def load(name_or_path: str | os.PathLike) -> AuditPrompts:
    """Reads and checks prompts.

    Args:
        name_or_path: a version that comes with the package ("audit_v1"), or a JSON file.

    Raises:
        InputError: if there is no such version or file, or its content is not what it should be.
    """
    path = find(name_or_path, "audit")
    content = read_json(path)
    _check(content, path)
    attributes = {
        name: {value: tuple(words) for value, words in values.items()}
        for name, values in content["attributes"].items()
    }
    tuples = {name: tuple(content[name]) for name in ("templates", "sensitivity")}
    pairs = tuple((first, second) for first, second in content["pairs"])
    return AuditPrompts(**{**content, **tuples, "attributes": attributes, "pairs": pairs})


def _check(content: Any, path: Path) -> None:
    if not isinstance(content, dict) or set(content) != set(_FIELDS):
        fields = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: expected the fields {sorted(_FIELDS)}, got {fields}")
    if not is_text(content["version"]):
        raise InputError(f"{path}: version: expected a name, got {content['version']!r}")
    check_templates(content["templates"], f"{path}: templates")
    if content["sensitivity"] != []:
        check_templates(content["sensitivity"], f"{path}: sensitivity")
    _check_attributes(content["attributes"], f"{path}: attributes")
    if content["classes"] != {}:
        check_phrases(content["classes"], f"{path}: classes")
    _check_pairs(content["pairs"], f"{path}: pairs")
    sources = content["sources"]
    if not (isinstance(sources, dict) and all(map(is_text, sources.values()))):
        raise InputError(f"{path}: sources: expected field -> where it is from, got {sources!r}")


def _check_attributes(attributes: Any, where: str) -> None:
    if not isinstance(attributes, dict):
        raise InputError(f"{where}: expected attribute -> values, got {attributes!r}")
    for name, values in attributes.items():
        if not (is_text(name) and isinstance(values, dict) and len(values) >= 2):
            raise InputError(f"{where}: {name!r}: expected two values or more with their wordings")
        for value, words in values.items():
            if not (isinstance(words, list) and words and all(map(is_text, words))):
                raise InputError(
                    f"{where}: {name}: {value!r}: expected a list of wordings, got {words!r}"
                )
        counts = {value: len(words) for value, words in values.items()}
        if len(set(counts.values())) > 1:
            raise InputError(
                f"{where}: {name}: expected as many wordings of each value, since the i-th ones "
                f"are compared with one another; got {counts}"
            )
        for place, words in enumerate(zip(*values.values(), strict=True)):
            if len(set(words)) < len(words):
                raise InputError(
                    f"{where}: {name}: two values have the same wording at place {place}: {words}"
                )


def _check_pairs(pairs: Any, where: str) -> None:
    ok = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(is_text, pair)) for pair in pairs
    )
    if not ok or any(first == second for first, second in pairs):
        raise InputError(f"{where}: expected a list of pairs of different phrases, got {pairs!r}")
    if len({tuple(pair) for pair in pairs}) < len(pairs):
        raise InputError(f"{where}: one occurs twice; delete it")


def _plain(name: str) -> str:
    words = name.casefold().replace("_", " ").replace("-", " ").split()
    return " ".join(words[1:] if words[:1] in (["a"], ["an"], ["the"]) else words)
