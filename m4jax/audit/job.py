"""An audit under way: its settings, what was read, what was found."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m4jax import files
from m4jax.audit.config import AuditConfig
from m4jax.audit.data.part import DataPart
from m4jax.audit.inputs.known import Known
from m4jax.audit.outcome.results import Results
from m4jax.evaluation.measures import word_lists
from m4jax.evaluation.measures.measure import VERSION, Measure
from m4jax.evaluation.measures.pictures import PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.report.page.content import Change, Example, Limit, Page

RESULTS, BEFORE, PAGE = "results.parquet", "before.parquet", "report.html"
HISTORY, RECORD, BEGUN = "history.parquet", "audit.json", "begun.json"
# Settings that change no number: what is made of them, and paths, for which contents stand.
SHOWN = (
    "date",
    "title",
    "show_pictures",
    "show_captions",
    "limits",
    "compared",
    "batch_size",
    "check_language",
)
PATHS = ("data", "model", "embeddings", "table", "annotation", "texts", "sets", "blurred",
         "tokenizer")  # fmt: skip


@dataclasses.dataclass
class Job:
    """An audit under way; what is empty at first is filled by the stages.

    Attributes:
        config: its settings.
        folder: of everything that is written.
        against: the folder of an earlier audit; None: there is none to compare with.
        command: with which it was started.
        tell: prints a line.
        date: ISO 8601, UTC.
        before: the numbers of the earlier audit.
        sets: of examples, with what is known of them.
        pictures: as the model is asked about them.
        texts: embeds texts; None: there are none.
        prompts: what is asked.
        looker: the model that embeds pictures and texts (`model.Model`); None: there is none.
        blurred: the first set's pictures, their backgrounds blurred; None: there are none.
        model: what to call the model; "".
        model_identity: a hash of the model, or of the stored texts.
        measures: all numbers.
        data: what was found of the data.
        limits: whether they hold.
        changes: since the earlier audit.
        unknown: what is not known, a sentence each.
        examples: pictures to show.
        page: as it was written.
    """

    config: AuditConfig
    folder: Path
    against: Path | None = None
    command: str = ""
    tell: Callable[[str], None] = print
    date: str = ""
    before: Results | None = None
    sets: list[Known] = dataclasses.field(default_factory=list)
    pictures: list[PictureSet] = dataclasses.field(default_factory=list)
    texts: Texts | None = None
    prompts: AuditPrompts | None = None
    looker: Any = None
    blurred: PictureSet | None = None
    model: str = ""
    model_identity: str = ""
    measures: list[Measure] = dataclasses.field(default_factory=list)
    data: DataPart | None = None
    limits: list[Limit] = dataclasses.field(default_factory=list)
    changes: list[Change] = dataclasses.field(default_factory=list)
    unknown: list[str] = dataclasses.field(default_factory=list)
    examples: list[Example] = dataclasses.field(default_factory=list)
    page: Page | None = None

    @functools.cached_property
    def data_identity(self) -> str:
        """A hash of all sets, and of what is known of them."""
        return files.digest([one.identity for one in self.sets], 64)

    @functools.cached_property
    def identity(self) -> str:
        """A hash of inputs, settings and versions: the same ones give the same numbers."""
        settings = {x: y for x, y in vars(self.config).items() if x not in SHOWN + PATHS}
        words = word_lists.load(self.config.words).digest if self.config.words else ""
        asked = [self.prompts.digest, words, VERSION]
        parts = [settings, self.data_identity, self.model_identity, asked]
        return files.digest(parts, 64)
