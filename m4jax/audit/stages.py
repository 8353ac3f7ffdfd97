"""The stages of an audit; killed at any point, the same command goes on."""

import dataclasses
import datetime
import shutil
from collections.abc import Callable
from typing import Any

from m4jax import files
from m4jax.audit.data.part import DataSettings, measure_data
from m4jax.audit.inputs import known, stored
from m4jax.audit.job import BEFORE, BEGUN, HISTORY, PAGE, RECORD, RESULTS, Job
from m4jax.audit.model import examples, looking, measuring
from m4jax.audit.outcome import changes, history, limits, results, showing
from m4jax.audit.outcome.history import Entry
from m4jax.audit.outcome.results import Results
from m4jax.errors import DamagedError
from m4jax.evaluation.measures import prompts as audit_prompts
from m4jax.progress import Progress
from m4jax.report.page import write


def read(job: Job, progress: Progress) -> None:
    """Opens what is audited, and the earlier audit, so that what is wrong is told at once."""
    config = job.config
    history.check(job.folder / HISTORY)
    for place, one in enumerate(config.every_set):
        progress(f"read {one.title}", place, len(config.every_set))
        job.sets.append(known.open_set(one, config, progress))
        job.unknown += job.sets[-1].unknown
    usual = audit_prompts.load(config.prompts)
    if config.texts:
        _stored_texts(job, usual)
    else:
        job.prompts = stored.with_wordings(usual, config.wordings)
    if config.model:
        looking.open_model(job)
    begin(job)


def _stored_texts(job: Job, usual: audit_prompts.AuditPrompts) -> None:
    table, told = stored.read(job.config.texts)
    captions = (x for one in job.sets for texts in one.shown.captions for x in texts)
    job.prompts = stored.prompts(table, job.config, usual, captions)
    job.texts = table.texts(job.config.logit_scale)
    job.model_identity = files.digest([files.fingerprint(x) for x in job.config.texts], 64)
    if not job.prompts.attributes:
        told.append(
            "no stored texts stand for the values of an attribute; name some in config.wordings"
        )
    job.unknown += told
    for one in job.sets:
        if one.vectors is not None:
            measuring.same_width(one, len(table.values[0]))


def begin(job: Job) -> None:
    """Notes that the audit has begun, or finds that it had; reads what it is compared with.

    Where an audit takes the place of an earlier one in its folder, that one's numbers are kept as
    `before.parquet`, for `--against` the folder itself.
    """
    path, own = job.folder / BEGUN, job.folder / RESULTS
    try:
        begun = files.read_sealed(path) if path.exists() else {}
    except DamagedError:
        begun = {}
    wanted = job.config.date or begun.get("date", "")
    if begun.get("identity") != job.identity or begun["date"] != wanted:
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0, tzinfo=None)
        begun = {"identity": job.identity, "date": job.config.date or now.isoformat()}
        if own.exists():
            shutil.copyfile(own, job.folder / BEFORE)
        files.write_sealed(path, begun)
    job.date = begun["date"]
    if job.against is not None:
        same = job.against.resolve() == job.folder.resolve()
        path = job.against / (BEFORE if same else RESULTS)
        if same and not path.exists():  # the first of those that a schedule makes
            job.tell("The first audit in this folder: there is none to compare with yet.")
        else:
            job.before = results.read(path)


def embed(job: Job, progress: Progress) -> None:
    """Gathers the embeddings of pictures, and what a model is asked about."""
    for one, its in zip(job.sets, job.config.every_set, strict=True):
        embedded = measuring.stored(one)
        if embedded is None and job.looker is not None and its.data:
            embedded = looking.look(job, one, progress)
        if embedded is None and not one.predictions:
            continue
        texts = None if embedded is None else job.texts
        job.pictures.append(measuring.picture_set(one, embedded, texts))
        job.unknown += measuring.told(one, job.pictures[-1])
    if job.config.blurred:
        job.blurred = looking.look_again(job, progress)


def measure(job: Job, progress: Progress) -> None:
    """Measures what is asked of the data and of the model, set by set."""
    config, first = job.config, job.sets[0]
    if first.shown.attributes or first.collection is not None:
        job.data = measure_data(
            first.shown,
            DataSettings(
                resampling=config.settings, band=config.band, duplicates=config.duplicates
            ),
            collection=first.collection,
            progress=progress,
        )
        job.measures += job.data.measures
    progress("ask the model", 0, 1)
    if job.looker is not None:
        job.looker.progress = progress
    job.measures += measuring.measure(job.pictures, job.texts, job.prompts, config, job.blurred)


def judge(job: Job, progress: Progress) -> None:
    """Checks the limits, compares with the earlier audit, and writes the results."""
    progress("limits and changes", 0, 1)
    labels = {name for one in job.sets for name in one.shown.labels} | set(job.prompts.classes)
    job.limits = limits.check(job.config.limits, job.measures, labels, job.config.level)
    if job.before is not None:
        job.changes = changes.compare(
            job.measures, job.before.measures, level=job.config.level, metrics=job.config.compared
        )
    results.write(job.folder / RESULTS, Results(tuple(job.measures), facts(job)))


def show(job: Job, progress: Progress) -> None:
    """Adds to the history, writes the page and the record; the audit is over then."""
    progress("page", 0, 1)
    if job.config.show_pictures:
        job.examples = examples.examples(job)
    entry = Entry(job.date, job.identity, job.data_identity, job.model_identity)
    headline = showing.headline(showing.page(job))
    every = history.append(job.folder / HISTORY, entry, history.rows(entry, headline, job.limits))
    job.page = showing.page(job, every)
    write(job.folder / PAGE, job.page)
    files.write_sealed(job.folder / RECORD, record(job))
    (job.folder / BEGUN).unlink(missing_ok=True)


def facts(job: Job) -> dict[str, Any]:
    """Returns what an audit's numbers are of; dates and paths are no part of it."""
    return {"audit": job.identity, "data": job.data_identity, "model": job.model_identity,
            "prompts": job.prompts.version, "level": job.config.level}  # fmt: skip


def record(job: Job) -> dict[str, Any]:
    """Returns what was audited and how, for those who look it up later."""
    return {
        "date": job.date,
        "command": job.command,
        "exit_code": limits.code(job.limits),
        **facts(job),
        "sets": {one.shown.name: {"examples": len(one.shown), "identity": one.identity,
                                  "left_out": dict(getattr(one.collection, "left_out", {}))}
                 for one in job.sets},
        "unknown": list(job.unknown),
        "versions": dict(showing.versions(job)),
        "settings": dataclasses.asdict(job.config),
    }  # fmt: skip


STAGES: dict[str, Callable[[Job, Progress], None]] = {
    "read": read,
    "embed": embed,
    "measure": measure,
    "judge": judge,
    "show": show,
}
