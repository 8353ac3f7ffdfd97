"""Sets of examples as a model is asked about them, and what is measured of it."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from m4jax.audit.config import AuditConfig
from m4jax.audit.inputs.known import Known
from m4jax.errors import InputError
from m4jax.evaluation.measures import comparison, suite, word_lists
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.measures.pictures import Attribute, PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.ranks import normalise


@dataclasses.dataclass(frozen=True)
class Embedded:
    """Embeddings of some of the examples of a set.

    Attributes:
        rows: int [m], which examples.
        values: float32 [m, d].
    """

    rows: np.ndarray
    values: np.ndarray


def stored(known: Known) -> Embedded | None:
    """Returns the embeddings that are stored of a set, in the order of its examples.

    Raises:
        InputError: if there are some, and none is of one of the examples.
    """
    if known.vectors is None:
        return None
    place = {name: row for row, name in enumerate(known.vectors.names)}
    found = [place.get(str(uid), -1) for uid in known.shown.uids.tolist()]
    rows = np.flatnonzero(np.array(found) >= 0)
    if not rows.size:
        raise InputError(
            f"{known.shown.name}: no embedding is of one of its examples: uids are "
            f"{known.shown.uids[0]!r} there and {known.vectors.names[0]!r} in the embeddings"
        )
    return Embedded(rows, known.vectors.values[[found[row] for row in rows]])


def picture_set(known: Known, embedded: Embedded | None, texts: Texts | None) -> PictureSet:
    """Returns a set as a model is asked about it: those of its pictures that are embedded.

    Labels that none of them has are left out, and captions that can't be embedded.

    Args:
        known: the set.
        embedded: its embeddings; None: all examples count, by what was predicted of them.
        texts: embeds captions; None: there are none.
    """
    shown = known.shown
    rows = np.arange(len(shown)) if embedded is None else embedded.rows
    empty = np.zeros((len(rows), 0), np.float32)
    captions = None
    if embedded is not None and texts is not None:
        captions = [[x for x in shown.captions[row] if texts.known(x)] for row in rows.tolist()]
        captions = captions if any(captions) else None
    labels = {name: column[rows] for name, column in shown.labels.items()}
    return PictureSet(
        name=shown.name,
        embeddings=empty if embedded is None else normalise(embedded.values, shown.name),
        uids=shown.uids[rows],
        groups=shown.groups[rows],
        attributes={
            name: Attribute(one.names, one.codes[rows]) for name, one in shown.attributes.items()
        },
        labels={name: column for name, column in labels.items() if column.any()},
        nobody=shown.nobody[rows],
        captions=captions,
        predictions={name: codes[rows] for name, codes in known.predictions.items()},
    )


def measure(
    pictures: Sequence[PictureSet],
    texts: Texts | None,
    prompts: AuditPrompts,
    config: AuditConfig,
    blurred: PictureSet | None = None,
) -> list[Measure]:
    """Returns all numbers of a model on sets of pictures, and what of them depends on the sets.

    Args:
        pictures: the sets.
        texts: embeds texts; None: there are none.
        prompts: what is asked.
        config: of the audit.
        blurred: some pictures of the first set, changed; None: there are none.
    """
    words = word_lists.load(config.words) if config.words else None
    asks = [
        Asked(pictures=one, texts=texts if one.embeddings.shape[1] else None, prompts=prompts,
              words=words, settings=config.settings)
        for one in pictures
    ]  # fmt: skip
    # Predictions alone may be another model's: they have no part in ranges over sets.
    found = suite.measure_sets([one for one in asks if one.texts is not None])
    found += [x for one in asks if one.texts is None for x in suite.measure_all(one)]
    if blurred is not None:
        found += comparison.compare(_those_of(pictures[0], blurred), blurred, asks[0])
    return found


def _those_of(pictures: PictureSet, others: PictureSet) -> PictureSet:
    """Returns the pictures that are among others, too."""
    kept = np.flatnonzero(np.isin(pictures.uids.astype(str), others.uids.astype(str)))
    return dataclasses.replace(
        pictures,
        embeddings=pictures.embeddings[kept],
        uids=pictures.uids[kept],
        groups=pictures.groups[kept],
        attributes={
            name: Attribute(one.names, one.codes[kept]) for name, one in pictures.attributes.items()
        },
        labels={name: column[kept] for name, column in pictures.labels.items()},
        nobody=pictures.nobody[kept],
        captions=None if pictures.captions is None else [pictures.captions[i] for i in kept],
        predictions={name: codes[kept] for name, codes in pictures.predictions.items()},
    )


def told(known: Known, pictures: PictureSet) -> list[str]:
    """Returns what is not known of a set of pictures, a sentence each."""
    name, n = known.shown.name, len(pictures)
    result = []
    if n < len(known.shown):
        result.append(
            f"{len(known.shown) - n:,} of {len(known.shown):,} examples of {name} have no embedding"
        )
    return result


def same_width(known: Known, texts: int) -> None:
    """Raises `InputError` unless the embeddings of a set have as many numbers as those of texts."""
    width = known.vectors.values.shape[1]
    if width != texts:
        raise InputError(
            f"embeddings of the pictures of {known.shown.name} have {width} numbers, those of the "
            f"texts {texts}: they are not of one model"
        )
