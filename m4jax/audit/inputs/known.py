"""A set of examples: what it is made of, and what its columns and captions tell."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.audit.config import AuditConfig, SetConfig
from m4jax.audit.inputs import annotated, joining, listed, telling, values, vectors
from m4jax.audit.inputs.joining import Rows
from m4jax.audit.inputs.listed import Columns
from m4jax.audit.inputs.shown import Shown, by_words
from m4jax.audit.inputs.vectors import PICTURES, UNUSABLE, Vectors
from m4jax.data import readers
from m4jax.data.annotation import load_lexicon
from m4jax.data.readers.collection import CAPTIONS, UID, Collection
from m4jax.data.readers.fields import PATHS
from m4jax.errors import InputError, nearest
from m4jax.evaluation.measures.pictures import Attribute
from m4jax.progress import Progress


@dataclasses.dataclass(frozen=True)
class Known:
    """A set of examples.

    Attributes:
        shown: what is known of them.
        collection: that their pictures are read from; None: there is none.
        vectors: stored embeddings of some of them, by uid; None: there are none.
        predictions: attribute -> codes int [n] of what a model has said.
        identity: a hash of all that it follows from.
        unknown: what is not known, a sentence each.
    """

    shown: Shown
    collection: Collection | None
    vectors: Vectors | None
    predictions: Mapping[str, np.ndarray]
    identity: str
    unknown: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Listed:
    """Captions of examples that were read already, as `shown.by_words` reads a collection."""

    name: str
    rows: Rows
    columns: tuple[str, ...] = ()
    kind: str = "listed"
    has_pictures: bool = False
    identity: str = ""
    left_out: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows.uids)

    def blocks(self, rows: int = 1 << 14) -> Iterator[pa.Table]:
        """Yields the examples in order."""
        texts = pa.list_(pa.string())
        for start in range(0, len(self), rows):
            uids = pa.array(self.rows.uids[start : start + rows], pa.string())
            captions = pa.array(self.rows.captions[start : start + rows], texts)
            yield pa.table({UID: uids, CAPTIONS: captions})

    def picture(self, row: int) -> bytes:
        """Raises: there is none."""
        raise InputError(f"{self.name}: no pictures, only what is said of them")


def open_set(one: SetConfig, config: AuditConfig, progress: Progress | None = None) -> Known:
    """Opens a set of examples and gathers what is known of them.

    Raises:
        InputError: for what can't be read, and columns that are not there.
    """
    unknown: list[str] = []
    collection = readers.open_collection(
        one.data, image=one.image, caption=one.caption, uid=one.uid, split=one.split
    ) if one.data else None  # fmt: skip
    if collection is not None and not one.group:
        one = dataclasses.replace(one, group=_of_picture(collection))
    stored = vectors.read(one.embeddings, PICTURES, one.uid) if one.embeddings else None
    table = listed.read(one.table) if one.table else {}
    rows, stored = _rows(one, collection, stored, table)
    if stored is not None:
        stored, useless = stored.usable()
        unknown += [f"{len(useless):,} embeddings are of no use: {UNUSABLE}"] if useless else []
    unknown += telling.of_set(one, collection, rows)
    shown = _shown(one, config, rows, progress)
    predictions = {
        name: values.predicted(rows.columns[column], _attribute(shown, name).names, column)
        for name, column in one.predictions
    }
    unknown += telling.of_shown(shown, config, collection)
    unknown += telling.of_answers(one, predictions)
    return Known(shown, collection, stored, predictions, _identity(one, config, collection),
                 tuple(unknown))  # fmt: skip


def wanted(one: SetConfig) -> tuple[str, ...]:
    """Returns the names of the columns that a set needs."""
    named = [column for _, column in (*one.attributes, *one.predictions)]
    more = [name for name in (one.group, one.nobody) if name]
    return tuple(dict.fromkeys([*named, *one.labels, *more]))


def _of_picture(collection: Collection) -> str:
    """Returns the column by which captions without pictures name theirs; "": there is none.

    Captions of one picture are not independent, though each row is an example.
    """
    if collection.has_pictures or collection.kind != "captions":
        return ""
    usual = (*PATHS[0], "image_id")
    found = [name for name in collection.columns if name.lower() in usual]
    return min(found, key=lambda name: usual.index(name.lower()), default="")


def _rows(
    one: SetConfig, collection: Collection | None, stored: Vectors | None, table: Columns
) -> tuple[Rows, Vectors | None]:
    """Returns what columns and captions say of the examples, and embeddings with their names."""
    columns = wanted(one)
    if collection is not None:
        base = _collected(collection, [name for name in columns if name in collection.columns])
        columns = tuple(name for name in columns if name not in base.columns)
        if columns and not table:
            has = collection.columns or ("no column beside uid and captions",)
            raise InputError(
                f"{one.data}: no column {columns[0]!r}; {nearest(columns[0], has)}; columns of "
                "another file come with config.table"
            )
        uids: Sequence[str] = base.uids
    elif stored is not None and stored.names is not None:
        uids = tuple(dict.fromkeys(stored.names))
        base = Rows(tuple(uids), {}, [[] for _ in uids])
    elif stored is not None and not table:
        uids = tuple(f"{i:08d}" for i in range(len(stored)))
        base, stored = Rows(uids, {}, [[] for _ in uids]), stored.named(uids)
    else:
        base = joining.alone(table, one.table, one.uid, one.caption, columns)
        if stored is not None:
            stored = stored.named(joining.names(table, one.table, one.uid))
        return base, stored
    if stored is not None and stored.names is None:
        stored = stored.named(uids)
    if not table:
        if columns:
            raise InputError(f"config.table: expected the table that has {columns[0]!r}")
        return base, stored
    caption = one.caption if collection is None else ""
    more = joining.joined(table, one.table, uids, one.uid, caption, columns)
    captions = base.captions if any(base.captions) else more.captions
    return dataclasses.replace(more, columns=more.columns | base.columns, captions=captions), stored


def _collected(collection: Collection, columns: Sequence[str]) -> Rows:
    """Returns uids, captions and some of the columns of a collection."""
    uids: list[str] = []
    captions: list[list[str]] = []
    found: dict[str, list[Any]] = {name: [] for name in columns}
    for block in collection.blocks():
        uids += block[UID].to_pylist()
        captions += [list(texts or ()) for texts in block[CAPTIONS].to_pylist()]
        for name in columns:
            found[name] += block[name].to_pylist()
    if not uids:
        raise InputError(f"{collection.name}: has no examples")
    return Rows(tuple(uids), found, captions)


def _shown(one: SetConfig, config: AuditConfig, rows: Rows, progress: Progress | None) -> Shown:
    """Returns what columns, annotation and the words of captions tell; columns come first."""
    n, sources = len(rows.uids), []
    shown = Shown(one.title, np.array(rows.uids, object), np.arange(n), {}, {}, rows.captions,
                  np.zeros(n, bool))  # fmt: skip
    if config.lexicon and any(rows.captions):
        shown = by_words(
            Listed(one.title, rows),
            config.lexicon,
            label_sets=config.label_sets,
            check_language=config.check_language,
            progress=progress,
        )
        sources.append(shown.known_by)
    if one.annotation:
        shown = annotated.joined(shown, one.annotation, load_lexicon(config.lexicon or "en_v2"))
        sources.append("annotation")
    attributes, labels = dict(shown.attributes), dict(shown.labels)
    known = {name: x.names for name, x in attributes.items()} | _of_lexicon(config)
    for name, column in one.attributes:
        attributes[name] = values.attribute(rows.columns[column], name, known, column)
    for column in one.labels:
        labels |= values.labels(rows.columns[column], column)
    if one.attributes or one.labels:
        sources.append("columns")
    groups, nobody = shown.groups, shown.nobody
    if one.group:
        groups = _grouped(rows.columns[one.group])
    if one.nobody:
        nobody = values.truths(rows.columns[one.nobody], one.nobody)
    # Labels of the lexicon alone stay sparse: a million examples of hundreds of labels fit.
    return dataclasses.replace(
        shown, groups=groups, nobody=nobody, attributes=attributes,
        labels=labels if one.labels else shown.labels, known_by=", ".join(sources),
    )  # fmt: skip


def _of_lexicon(config: AuditConfig) -> dict[str, tuple[str, ...]]:
    """Returns the attributes that are known by name, with their values."""
    lexicon = load_lexicon(config.lexicon or "en_v2")
    return {name: tuple(found) for name, found in lexicon.attributes.items()}


def _grouped(column: Sequence[Any]) -> np.ndarray:
    """Returns the number of each example's group; where nothing is told it is one of its own."""
    place: dict[Any, int] = {}
    names = [values.text(x) for x in column]
    keys = [("", row) if name is None else (name, -1) for row, name in enumerate(names)]
    return np.array([place.setdefault(key, len(place)) for key in keys], np.int64)


def _attribute(shown: Shown, name: str) -> Attribute:
    if name not in shown.attributes:
        raise InputError(
            f"config.predictions: nothing is known of {name!r} to compare them with; "
            f"{nearest(name, shown.attributes) if shown.attributes else 'name its column'}"
        )
    return shown.attributes[name]


def _identity(one: SetConfig, config: AuditConfig, collection: Collection | None) -> str:
    """Returns a hash of what a set follows from: contents, and which columns tell what."""
    paths = [one.embeddings, one.table, one.annotation]
    parts = [files.fingerprint(path) if path else "" for path in paths]
    beside = listed.beside(Path(one.embeddings)) if one.embeddings.endswith(".npy") else None
    parts += [files.fingerprint(beside) if beside else "", getattr(collection, "identity", "")]
    columns = [one.attributes, one.labels, one.predictions, one.group, one.nobody, one.caption,
               one.uid, one.title]  # fmt: skip
    lexicon = load_lexicon(config.lexicon).digest if config.lexicon else ""
    return files.digest([parts, columns, lexicon, config.label_sets], 64)
