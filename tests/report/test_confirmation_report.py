"""The confirmation's report on a made-up complete study: all is there, and of the right runs."""

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import confirmation_results as made
from helpers import tables_of_results
from rich.console import Console

from configs import confirmation
from m4jax.grid.cells import levels
from m4jax.report import (
    claims,
    claims_brief,
    claims_report,
    claims_table,
    confirmation_questions,
    data_means,
    figures_confirmation,
    paper_beside,
    questions,
    show,
    studies,
    tables,
)
from m4jax.report.contrasts import Runs

SEEDS = confirmation.SEEDS[:6]
STUDY = studies.find("confirmation")
FIRST = Path(__file__).parents[2] / "results" / "ablation-laptop" / "claims.md"


@pytest.fixture(scope="module")
def whole():
    found = dataclasses.replace(made.table(SEEDS), levels=levels(made.grid()))
    return data_means.over_seeds(dataclasses.replace(found, registration="abc123"))


@pytest.fixture(scope="module")
def by_claim(whole):
    return claims.test(whole, STUDY.claims)


def test_every_contrast_has_a_run_of_each_seed(by_claim):
    assert {f.effect.n for of in by_claim.values() for f in of} == {len(SEEDS)}


def test_every_line_of_every_question_has_runs(whole):
    runs = Runs(whole)
    for question in confirmation_questions.QUESTIONS:
        lines = question.lines(whole)
        for metric in question.metrics.values():
            counts = {line: len(runs.pairs(x, metric).values) for line, x in lines.items()}
            assert set(counts.values()) == {len(SEEDS)}, (question.text, metric.name)
    stages = list(confirmation_questions.QUESTIONS[3].lines(whole))
    assert len(stages) == 2 * 16  # four shares, two rates, two starts; against two bounds


def test_every_figure_can_be_drawn_and_is_told_of(whole):
    drawn = {name: draw(whole) for name, draw in figures_confirmation.FIGURES.items()}
    assert None not in drawn.values() and "paper_2_top" not in drawn
    assert set(figures_confirmation.CAPTIONS) - {"claims"} == set(drawn)
    for name, (_, rows) in drawn.items():
        assert {row["n"] for row in rows if "n" in row} <= {len(SEEDS)}, name
    stages = {row["contrast"] for row in drawn["paper_2_bottom"][1]}
    assert {f"balanced: {share}%" for share in (0, 60, 80, 90, 95)} <= stages


def test_contrasts_of_equal_words_are_told_apart(by_claim):
    figure, rows = claims_table.at_a_glance(by_claim)
    panels = {
        ax.get_title(loc="left") or ax.get_title(): [x.get_text() for x in ax.get_yticklabels()]
        for ax in figure.axes
    }
    (sizes,) = (labels for title, labels in panels.items() if "of its size" in title)
    labels = [x for of in panels.values() for x in of if of is not sizes]
    tested = [f for of in by_claim.values() for f in of if f.tested]
    assert len(labels) == len(set(labels)) == len(tested) == 44
    assert sizes == [x for x in labels if x.split()[0] in ("4.3", "4.4", "A.3", "A.4")]
    assert len({row["part"] for row in rows}) == len(rows) == 45
    assert len({(r["part"], r["seed"]) for r in claims_table.pairs(by_claim)}) == 45 * len(SEEDS)


def test_the_report_tells_all_in_its_order(whole, by_claim):
    text = claims_report.markdown(whole, by_claim, STUDY)
    order = ["## In short", "*What this hangs on.*", "## What was trained", "a tiny CLIP",
             "## Terms", "- *m*: ", "## The claims\n", "| first study |", "How to read",
             "| balanced − parity [95%] |", "figures/claims.png", "**1. ", "*The paper:*",
             "*Against it:*", "## How the verdicts come about", "abc123", "Figures: ",
             "## Levels", "mild, balanced", "## 1. ", "| 4.2 |RB| after", "of its own |",
             "## Reported beside, not tested", "### Retrieval", "## Stricter analyses",
             "## Other readings", "## Bias of the training data",
             "## The paper's figures, one by one", "## What could have been seen",
             "## What the testbed can't tell"]  # fmt: skip
    places = [text.index(words.replace("|RB|", r"\|RB\|")) for words in order]
    assert places == sorted(places)
    for claim in STUDY.claims:
        line = next(x for x in text.splitlines() if x.startswith(f"| {claim.number} | "))
        words = STUDY.brief[claim.number].earlier
        told = claims_table.told_of(claim, by_claim[claim.number])
        assert f"| **{told}**" in line and f" | {words} | {claim.number}.1 " in line
        decide = sum(part.decides for part in claim.parts)
        assert line.count("<br>") >= decide - 1 and f"{claim.number}.{decide} " in line
    assert " nan" not in text and "acc1" not in text and "recall@1" not in text
    assert "the same with" not in text and "paper_2_top" not in text


def test_an_ended_study_says_so(whole, by_claim):
    part = "12 of 20 seeds, no more could be run"
    assert f"**Incomplete: {part}.**" in claims_report.markdown(whole, by_claim, STUDY, part=part)


def test_the_first_study_said_what_is_told_of_it():
    text = FIRST.read_text(encoding="utf-8")
    verdicts = dict(re.findall(r"^\| (\w+) \| .*? \| \*\*(.*?)\*\* \|", text, re.M))
    for number, words in STUDY.brief.items():
        if number in verdicts:
            assert words.earlier == verdicts[number]
        for interval in re.findall(r"[+−\d.]+ \[[^]]*\]", words.first):
            assert interval in text, (number, interval)
    assert set(verdicts) == {claim.number for claim in STUDY.claims} - set("ABC")


def test_signs_that_differ_are_counted_by_seed(by_claim):
    claim = STUDY.claims[1]
    finding = dataclasses.replace(by_claim["2"][0], verdict="supported")
    values = finding.pairs.values.copy()
    values[:2] = 0.01  # above zero, where the claim says below
    pairs = dataclasses.replace(finding.pairs, values=values)
    told = [dataclasses.replace(finding, pairs=pairs), *by_claim["2"][1:]]
    (*_, text) = claims_brief.paragraphs([claim], {"2": told}, STUDY.brief, {"2": ("Beside.",)})
    assert f"*Seeds that say the opposite:* 2 of {len(SEEDS)} in 2.1" in text
    assert f"*Beside it, not tested:* Beside. *Against it:* {claim.limits} *Seeds" in text
    (*_, text) = claims_brief.paragraphs([claim], {"2": by_claim["2"]}, STUDY.brief, {})
    assert "Beside it" not in text and "*Seeds" not in text


def test_data_of_all_seeds_are_one(whole, by_claim):
    rows = data_means.by_levels(whole)
    assert len({tuple(row[name] for name in whole.factors) for row in rows}) == len(rows)
    original = next(r for r in tables.data_table(whole.plain) if r["version"] == "original")
    every = [0.2 + 0.001 * (seed % 7) for seed in SEEDS]
    assert original["representation_bias"] == pytest.approx(np.mean(every))
    assert any("mild" in line for line in confirmation_questions.data_bias(whole, by_claim))


def test_data_of_one_world_stay_as_they_are():
    table = tables_of_results.table(tables_of_results.plausible_rows())
    assert data_means.over_seeds(table) is table


def test_data_without_a_value_are_left_out_of_the_mean():
    rows = [
        tables_of_results.row("data", "original", "keep_rate", value, seed=seed, n=n)
        for seed, (value, n) in enumerate([(0.5, 10), (np.nan, 20), (0.7, 30)])
    ]
    found = data_means.over_seeds(tables_of_results.table(rows))
    assert len(found) == 1 and found["value"][0] == pytest.approx(0.6)
    assert (found["n"][0], found["seed"][0]) == (20, -1)


def test_ours_stand_beside_the_papers(whole, by_claim):
    lines = paper_beside.section(whole, by_claim)
    assert sum("figures/paper_" in line for line in lines) == len(paper_beside.KNOWN)
    (gender,) = (line for line in lines if "paper_4" in line)
    assert re.search(r"gender 7\d\.\d → 7\d\.\d; gender, people at work ", gender)


def test_all_is_written(whole, tmp_path, monkeypatch):
    few = dataclasses.replace(STUDY, figures={"sizes": figures_confirmation.sizes}, questions=())
    monkeypatch.setitem(studies.STUDIES, "confirmation", few)
    console = Console(file=io.StringIO(), width=100)
    show.registered(whole, tmp_path, console, study="confirmation", part="6 of 20 seeds")
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert written >= {"claims.md", "figures/claims.png", "figures/sizes.csv", "tables/data.csv",
                       "tables/claims.csv", "tables/pairs.csv"}  # fmt: skip
    assert "Larger models" in console.file.getvalue()
    assert questions.rows(whole, few.questions) == []
