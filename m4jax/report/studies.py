"""Studies by name: the claims, the questions and the words of each.

A grid's configuration names its own in `config.claims`; without one it is `DEFAULT`.
"""

from dataclasses import dataclass

from m4jax.errors import InputError, nearest
from m4jax.report import (
    confirmation_claims,
    confirmation_words,
    paper_claims,
    study_beside,
    study_questions,
    study_words,
)
from m4jax.report.claims import Claim
from m4jax.report.questions import Question

DEFAULT = "ablation"


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
    ),
    "confirmation": Study(
        title="The confirmation",
        subject=confirmation_words.SUBJECT,
        claims=confirmation_claims.CLAIMS,
        terms=confirmation_words.TERMS,
        limits=confirmation_words.LIMITS,
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
