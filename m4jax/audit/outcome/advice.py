"""What an audit looked for, whether it found anything, and what to do next."""

import os
import shlex
from pathlib import Path

from m4jax.audit.annotating.by_source import options
from m4jax.audit.inputs.known import Known
from m4jax.audit.inputs.shown import LABEL_SETS
from m4jax.audit.job import Job
from m4jax.data.annotation import Lexicon
from m4jax.report.page.content import Step

MOST = 20  # labels of a command
COMMAND = "python -m experiments.audit "
KNOWN = "known"  # the metric of how much is known, which is no bias


def sought(job: Job) -> str:
    """Returns which attributes and labels were looked for, and how others can be."""
    config, shown = job.config, job.sets[0].shown
    parts = [f"{name} ({', '.join(x.names[:6])}{', …' if len(x.names) > 6 else ''})"
             for name, x in shown.attributes.items()]  # fmt: skip
    if shown.labels:
        by_lexicon = f" ({' and '.join(config.label_sets)} of the lexicon)" if shown.lexicon else ""
        occur = (shown.frequency > 0).sum()
        parts.append(f"{len(shown.labels):,} labels{by_lexicon}, of which {occur:,} occur")
    told = " and ".join(parts) or "nothing, since no caption and no column tells of anybody"
    missing = [name for name in LABEL_SETS if name not in config.label_sets]
    if shown.lexicon and missing:
        told += f'; {" and ".join(missing)}, too, with --config.label_sets="{LABEL_SETS!r}"'
    return (
        f"{told}. Nothing else, such as age or skin tone: columns of your own can tell it "
        "(--config.attributes, --config.labels), and a lexicon of your own what words name "
        "(--config.lexicon)."
    )


def nothing(job: Job) -> str:
    """Returns that nothing could be measured, why, and what to do; "" if something was."""
    if any(m.told and m.metric != KNOWN for m in job.measures):
        return ""
    attributes = job.sets[0].shown.attributes
    if not attributes:
        why = next(iter(job.unknown), "nothing is known of the examples")
        return f"Nothing could be measured: {why}."
    names = " or ".join(attributes)
    least = job.config.minimum
    known = max(int((x.codes >= 0).sum()) for x in attributes.values())
    why = f"{names} is known of {known:,} examples" if known else f"no example tells {names}"
    return (
        f"Nothing could be measured: {why}, and it takes {least:,} that are independent of each "
        "other. What helps: more examples, or a column that tells it, as in "
        f"--config.attributes=\"(('{next(iter(attributes))}', 'COLUMN'),)\"."
    )


def steps(job: Job) -> tuple[Step, ...]:
    """Returns what to do next, with commands that can be typed as they are."""
    if nothing(job):
        return ()
    first = job.sets[0]
    found = [*_annotated(job, first), *_model(job, first), *_watched(job)]
    return tuple(found)


def _annotated(job: Job, first: Known) -> list[Step]:
    """Returns how to check what captions were taken to tell, and how to balance by it."""
    config, shown = job.config, first.shown
    if not config.data or shown.lexicon is None or config.attributes or config.labels:
        return []
    lexicon, folder = shown.lexicon, _place(job.folder) / "annotated"
    annotate = _python("annotate", folder, files=(_place(Path(config.data)),),
                       caption=config.caption, uid=config.uid, split=config.split,
                       lexicon="" if config.lexicon == "en_v2" else config.lexicon)  # fmt: skip
    check = _python("check_annotation", folder)
    found = [
        Step(
            "Have a person check a sample of what the captions were taken to tell: errors there "
            "weaken what balancing does. The first command writes a table of it, the second a page "
            "of 200 examples to be answered.",
            (annotate, check),
        )
    ]
    decided = job.data.decided if job.data else ()
    columns = tuple(options(lexicon))
    if decided and columns:
        labels = tuple(_column(name, lexicon) for name in decided[:MOST])
        all_of = f"the {MOST} most frequent of the {len(decided):,}" if decided[MOST:] else "all"
        balance = _python("balance", _place(job.folder) / "balanced",
                          files=(folder / "examples.parquet",), attributes=columns,
                          labels=labels)  # fmt: skip
        found.append(
            Step(
                f"Balance {all_of} labels that the data can decide, after the first command above: "
                "weights, with a verdict on each share.",
                (balance,),
            )
        )
    return found


def _model(job: Job, first: Known) -> list[Step]:
    """Returns how to audit a model, where there are pictures and none was."""
    if job.pictures or first.collection is None or not first.collection.has_pictures:
        return []
    return [
        Step(
            "See what a model makes of these pictures: add --config.model=FOLDER to the command at "
            "the end of this page, a folder of Hugging Face or open_clip."
        )
    ]


def _watched(job: Job) -> list[Step]:
    """Returns how to watch the data, where no limits were set."""
    other = not job.command.startswith(COMMAND)  # which may have no such flags
    if job.limits or other or not any(m.metric == "gap" for m in job.measures):
        return []
    limits = "(('gap', '*', 0.05),)"
    folder = shlex.quote(str(_place(job.folder)))
    return [
        Step(
            "Watch them: the same command with limits, here gaps of at most 5 points, and with the "
            "audit that it is compared with. Its exit code is 1 if a limit does not hold, 3 if "
            "that can't be told.",
            (f'{job.command} --config.limits="{limits}" --against={folder}',),
        )
    ]


def _column(name: str, lexicon: Lexicon) -> str:
    """Returns what `experiments.annotate` calls a label of the lexicon."""
    if name.startswith("thing: "):
        return name
    return f"{'occupation' if name in lexicon.occupations else 'thing'}: {name}"


def _place(path: Path) -> Path:
    """Returns a path as it is typed where the audit ran, if it lies there."""
    here = Path(os.getcwd())
    whole = path.absolute()
    return whole.relative_to(here) if whole.is_relative_to(here) else path


def _python(name: str, workdir: Path, **config: object) -> str:
    """Returns a command; what is empty is left out."""
    parts = ["python", "-m", f"experiments.{name}", f"--config=configs/{name}.py"]
    parts.append(f"--workdir={shlex.quote(str(workdir))}")
    for field, value in config.items():
        if isinstance(value, tuple):
            texts = ", ".join(repr(str(x)) for x in value) + "," * (len(value) == 1)
            parts.append(f'--config.{field}="({_quoted(texts)})"')
        elif value:
            parts.append(f"--config.{field}={shlex.quote(str(value))}")
    return " ".join(parts)


def _quoted(text: str) -> str:
    """Returns a text as it stands between double quotes of a shell."""
    return "".join(f"\\{x}" if x in '\\"$`' else x for x in text)
