"""Examples annotated by their captions, by a model that looks at their pictures, and by columns.

What each tells is kept apart until the end, so that the counts say who told what; then they are
made one, see `data.annotation.union`.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax.audit import values
from m4jax.audit.shown import named_by
from m4jax.data.annotation import Lexicon, load_lexicon, zero_shot
from m4jax.data.annotation.tables import AnnotateConfig
from m4jax.data.annotation.union import UNKNOWN, Agreement, Part, agreement, united
from m4jax.data.readers.collection import CAPTIONS, UID, Collection
from m4jax.errors import InputError, nearest
from m4jax.evaluation.measures.pictures import Texts

WORDS, PICTURES, COLUMNS = SOURCES = ("captions", "pictures", "columns")
_ROWS = 4096  # pictures whose similarities exist at a time
OCCUPATION = "occupation: "


@dataclasses.dataclass(frozen=True)
class SeveralConfig(AnnotateConfig):
    """Which captions and pictures are annotated, and by what."""

    captions: bool = True  # whether the words of captions count
    # A model that looks at the pictures: a folder of Hugging Face or open_clip, a big_vision file,
    # or a run of ours; "": nobody does. It errs: check a sample by experiments.check_annotation.
    model: str = ""
    tokenizer: str = ""  # of the model, "clip:FILE", "siglip2:FILE"; "": the folder's own
    confidence: float = 0.9  # probability from which on the model's answer counts, above 0.5
    batch_size: int = 32  # pictures that it looks at at once
    # Columns of one's own: our column, theirs, and the value that makes it true, "" where it is
    # true or false itself, as in (("man", "sex", "m"), ("occupation: nurse", "is_nurse", "")).
    columns: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if not 0.5 < self.confidence < 1:
            raise InputError(
                f"config.confidence: expected above 0.5 and below 1, got {self.confidence}"
            )
        if self.batch_size < 1:
            raise InputError(f"config.batch_size: expected 1 or more, got {self.batch_size}")
        if not (self.captions or self.model or self.columns):
            raise InputError("config.captions, model, columns: one of them has to tell something")
        lexicon = load_lexicon(self.lexicon)
        known = (*lexicon.attribute_names, *lexicon.label_columns)
        for own in self.columns:
            if len(own) != 3 or not (own[0] and own[1]):
                raise InputError(
                    "config.columns: expected (our column, theirs, its value), as in "
                    f"(('man', 'sex', 'm'),), got {own!r}"
                )
            if own[0] not in known:
                raise InputError(
                    f"config.columns: {own[0]!r} is no column of {lexicon.version}; "
                    f"{nearest(own[0], known)}"
                )

    @property
    def several(self) -> bool:
        """Whether anything but the words of captions tells."""
        return bool(self.model or self.columns) or not self.captions


@dataclasses.dataclass
class Annotated:
    """What was found.

    Attributes:
        table: uid, caption, and a column for each attribute (true, false or NULL) and label.
        told: who -> column -> in how many examples it tells it: of attributes 1 and 0, of labels.
        agreements: attribute -> two of `SOURCES` -> how they go together.
    """

    table: pa.Table
    told: dict[str, dict[str, tuple[int, ...]]]
    agreements: dict[str, dict[tuple[str, str], Agreement]]


def annotate(
    config: SeveralConfig,
    collections: Sequence[Collection],
    embed: Callable[[Collection], np.ndarray] | None,
    texts: Texts | None,
) -> Annotated:
    """Annotates all examples of collections.

    Args:
        config: by what.
        collections: of examples.
        embed: a collection -> the embeddings [n, d] of its pictures; None: no model looks.
        texts: embeds texts with the same model.

    Raises:
        InputError: if a column is missing, captions are in another language, or two examples have
            one uid.
    """
    lexicon = load_lexicon(config.lexicon)
    found: dict[str, list[Part]] = {name: [] for name in SOURCES}
    uids: list[str] = []
    captions: list[str] = []
    for collection in collections:
        names, texts_of, rows = _read(collection, config)
        uids += names
        captions += [next(iter(x), "") for x in texts_of]
        if config.captions:
            found[WORDS].append(_by_words(lexicon, texts_of, config, not len(found[WORDS])))
        if config.columns:
            found[COLUMNS].append(_by_columns(config, rows, collection))
        if embed is not None and texts is not None:
            found[PICTURES].append(_by_pictures(lexicon, embed(collection), texts, config))
    _check_unique(uids)
    parts = {name: _one_below_another(x) for name, x in found.items() if x}
    whole = united(list(parts.values()))
    columns = {"uid": pa.array(uids, pa.string()), "caption": pa.array(captions, pa.string())}
    for name in lexicon.attribute_names:
        column = whole.attributes.get(name, np.full(len(uids), UNKNOWN))
        columns[name] = pa.array(column == 1, mask=column == UNKNOWN)
    for name in lexicon.label_columns:
        columns[name] = pa.array(whole.labels.get(name, np.zeros(len(uids), bool)))
    return Annotated(pa.table(columns), _told(parts), _agreements(parts))


def options(lexicon: Lexicon) -> dict[str, tuple[str, str]]:
    """Returns column of an attribute -> what 1 and 0 are called: ("man", "woman"), ("yes", "no")."""
    found: dict[str, tuple[str, str]] = {}
    for name, each in lexicon.attributes.items():
        names = list(each)
        if len(names) == 2:
            found[names[1]] = (names[1], names[0])
        else:
            found |= {f"{name}: {value}": ("yes", "no") for value in names}
    return found


def _read(
    collection: Collection, config: SeveralConfig
) -> tuple[list[str], list[list[str]], dict[str, list[Any]]]:
    """Returns uids, captions, and the columns that are asked for."""
    wanted = list(dict.fromkeys(theirs for _, theirs, _ in config.columns))
    for name in wanted:
        if name not in collection.columns:
            raise InputError(
                f"config.columns: {collection.name} has no {name!r}; {nearest(name, collection.columns)}"
                if collection.columns
                else f"config.columns: {collection.name} has no columns"
            )
    uids: list[str] = []
    captions: list[list[str]] = []
    rows: dict[str, list[Any]] = {name: [] for name in wanted}
    for block in collection.blocks():
        uids += block[UID].to_pylist()
        captions += [list(x or ()) for x in block[CAPTIONS].to_pylist()]
        for name in wanted:
            rows[name] += block[name].to_pylist()
    return uids, captions, rows


def _by_words(
    lexicon: Lexicon, captions: list[list[str]], config: SeveralConfig, first: bool
) -> Part:
    every = list(itertools.chain.from_iterable(captions))
    if config.check_language and lexicon.language and first and every:
        lexicon.language.check(every, unless="config.check_language=False")
    attributes, labels = lexicon.summarize(named_by(lexicon, captions))
    return Part(
        dict(zip(lexicon.attribute_names, attributes.T, strict=True)),
        dict(zip(lexicon.label_columns, labels.T, strict=True)),
    )


def _by_columns(
    config: SeveralConfig, rows: Mapping[str, Sequence[Any]], collection: Collection
) -> Part:
    attributes, labels = {}, {}
    known = set(load_lexicon(config.lexicon).attribute_names)
    for ours, theirs, value in config.columns:
        told = [values.text(x) for x in rows[theirs]]
        if value:
            true = np.array([x is not None and x.casefold() == value.casefold() for x in told])
            if not true.any():
                raise InputError(
                    f"config.columns: {theirs!r} of {collection.name} is nowhere {value!r}; it has "
                    f"{sorted({x for x in told if x is not None})[:6]}"
                )
        else:
            true = values.truths(rows[theirs], theirs)
        absent = np.array([x is None for x in told], bool)
        if ours in known:
            attributes[ours] = np.where(absent, UNKNOWN, true).astype(np.int8)
        else:
            labels[ours] = true
    return Part(attributes, labels)


def _by_pictures(
    lexicon: Lexicon, embeddings: np.ndarray, texts: Texts, config: SeveralConfig
) -> Part:
    """Returns what the model tells of pictures; rows that are NaN have none, and tell nothing."""
    labels = {f"{OCCUPATION}{x}": x for x in lexicon.occupations}
    asked = zero_shot.asked({name: list(x) for name, x in lexicon.attributes.items()}, labels)
    attributes = {name: np.full(len(embeddings), UNKNOWN, np.int8) for name in options(lexicon)}
    shows = {name: np.zeros(len(embeddings), bool) for name in labels}
    for rows in _blocks(np.flatnonzero(np.isfinite(embeddings).all(axis=1))):
        pictures = embeddings[rows]

        def cosines(phrases: Sequence[str], pictures: np.ndarray = pictures) -> np.ndarray:
            return pictures @ texts(list(phrases)).T

        sure = {"scale": texts.logit_scale, "confidence": config.confidence}
        for name, each in asked.attributes.items():
            codes = zero_shot.attribute(
                cosines(list(each.values())), cosines(asked.nobody), **sure
            )
            for column, one in _columns(name, list(each), codes).items():
                attributes[column][rows] = one
        found = zero_shot.labels(cosines(list(asked.labels.values())), cosines(asked.other), **sure)
        for place, name in enumerate(labels):
            shows[name][rows] = found[:, place]
    return Part(attributes, shows)


def _columns(name: str, each: Sequence[str], codes: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the columns of an attribute, 1, 0 or −1, from the places of its values."""
    if len(each) == 2:
        return {each[1]: codes}
    return {
        f"{name}: {value}": np.where(codes == UNKNOWN, UNKNOWN, codes == place)
        for place, value in enumerate(each)
    }


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS))


def _one_below_another(parts: Sequence[Part]) -> Part:
    return Part(
        *(
            {name: np.concatenate([getattr(part, kind)[name] for part in parts])
             for name in getattr(parts[0], kind)}
            for kind in ("attributes", "labels")
        )
    )  # fmt: skip


def _told(parts: Mapping[str, Part]) -> dict[str, dict[str, tuple[int, ...]]]:
    told: dict[str, dict[str, tuple[int, ...]]] = {}
    for source, part in parts.items():
        told[source] = {n: (int((x == 1).sum()), int((x == 0).sum())) for n, x in part.attributes.items()}
        told[source] |= {n: (int(x.sum()),) for n, x in part.labels.items() if x.any()}
    return told


def _agreements(parts: Mapping[str, Part]) -> dict[str, dict[tuple[str, str], Agreement]]:
    found: dict[str, dict[tuple[str, str], Agreement]] = {}
    for one, other in itertools.combinations(parts, 2):
        for name, column in parts[one].attributes.items():
            if name in parts[other].attributes:
                pair = agreement(column, parts[other].attributes[name])
                found.setdefault(name, {})[one, other] = pair
    return found


def _check_unique(uids: Sequence[str]) -> None:
    seen: set[str] = set()
    for uid in uids:
        if uid in seen:
            raise InputError(f"two examples have the uid {uid!r}; name the field of a uid in config.uid")
        seen.add(uid)
