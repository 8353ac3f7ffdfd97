"""Numbers of an audit in plain words, and which are told first."""

import dataclasses
import math

import pytest
from helpers.audit_page import RB, SHARE, STREET, UNTOLD, WOMEN, WORDED, by_label, measure, sample

from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page import Page, charts, numbers, sentences
from m4jax.report.page.sentences import headline, unknown
from m4jax.report.page.words import say


def mirrored(m):
    return dataclasses.replace(m, value=-m.value, low=-m.high, high=-m.low)


def test_a_clear_bias_is_said_with_its_side_and_without_a_sign():
    assert say(RB) == ("Pictures that show nobody are taken for a man’s 25 points more often than "
                       "an even split would have it (18 to 32), 159 pictures.")  # fmt: skip
    assert "25 points less often" in say(mirrored(RB)) and "(18 to 32)" in say(mirrored(RB))


def test_what_may_be_chance_is_not_told_as_a_finding():
    near = dataclasses.replace(RB, value=0.02, low=-0.05, high=0.09)
    assert say(near).startswith("Whether") and "can’t be told" in say(near)
    assert "+2.0 points" in say(near) and "(−5.0 to +9.0)" in say(near)
    uncorrected = measure("data", "gap", 0.02, 0.01, label="pilot", group="man − woman", p=0.2)
    assert say(uncorrected).startswith("Whether “pilot”")  # one of many tests
    found = dataclasses.replace(uncorrected, p=0.01)
    assert say(found, 40) == ("“pilot” is 2.0 points more frequent with “man” than with “woman” "
                              "(1.0 to 3.0). It is the clearest of 40.")  # fmt: skip


def test_shares_are_compared_with_one_half_only_where_that_was_tested():
    assert "even would be 50%" in say(SHARE)
    assert "even" not in say(dataclasses.replace(SHARE, p=math.nan, group="20-29"))


def test_what_cannot_be_told_is_said_with_its_reason():
    assert say(UNTOLD).endswith("can’t be told: only 3 pictures show nobody.")


@pytest.mark.parametrize("metric", ["never_heard_of", "gap_mean", "known", "accuracy"])
def test_every_kind_of_number_can_be_said(metric):
    told = say(measure("model", metric, 0.5, 0.1, group="man"))
    assert "nan" not in told and told.endswith(".")


def test_three_numbers_of_different_kinds_are_told_first():
    told = headline(sample())
    assert len(told) == 3
    assert [x.measure.metric for x in told] == ["representation_bias", "accuracy", "share"]
    assert told[0].measure == STREET and told[1].measure == WOMEN  # most pictures, worst group
    assert "of all: the clearest difference of 40 labels" in told[2].text


def test_nothing_untold_and_no_other_wording_is_told_first():
    shown = Page("Audit", measures=(UNTOLD, WORDED))
    assert headline(shown) == ()


def test_a_label_is_told_first_only_if_it_stands_out():
    dull = [measure("data", "gap", 0.001 * i, 0.02, label=f"l{i}", group="man − woman", p=0.9)
            for i in range(9)]  # fmt: skip
    assert headline(Page("Audit", measures=tuple(dull))) == ()
    one = measure("data", "gap", 0.1, 0.02, label="it", group="man − woman", p=0.01)
    assert headline(Page("Audit", measures=(*dull, one)))[0].measure is one


def test_beside_a_number_stand_other_sets_and_wordings():
    told = sentences.elsewhere(RB, (RB, STREET, WORDED, UNTOLD))
    assert told == "Another set: +42.0; another wording: +12.0"
    assert sentences.elsewhere(WOMEN, (RB, WOMEN)) == ""
    assert "compare models on the same ones" in sentences.elsewhere(RB, (RB,))


def test_reasons_that_differ_in_numbers_alone_are_told_once():
    few = [Measure("data", "share", "photos", "gender", "man", f"l{i}", n=i,
                   note=f"{i} examples, expected 20 or more") for i in range(9)]  # fmt: skip
    told = unknown(Page("Audit", unknown=("Age.",), measures=tuple(few)))
    assert told == ["Age.", "Share of the data, 9 labels, such as “l0”: 0 examples, "
                            "expected 20 or more."]  # fmt: skip


def test_numbers_have_true_signs_and_no_negative_zero():
    assert numbers.number(-0.04, 1, sign=True) == "0.0"
    assert numbers.number(-1234.5, 1) == "−1,234.5"
    assert numbers.number(0.3, 1, sign=True) == "+0.3"
    assert numbers.number(math.nan, 1) == numbers.UNTOLD
    assert numbers.Writer("percent", [0.752]).full(0.752) == "75.2%"
    assert numbers.Writer("points", [0.001], sign=True).full(0.001) == "+0.10 points"
    assert [numbers.chance(p) for p in (1e-9, 0.012, 0.4, math.nan)] == [
        "<0.001", "0.012", "0.40", ""]  # fmt: skip


@pytest.mark.parametrize("scale", [1e-7, 0.003, 0.97, 1.0, 12.0, 4.1e8])
def test_scales_hold_their_values_and_are_round(scale):
    top = charts.nice(scale)
    assert scale <= top <= 1.7 * scale and float(f"{top:.2g}") == top


def test_bars_keep_order_and_middle():
    told = by_label()
    gaps = [m for m in told if m.metric == "gap"]
    scale = charts.scale_of(gaps)
    middle = float(scale.place(0.0))
    assert middle == charts.WIDTH / 2
    for m in gaps:
        low, value, high = (float(scale.place(x)) for x in (m.low, m.value, m.high))
        assert low <= value <= high and (value > middle) == (m.value > 0)


def test_one_far_off_bar_does_not_hide_the_others():
    many = [measure("data", "gap", 0.001, 0.01, label=str(i), p=0.5) for i in range(200)]
    far = measure("data", "gap", 0.5, 0.3, label="far", p=0.5)
    scale = charts.scale_of([*many, far])
    assert scale.high < 0.05
    assert charts.bar(far, scale).count("l4 3") == 1  # it ends in an arrow
