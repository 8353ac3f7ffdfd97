"""A model that looks at an audit's pictures; its code is loaded only where there is one."""

import dataclasses
from typing import Any

import numpy as np

from m4jax.audit.inputs.known import Known
from m4jax.audit.job import Job
from m4jax.audit.model import measuring
from m4jax.audit.model.measuring import Embedded
from m4jax.data import readers
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import PictureSet
from m4jax.progress import Progress

EMBEDDINGS = "embeddings"  # the folder in the workdir


def open_model(job: Job) -> None:
    """Opens the model that the configuration names; JAX is loaded now."""
    config = job.config
    module = _module()
    job.looker = module.open_model(
        config.model,
        job.folder / EMBEDDINGS,
        tokenizer=config.tokenizer,
        batch_size=config.batch_size,
        tell=job.tell,
    )
    opened = job.looker.opened
    size = job.looker.parameters / 1e6
    job.model = f"{opened.name} ({opened.kind}), {size:.1f} million parameters"
    job.model_identity = job.looker.identity
    job.texts = job.looker.texts()
    job.unknown += opened.notes
    if job.texts is None:
        job.unknown.append(
            "nothing is asked of the model's texts, since it has no tokenizer: config.tokenizer "
            "may name one"
        )


def look(job: Job, one: Known, progress: Progress) -> Embedded | None:
    """Returns the embeddings of a set's pictures; None: it has none."""
    if not one.collection.has_pictures:
        job.unknown.append(f"{one.shown.name} has no pictures for the model to look at")
        return None
    embedded, faults = job.looker.pictures(one.collection, progress)
    if faults:
        why = next(iter(faults.values()))
        job.unknown.append(
            f"{len(faults):,} of {len(one.shown):,} pictures of {one.shown.name} can't be read: "
            f"{why}, for one"
        )
    return embedded


def look_again(job: Job, progress: Progress) -> PictureSet:
    """Returns the first set's pictures with blurred backgrounds: a folder of them, or "edges"."""
    first, path, module = job.sets[0], job.config.blurred, _module()
    if path == module.EDGES:
        embedded, _ = job.looker.pictures(first.collection, progress, module.EDGES)
        return _renamed(measuring.picture_set(first, embedded, job.texts), "edges blurred")
    other = readers.open_collection(path, image=job.config.image, uid=job.config.uid)
    embedded, _ = job.looker.pictures(other, progress)
    uids = [uid for block in other.blocks() for uid in block["uid"].to_pylist()]
    place = {uid: row for row, uid in enumerate(first.shown.uids.tolist())}
    found = np.array([place.get(uids[row], -1) for row in embedded.rows.tolist()])
    if (found < 0).all():
        raise InputError(
            f"config.blurred: no picture of {path} has the uid of one of {job.config.data}, "
            f"{uids[0]!r} there and {first.shown.uids[0]!r} here"
        )
    kept = np.flatnonzero(found >= 0)
    order = kept[np.argsort(found[kept], kind="stable")]
    again = Embedded(found[order], embedded.values[order])
    return _renamed(measuring.picture_set(first, again, job.texts), "backgrounds blurred")


def _renamed(pictures: PictureSet, how: str) -> PictureSet:
    return dataclasses.replace(pictures, name=f"{pictures.name}, {how}")


def _module() -> Any:
    from m4jax.audit.model import embedding

    return embedding
