"""What the confirmation's report says beside its claims is of the runs, and of all that it says."""

import dataclasses

import numpy as np
import pytest
from helpers import confirmation_results as made

from configs import confirmation
from m4jax.evaluation.metrics import AB, GENDER_AT_WORK
from m4jax.grid.cells import levels
from m4jax.report import claims, confirmation_beside, data_means
from m4jax.report.claims_report import _twins
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.contrasts import BALANCED, ORIGINAL, Runs, difference

SEEDS = confirmation.SEEDS[:6]


@pytest.fixture(scope="module")
def whole():
    return data_means.over_seeds(dataclasses.replace(made.table(SEEDS), levels=levels(made.grid())))


@pytest.fixture(scope="module")
def by_claim(whole):
    return claims.test(whole, CLAIMS)


@pytest.fixture(scope="module")
def notes(whole, by_claim):
    return {number: " ".join(of) for number, of in
            confirmation_beside.notes(whole, by_claim).items()}  # fmt: skip


def test_levels_stand_beneath_the_table(whole, by_claim):
    lines = confirmation_beside.levels(whole, by_claim)
    (row,) = (line for line in lines if line.startswith("| mean |AB| "))
    cells = row.replace("|AB|", "AB").split(" | ")
    runs = Runs(whole)
    means = [100 * runs.means(x, [AB])["S/16 64"][0] for x in (ORIGINAL, BALANCED)]
    assert [float(cell) for cell in cells[1:3]] == pytest.approx(means, abs=0.051)
    assert cells[-1].startswith("0.5 (") and "[" in cells[-2]
    share = int(cells[-1].split("(")[1].split("%")[0])
    assert share == pytest.approx(50 / means[0], abs=1)
    assert sum(line.startswith("| ") for line in lines) == 2 + len(confirmation_beside.GIST)


def test_gender_at_work_stands_beside_claim_8(whole, notes):
    effect = Runs(whole).pairs(difference(BALANCED, ORIGINAL, free=()), GENDER_AT_WORK).effect()
    assert f"{100 * effect.mean:+.1f} [".replace("-", "−") in notes["8"]
    assert "not registered" in notes["8"]


def test_what_is_kept_is_told_where_it_differs(notes):
    assert "A.1 compares " in notes["A"] and "C.2 compares " in notes["C"]
    assert "subsample" in notes["C"] and "effective sample size" in notes["3"]


def test_that_a_harm_is_presupposed_is_told_only_if_none_is_shown(whole, by_claim):
    for verdict, said in (("undecided", True), ("supported", False)):
        of = [dataclasses.replace(x, verdict=verdict) for x in by_claim["6b"]]
        found = confirmation_beside.notes(whole, {**by_claim, "6b": of})
        assert bool(found["7"]) == said


def test_shares_are_of_what_balancing_takes_away(whole, notes):
    runs = Runs(whole)
    stages = ({}, {"stage": "last 10%"})
    whole_way, late = (
        np.mean(runs.pairs(difference(BALANCED | x, ORIGINAL, free=()), AB).values) for x in stages
    )
    assert f"and {late / whole_way:.0%} of mean |AB|" in notes["5"]


def test_without_such_runs_nothing_is_said(whole, by_claim):
    none = data_means.over_seeds(whole.select(version="caps"))
    assert confirmation_beside.levels(none, by_claim) == []
    of = confirmation_beside.notes(none, by_claim)
    assert not any(of[number] for number in ("2", "3", "5", "8", "A"))


def test_contrasts_that_are_nearly_one_are_named(by_claim):
    first, second, *others = by_claim["5"]
    twin = dataclasses.replace(second, pairs=first.pairs)
    assert "5.1 and 5.2: 1.00" in " ".join(_twins({"5": [first, twin, *others]}))
    turned = dataclasses.replace(first.pairs, values=np.tile([1.0, -1.0], 3))
    apart = dataclasses.replace(first.pairs, values=np.repeat([1.0, -1.0], 3))
    pair = [dataclasses.replace(first, pairs=x) for x in (turned, apart)]
    assert _twins({"5": pair}) == []


def test_what_the_filter_does_elsewhere_is_told_beside_claim_a(whole, notes):
    noisy, on = {"captions": "noisy"}, {"filter": "on"}
    runs = Runs(whole)
    contrast = difference(ORIGINAL | noisy | on, ORIGINAL | noisy, free=())
    effect = runs.pairs(contrast, AB).effect()
    assert f"too: {100 * effect.mean:+.1f} [".replace("-", "−") in notes["A"]


def test_means_on_the_side_of_the_claim_are_counted(by_claim, notes):
    claimed = sum(f.effect.mean < 0 for f in by_claim["6b"])
    assert notes["6b"].startswith(f"{claimed} of 4 means")
