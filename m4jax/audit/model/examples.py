"""Pictures to show on a page, if that was asked for: whom a model takes them for."""

import contextlib
from collections.abc import Iterator

import numpy as np

from m4jax.audit.inputs.known import Known
from m4jax.audit.job import Job
from m4jax.audit.thumbnails import thumbnail
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import PictureSet
from m4jax.evaluation.ranks import class_embeddings
from m4jax.report.page.content import Example

EACH = 6  # pictures of a kind
SIDE = 128  # pixels of a small picture


def examples(job: Job) -> list[Example]:
    """Returns the clearest pictures of nobody by whom they are taken for, and the clearest errors.

    Of the first set that has pictures and embeddings, and the first attribute whose words are
    known. Faces are among them where people are taken for what they are not.
    """
    for one, its in _pairs(job):
        values = next(iter(_known(job, its)), None)
        if values is not None:
            return list(_found(job, one, its, *values))
    return []


def _pairs(job: Job) -> Iterator[tuple[Known, PictureSet]]:
    embedded = {one.name: one for one in job.pictures if one.embeddings.shape[1]}
    for one in job.sets if job.texts is not None else ():
        its = embedded.get(one.shown.name)
        if its is not None and one.collection is not None and one.collection.has_pictures:
            yield one, its


def _known(job: Job, its: PictureSet) -> Iterator[tuple[str, tuple[str, ...], np.ndarray]]:
    """Yields attribute, values and how similar each picture is to their words, [n, v]."""
    templates = job.prompts.templates
    for attribute, values in job.prompts.attributes.items():
        phrases = [words[0] for words in values.values()]
        asked = [template.replace("{}", x) for x in phrases for template in templates]
        if all(map(job.texts.known, asked)):
            words = class_embeddings(phrases, templates=templates, embed_texts=job.texts)
            yield attribute, tuple(values), its.embeddings @ words.T


def _found(
    job: Job, one: Known, its: PictureSet, attribute: str, values: tuple[str, ...], cosines
) -> Iterator[Example]:
    order = np.sort(cosines, axis=1)
    margin, taken = order[:, -1] - order[:, -2], cosines.argmax(1)
    place = {str(uid): row for row, uid in enumerate(one.shown.uids.tolist())}
    shown = its.attributes.get(attribute)
    for v, value in enumerate(values):
        kinds = {f"Nobody, taken for {value}": its.nobody & (taken == v)}
        if shown is not None:
            names = [job.prompts.value(attribute, name) for name in shown.names]
            told = np.array([*names, None], dtype=object)[shown.codes]
            wrong = (shown.codes >= 0) & (told != value) & (taken == v)
            kinds[f"Not {value}, taken for {value}"] = wrong
        for title, rows in kinds.items():
            best = np.flatnonzero(rows)
            best = best[np.argsort(-margin[best], kind="stable")][:EACH]
            for row in best.tolist():
                uid = str(its.uids[row])
                with contextlib.suppress(InputError):
                    content = one.collection.picture(place[uid])
                    yield Example(thumbnail(content, SIDE), uid, title)
