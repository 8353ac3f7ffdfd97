"""Audits the real CLIP ViT-B/32 from embeddings that were published, and two CLIPs on FairFace.

    M4JAX_REAL=... python -m experiments.audit_clip --config=configs/audit_clip.py \
        --workdir=results/audit-clip-b32

brings what was published into the form that `experiments.audit` takes, runs that audit, draws
figures of its results, and writes the tables of `README.md` between their marks. No pictures and
no captions stay in the folder. A minute or two.
"""

import contextlib
import dataclasses
import functools
import tempfile
from pathlib import Path

from rich.console import Console

from experiments import audit_clip_figures, audit_clip_material, command
from m4jax import progress, settings
from m4jax.audit.config import AuditConfig
from m4jax.audit.job import BEFORE, HISTORY, PAGE, RESULTS, Job
from m4jax.audit.outcome import results
from m4jax.audit.stages import STAGES

COMMAND = (
    "M4JAX_REAL=... python -m experiments.audit_clip --config=configs/audit_clip.py "
    "--workdir=results/audit-clip-b32"
)
# "a boy" and "a girl" are the other wording that is stored.
WORDINGS = (("gender", "man", "a Man", "a Boy"), ("gender", "woman", "a Woman", "a Girl"))
FACES = {
    "attributes": (("race", "race"), ("gender", "gender"), ("age", "age")),
    "predictions": (("gender", "gender_preds"),),
}


@dataclasses.dataclass(frozen=True)
class ClipConfig:
    """How it is audited."""

    resamples: int = 1000  # of the bootstrap
    date: str = "2026-11-27"  # of the audit, as the page says it


def main(console: Console) -> int:
    """Audits, draws, writes."""
    config = settings.record(ClipConfig, command.config(), "config", "configs/audit_clip.py")
    folder = command.workdir()
    root = audit_clip_material.root().absolute()
    # In a folder of its own, so that nothing says where it lay.
    with tempfile.TemporaryDirectory() as spare, contextlib.chdir(spare):
        audit_clip_material.write(root, Path())
        job = Job(audit_config(config), folder, command=COMMAND, tell=console.print)
        stages = {name: functools.partial(work, job) for name, work in STAGES.items()}
        progress.run_stages(console, stages)
    found = results.read(folder / RESULTS).measures
    audit_clip_figures.draw(found, folder)
    audit_clip_figures.write_tables(found, folder / "README.md")
    for name in (BEFORE, HISTORY):  # of one audit: the page has it
        (folder / name).unlink(missing_ok=True)
    console.print(f"Page: {folder / PAGE}", soft_wrap=True)
    return 0


def audit_config(config: ClipConfig) -> AuditConfig:
    """Returns the configuration of the audit, of files as `audit_clip_material` writes them."""
    names = audit_clip_material
    pictures = [
        {"name": names.DOGS, "embeddings": "dogs.npz", "table": "dogs.csv", "nobody": "nobody"},
        {"name": names.OTHERS, "embeddings": "others.npz", "table": "others.csv",
         "nobody": "nobody"},
        {"name": names.HUNDRED, "embeddings": "hundred.npz", "table": "hundred.jsonl"},
    ]  # fmt: skip
    faces = [
        {"name": name, "table": table, **FACES} for name, table in names.FACES.items()
    ]  # fmt: skip
    return AuditConfig(
        name=names.THOUSAND,
        embeddings="thousand.npz",
        table="thousand.jsonl",
        sets=(*pictures, *faces),
        texts=("openimages.npz", "lvis.npz", "captions.npz"),
        wordings=WORDINGS,
        resamples=config.resamples,
        show_captions=False,
        title="CLIP ViT-B/32, from its published embeddings, and two CLIPs’ answers on FairFace",
        date=config.date,
    )


if __name__ == "__main__":
    command.run(main)
