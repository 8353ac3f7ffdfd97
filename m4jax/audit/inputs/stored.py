"""Stored embeddings of texts: which of them stand for whom, which are classes, which captions."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from m4jax import files
from m4jax.audit.config import AuditConfig
from m4jax.audit.inputs import vectors
from m4jax.audit.inputs.vectors import TEXTS
from m4jax.errors import InputError, nearest
from m4jax.evaluation.measures.pictures import Texts
from m4jax.evaluation.measures.prompts import AuditPrompts

PLAIN = "{}"
ARTICLES = ("a ", "an ", "the ")
Wordings = dict[str, dict[str, tuple[str, ...]]]


class Table:
    """Texts and their embeddings.

    Args:
        names: texts, each once.
        values: [k, d].
    """

    def __init__(self, names: Sequence[str], values: np.ndarray):
        self.names, self.values = tuple(names), values
        self._exact = {name: row for row, name in enumerate(self.names)}
        self._cased = {same(name): row for row, name in reversed(list(enumerate(self.names)))}
        self._bare = {bare(name): row for row, name in reversed(list(enumerate(self.names)))}

    def __len__(self) -> int:
        return len(self.names)

    def row(self, text: str) -> int | None:
        """Returns the row of a text, whatever its case; None: it is not stored."""
        return self._exact.get(text, self._cased.get(same(text)))

    def without_article(self, text: str) -> str | None:
        """Returns the stored text that is the same but for case and article."""
        row = self._bare.get(bare(text))
        return None if row is None else self.names[row]

    def texts(self, logit_scale: float) -> Texts:
        """Returns what embeds texts by looking them up."""

        def embed(texts: list[str]) -> np.ndarray:
            return self.values[[self.row(text) for text in texts]]

        return Texts(embed, logit_scale, lambda text: self.row(text) is not None)


def same(text: str) -> str:
    """Returns a text whatever its case and spaces."""
    return " ".join(text.casefold().split())


def bare(text: str) -> str:
    """Returns a text without its article, whatever its case; "_" are spaces."""
    plain = same(text.replace("_", " "))
    for article in ARTICLES:
        plain = plain.removeprefix(article)
    return plain


def read(paths: Sequence[str]) -> tuple[Table, list[str]]:
    """Reads files of embeddings of texts.

    Returns:
        The table, and what is not known, a sentence each.

    Raises:
        InputError: for a file that does not tell its texts, or another number of dimensions.
    """
    names: dict[str, None] = {}
    parts, told = [], []
    for path in paths:
        found = vectors.read(path, TEXTS)
        if found.names is None:
            raise InputError(
                f"{path}: which texts are these? Store them with their embeddings "
                "(numpy.savez(path, embedding=…, text=…)), or as a list beside an .npy"
            )
        found, useless = found.usable()
        told += [f"{len(useless):,} texts of {path} are left out: {vectors.UNUSABLE}"] * bool(
            useless
        )
        new = [row for row, name in enumerate(found.names) if name not in names]
        names |= dict.fromkeys(found.names[row] for row in new)
        parts.append(found.values[new])
        if parts[0].shape[1] != parts[-1].shape[1]:
            raise InputError(
                f"{path}: embeddings of {parts[-1].shape[1]} numbers, {paths[0]}: of "
                f"{parts[0].shape[1]}; they are of two models"
            )
    return Table(list(names), np.concatenate(parts)), told


def prompts(
    table: Table, config: AuditConfig, usual: AuditPrompts, captions: Iterable[str]
) -> AuditPrompts:
    """Returns what can be asked with the texts that are stored.

    Wordings of attributes are those of `config.wordings`, or else of the usual prompts as far as
    they are stored for all values, under the templates that are stored; where there are none, with
    another article or none. All other texts but captions are classes.

    Args:
        table: of the texts.
        config: of the audit.
        usual: the prompts that a model would be asked.
        captions: of pictures.
    """
    if config.wordings:
        attributes = named(config.wordings)
        for text in (x for values in attributes.values() for y in values.values() for x in y):
            if table.row(text) is None:
                raise InputError(f"config.wordings: no embedding of {text!r}; "
                                 f"{nearest(text, table.names)}")  # fmt: skip
        templates: tuple[str, ...] = (PLAIN,)
        known: list[str] = []
    else:
        known = _templates(table, usual)
        templates = tuple(x for x in usual.templates if x in known) or tuple(known[:1]) or (PLAIN,)
        attributes = _wordings(table, usual, templates if known else ())
    taken = {
        same(template.replace(PLAIN, text))
        for values in (*attributes.values(), *usual.attributes.values())
        for texts in values.values()
        for text in texts
        for template in {*templates, *known}
    }
    taken |= {same(caption) for caption in captions}
    classes = _classes(table, templates, taken)
    content = [table.names, [[x, list(y.items())] for x, y in attributes.items()], templates]
    return AuditPrompts(
        version=f"stored_{files.digest(content, 8)}",
        templates=templates,
        sensitivity=tuple(known) if len(known) > 1 else (),
        attributes=attributes,
        classes=classes,
        pairs=tuple(
            pair for pair in usual.pairs if all(_stored(table, x, templates) for x in pair)
        ),
        sources={"classes": "the texts that are stored"},
    )


def named(rows: Sequence[Sequence[str]]) -> Wordings:
    """Returns the wordings of `AuditConfig.wordings`, attribute -> value -> texts.

    Raises:
        InputError: for a value twice, one value alone, or not as many texts of each.
    """
    found: Wordings = {}
    for attribute, value, *texts in rows:
        if value in found.setdefault(attribute, {}):
            raise InputError(f"config.wordings: {attribute}: {value!r} comes twice")
        found[attribute][value] = tuple(texts)
    for attribute, values in found.items():
        numbers = {value: len(texts) for value, texts in values.items()}
        if len(values) < 2 or len(set(numbers.values())) > 1:
            raise InputError(
                f"config.wordings: {attribute}: expected two values or more, with as many texts "
                f"each, since the first ones are compared, and so on; got {numbers}"
            )
    return found


def with_wordings(usual: AuditPrompts, rows: Sequence[Sequence[str]]) -> AuditPrompts:
    """Returns prompts with other wordings of some attributes."""
    if not rows:
        return usual
    attributes = {**usual.attributes, **named(rows)}
    version = f"{usual.version}+{files.digest([list(row) for row in rows], 8)}"
    return dataclasses.replace(usual, version=version, attributes=attributes)


def _stored(table: Table, phrase: str, templates: Iterable[str]) -> bool:
    return all(table.row(template.replace(PLAIN, phrase)) is not None for template in templates)


def _templates(table: Table, usual: AuditPrompts) -> list[str]:
    """Returns the templates under which some attribute's words are stored for all its values."""
    return [
        template
        for template in dict.fromkeys([*usual.templates, *usual.sensitivity])
        if any(
            all(_stored(table, word, [template]) for word in words)
            for values in usual.attributes.values()
            for words in zip(*values.values(), strict=True)
        )
    ]


def _wordings(table: Table, usual: AuditPrompts, templates: Sequence[str]) -> Wordings:
    """Returns the wordings that are stored of all values; without templates, as they are stored."""
    found: Wordings = {}
    for attribute, values in usual.attributes.items():
        rows = list(zip(*values.values(), strict=True))
        if templates:
            kept = [words for words in rows if all(_stored(table, x, templates) for x in words)]
        else:
            stored = [tuple(table.without_article(word) for word in words) for words in rows]
            whole = [words for words in stored if None not in words and len({*words}) == len(words)]
            kept = list(dict.fromkeys(whole))
        if kept:
            found[attribute] = dict(zip(values, zip(*kept, strict=True), strict=True))
    return found


def _classes(table: Table, templates: Sequence[str], taken: set[str]) -> Mapping[str, str]:
    """Returns the classes, label -> phrase: texts of the first template, under all templates."""
    before, _, after = templates[0].partition(PLAIN)
    classes: dict[str, str] = {}
    labels: set[str] = set()
    for text in table.names:
        fits = text.startswith(before) and text.endswith(after) and same(text) not in taken
        phrase = text[len(before) : len(text) - len(after)] if fits else ""
        label = bare(phrase)
        if phrase and label and label not in labels and _stored(table, phrase, templates):
            labels.add(label)
            classes[label] = phrase
    return classes if len(classes) > 1 else {}
