"""What is told beyond the paper's claims: the right runs compared, in all scales."""

import numpy as np
import pytest
from helpers.ablation_results import results_of

from configs import ablation
from m4jax.evaluation.metrics import AB, RB
from m4jax.grid.cells import expand
from m4jax.report import contrasts, questions, studies
from m4jax.report.study_questions import QUESTIONS


def section(table):
    heading, before = studies.find("ablation").asked
    return questions.markdown(table, QUESTIONS, heading=heading, before=before)


def known(cell, metric):
    """A world in which each factor adds something of its own to RB, and half of it to AB."""
    size = {"2,000": 0.01, "250,000": -0.02}.get(cell.factors["data"], 0.0)
    noise = contrasts.size(cell.factors["noise"]) / 1000
    switch = {"on": 0.03, "balanced scorer": 0.05}.get(cell.factors["filter"], 0.0)
    draw = 0.04 * (cell.factors["draw"] == "second")
    of = {"balanced": -0.2 + size + noise + draw + switch, "census": -0.1, "oracle": -0.3}
    x = 0.5 + of.get(cell.version, 0.0) + (switch if cell.version == "original" else 0.0)
    return {RB: x, AB: x / 2}.get(metric, 0.7)


@pytest.fixture(scope="module")
def table():
    return results_of(expand(ablation.get_config().to_dict()), known, noise=0)


@pytest.fixture(scope="module")
def rows(table):
    return {
        (r["compared"], r["metric"]): r
        for r in questions.rows(table, QUESTIONS)
        if r["split"] != "shift"
    }


@pytest.mark.parametrize(
    ("compared", "change"),
    [
        ("a random subsample of the same size − original", 0.0),
        ("the same weights, shuffled − original", 0.0),
        ("the world at parity (oracle) − original", -0.3),
        ("balanced towards the census − original", -0.1),
        ("balanced with 0% of the genders wrong − original", -0.2),
        ("balanced with 40% of the genders wrong − original", -0.16),
        ("balanced − original, examples: 2,000", -0.19),
        ("subsample − original, examples: 2,000", 0.0),
        ("balanced − original, examples: 250,000", -0.22),
        ("first draw: balanced − original", -0.2),
        ("second draw: balanced − original", -0.16),
        ("on original data: with filter − without", 0.03),
        ("on original data: with filter by a model of balanced data − without", 0.05),
        ("on balanced data: with filter − without", 0.03),
        ("on balanced data: with filter by a model of balanced data − without", 0.05),
        ("with no filter: balanced − original", -0.2),
        ("with filter: balanced − original", -0.2),
        ("with filter by a model of balanced data: balanced − original", -0.2),
        ("with filter and SigLIP: balanced − original", -0.2),
        ("on original data: clean captions − noisy ones", 0.0),
        ("B/8 128: balanced − original", -0.2),
    ],
)
def test_each_line_compares_what_it_says(rows, compared, change):
    for metric, share in ((RB, 1.0), (AB, 0.5)):
        row = rows[compared, metric.name]
        assert row["mean"] == pytest.approx(share * change, abs=1e-9) and row["n"] >= 3
        assert row["low"] <= row["mean"] + 1e-9 and row["high"] >= row["mean"] - 1e-9


def test_every_question_is_told_once_with_its_numbers(table):
    text = "\n".join(section(table))
    for question in QUESTIONS:
        assert text.count(f"### {question.text}") == 1
    # Balancing changes RB by −20 points with the first template and by −40 with the second.
    assert "and what balancing changes of it from −40.0 to −20.0" in text
    assert "30% of the pairs that a model trained on the same noisy pairs leaves out, 60%" in text
    assert text.count("(recall)") == 2
    for line in text.splitlines():
        if line.startswith("| "):
            assert line.endswith("|")


def test_only_intervals_without_zero_are_bold(table):
    noisy = results_of(expand(ablation.get_config().to_dict()), known, noise=0.01)
    told = [line for line in section(noisy) if line.startswith("| balanced − original")]
    assert told[0].startswith("| balanced − original | **−")
    changes = [line for line in section(noisy) if "shuffled − original" in line]
    row = next(r for r in questions.rows(noisy, QUESTIONS) if "shuffled" in r["compared"])
    assert ("**" in changes[0].split("|")[2]) == (row["low"] > 0 or row["high"] < 0)


def test_at_the_papers_scale_what_there_is_is_told():
    table = results_of(expand(ablation.get_config("paper").to_dict()))
    compared = {row["compared"] for row in questions.rows(table, QUESTIONS)}
    assert "a random subsample of the same size − original" in compared
    assert not any("oracle" in name or "draw" in name.split() for name in compared)
    assert all(np.isfinite(row["mean"]) for row in questions.rows(table, QUESTIONS))


def test_of_a_study_of_something_else_nothing_is_section(table):
    assert section(table.select(version="oracle")) == []


def test_lines_that_name_no_model_are_of_the_default_one(table):
    for question in QUESTIONS:
        for line, contrast in question.lines(table).items():
            named = {x for terms in contrast.alternatives for _, of in terms for x in of}
            assert contrast.free == () and ("model" in {*named, *contrast.fixed}) == ("/" in line)
