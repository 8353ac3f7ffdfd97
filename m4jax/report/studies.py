"""Studies by name: the claims, the questions and the words of each.

A grid's configuration names its own in `config.claims`; without one it is `DEFAULT`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from m4jax.errors import InputError, nearest
from m4jax.evaluation.metrics import LEVELS, Metric
from m4jax.report import (
    confirmation_beside,
    confirmation_claims,
    confirmation_questions,
    confirmation_readings,
    confirmation_stricter,
    confirmation_summary,
    confirmation_words,
    figures_ablation,
    figures_confirmation,
    paper_beside,
    paper_claims,
    study_beside,
    study_questions,
    study_words,
)
from m4jax.report.claims import ByClaim, Claim
from m4jax.report.claims_brief import Told
from m4jax.report.contrasts import Levels
from m4jax.report.figures import Draw
from m4jax.report.questions import Question
from m4jax.report.results import Results

DEFAULT = "ablation"
Section = Callable[[Results, ByClaim], list[str]]  # lines of Markdown, none if there is nothing


@dataclass(frozen=True)
class Study:
    """What is asked of the runs of a study, and what is told beside the answers.

    Attributes:
        title: heading of `claims.md`.
        subject: what the models say something of; ends the sentence that begins with their number.
        claims: that are tested, as one family.
        terms: what words mean.
        limits: what no contrast can tell.
        testbed_limits: likewise, where the runs are of the testbed.
        history: how the tests came about, in paragraphs.
        beside: a table that stands beside the verdicts; None: there is none.
        questions: beyond the claims, not tested.
        asked: heading of their section, and what it says before them.
        brief: number of a claim -> what is told of it to readers with five minutes; empty: the
            report has no such part, nor any of the next four.
        on_top: sections before everything else.
        background: what was trained, for readers who know nothing of it.
        under_table: sections that belong to the table of claims.
        notes: number of a claim -> sentences on what is reported beside it, given the findings.
        columns: of the table of levels, heading -> the levels of the runs.
        metrics: its lines.
        more: sections of the study alone.
        figures: name -> what draws it, beside that of the claims.
        captions: name -> what the figure shows.
    """

    title: str
    subject: str
    claims: tuple[Claim, ...]
    terms: tuple[str, ...]
    limits: tuple[str, ...] = ()
    testbed_limits: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    beside: Question | None = None
    questions: tuple[Question, ...] = ()
    asked: tuple[str, str] = study_words.ASKED
    brief: Mapping[str, Told] = field(default_factory=dict)
    on_top: tuple[Section, ...] = ()
    background: str = ""
    under_table: tuple[Section, ...] = ()
    notes: Callable[[Results, ByClaim], Mapping[str, Sequence[str]]] | None = None
    columns: Mapping[str, Levels] = field(default_factory=lambda: study_words.COLUMNS)
    metrics: tuple[Metric, ...] = LEVELS
    more: tuple[Section, ...] = ()
    figures: Mapping[str, Draw] = field(default_factory=lambda: figures_ablation.FIGURES)
    captions: Mapping[str, str] = field(default_factory=lambda: figures_ablation.CAPTIONS)


STUDIES = {
    DEFAULT: Study(
        title="The paper's claims",
        subject=study_words.SUBJECT,
        claims=paper_claims.CLAIMS,
        terms=study_words.TERMS,
        limits=study_words.LIMITS,
        testbed_limits=study_words.TESTBED_LIMITS,
        history=study_words.HISTORY,
        beside=study_beside.BESIDE,
        questions=study_questions.QUESTIONS,
        metrics=study_words.METRICS,
        more=(study_beside.along,),
    ),
    "confirmation": Study(
        title="The confirmation",
        subject=confirmation_words.SUBJECT,
        claims=confirmation_claims.CLAIMS,
        terms=confirmation_words.TERMS,
        limits=confirmation_words.LIMITS,
        questions=confirmation_questions.QUESTIONS,
        asked=confirmation_words.ASKED,
        brief=confirmation_words.BRIEF,
        on_top=(confirmation_summary.section,),
        background=confirmation_words.BACKGROUND,
        under_table=(confirmation_beside.levels, confirmation_stricter.hangs_on),
        notes=confirmation_beside.notes,
        columns=confirmation_questions.COLUMNS,
        metrics=confirmation_questions.METRICS,
        more=(
            confirmation_stricter.section,
            confirmation_readings.section,
            confirmation_questions.data_bias,
            paper_beside.section,
            confirmation_readings.objections,
        ),
        figures=figures_confirmation.FIGURES,
        captions=figures_confirmation.CAPTIONS,
    ),
}


def find(name: str) -> Study:
    """Returns the study of a name.

    Raises:
        InputError: if there is none.
    """
    if name not in STUDIES:
        raise InputError(f"claims: no study {name!r}; {nearest(name, STUDIES)}")
    return STUDIES[name]
