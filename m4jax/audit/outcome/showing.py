"""What an audit found, as its page shows it."""

import importlib.metadata
from collections.abc import Sequence

import numpy as np

from m4jax.audit.config import SetConfig
from m4jax.audit.inputs.known import Known
from m4jax.audit.job import Job
from m4jax.audit.outcome import advice, changes, history
from m4jax.audit.outcome.history import Row
from m4jax.evaluation.measures.measure import VERSION, Measure
from m4jax.evaluation.measures.pictures import PictureSet
from m4jax.report.page import sentences
from m4jax.report.page.content import Fact, Page, Table

LISTED = 3  # values of an attribute that are counted each
TOLD = 12  # kinds of numbers that can't be compared, told one by one


def page(job: Job, every: Sequence[Row] = ()) -> Page:
    """Returns the page of an audit.

    Args:
        job: that has measured.
        every: rows of the history.
    """
    config, data = job.config, job.data
    return Page(
        title=config.title,
        when=job.date,
        facts=facts(job),
        unknown=(*job.unknown, *(data.unknown if data else ()), *uncompared(job)),
        measures=tuple(job.measures),
        limits=tuple(job.limits),
        against=_against(job),
        changes=tuple(job.changes),
        history=tuple(history.past(every)),
        frontier=data.frontier if data else (),
        largest_keep_rate=data.largest_keep_rate if data else float("nan"),
        reached=data.sentences if data else (),
        tables=tables(job),
        examples=tuple(job.examples),
        methods=(*(data.methods if data else ()), *methods(job)),
        minimum=config.minimum,
        level=config.level,
        versions=versions(job),
        command=job.command,
        nothing=advice.nothing(job),
        steps=advice.steps(job),
    )


def tables(job: Job) -> tuple[Table, ...]:
    """Returns the tables of the data, without captions unless these may be shown."""
    every = job.data.tables if job.data else ()
    return tuple(x for x in every if job.config.show_captions or "caption" not in x.columns)


def headline(shown: Page) -> list[Measure]:
    """Returns the numbers of a page's headline."""
    return [one.measure for one in sentences.headline(shown) if one.measure is not None]


def facts(job: Job) -> tuple[Fact, ...]:
    """Returns what was measured."""
    seen = {one.name: one for one in job.pictures}
    found = [
        Fact(one.shown.name, _of_set(one, its, seen.get(one.shown.name)))
        for one, its in zip(job.sets, job.config.every_set, strict=True)
    ]
    if job.model:
        found.append(Fact("model", job.model))
    return (*found, Fact("looked for", advice.sought(job)))


def _of_set(one: Known, its: SetConfig, pictures: PictureSet | None) -> str:
    shown = one.shown
    what = f"{len(shown):,} examples"
    if pictures is not None and pictures.embeddings.shape[1]:
        what = f"{len(pictures):,} pictures"
        what += f" of {len(shown):,} examples" if len(pictures) < len(shown) else ""
    captions = sum(map(len, shown.captions))
    parts = [f"{what}, {captions:,} captions" if captions else what]
    parts[0] += f" ({one.collection.kind})" if one.collection is not None else ""
    groups = len(np.unique(shown.groups))
    parts[0] += f" in {groups:,} independent groups" if groups < len(shown) else ""
    for name, values in shown.attributes.items():
        codes, names = values.codes, values.names
        numbers = [f"{int((codes == i).sum()):,} {x}" for i, x in enumerate(names)]
        few = len(names) <= LISTED
        parts.append(f"{name}: {', '.join(numbers) if few else f'{len(names)} values'}")
    if shown.nobody.any():
        what = "show nobody" if its.nobody else "have captions that name nobody"
        parts.append(f"{int(shown.nobody.sum()):,} {what}")
    by = f", by {shown.known_by}" if shown.known_by else ""
    return "; ".join(parts) + by


def uncompared(job: Job) -> tuple[str, ...]:
    """Returns what can't be compared with the earlier audit, and why."""
    if job.before is None:
        return ()
    told = changes.uncompared(job.measures, job.before.measures, job.config.compared)
    more = [f"{len(told) - TOLD:,} more such sets of numbers"] if len(told) > TOLD else []
    return tuple(f"not compared: {x}" for x in (*told[:TOLD], *more))


def methods(job: Job) -> tuple[str, ...]:
    """Returns what to know of how a model was measured."""
    config, told = job.config, []
    if job.pictures:
        told.append(
            f"Model: {config.resamples:,} bootstrap resamples of groups of pictures, within each "
            f"value of an attribute; intervals of {config.level:.0%}; with fewer than "
            f"{config.minimum} independent groups no number is told. Prompts: "
            f"{job.prompts.version}."
        )
        told.append(
            "Representation bias depends on the pictures more than on the model: of CLIP ViT-B/32 "
            "it was +25, +42 and +4 points on three sets of pictures that show nobody. Compare it "
            "between models on the same pictures only."
        )
    if job.limits:
        told.append(
            "A limit holds if the whole interval of its number is within it, and does not if the "
            "whole interval is beyond it; else it can't be told. Where a limit is of several "
            "numbers, the intervals that have to be beyond it are widened for their number."
        )
    if job.before is not None:
        told.append(
            "A change is told if the interval of the difference excludes zero after Holm's "
            "correction over all numbers that are compared. Numbers of the same examples, "
            "resampled alike, are paired; others are taken as independent."
        )
    return tuple(told)


def versions(job: Job) -> tuple[tuple[str, str], ...]:
    """Returns names and versions of what the numbers depend on."""
    found = {name: importlib.metadata.version(name) for name in ("m4jax", "numpy")}
    found |= {"metrics": str(VERSION)}
    found |= {"prompts": job.prompts.version} if job.pictures else {}
    found |= {"lexicon": job.config.lexicon or "none", "audit": job.identity[:12]}
    return tuple(found.items())


def _against(job: Job) -> str:
    if job.before is None:
        return ""
    when = job.before.facts.get("date", "")
    return f"{job.against}{f', {when}' if when else ''}"
