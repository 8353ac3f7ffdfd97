import math

import pytest
from helpers.tables_of_results import VERSIONS, changed, model_rows, plausible_rows, row, table

from m4jax.report import findings

AB, RB = "association_bias_mean", "representation_bias"


def told(rows, start):
    """The one sentence that starts so."""
    (sentence,) = [s for s in findings.sentences(table(rows)) if s.startswith(start)]
    return sentence


def pooled(rows, metric, version, value, half=0.01, *, seeds=None):
    """The rows with the value of a version, of its runs, and of its difference to the original."""
    split = {AB: "faces", RB: "objects", "association_correlation": "faces"}[metric]
    where = {"metric": metric, "version": version, "split": split}
    ends = {"value": value, "ci_low": value - half, "ci_high": value + half}
    rows = changed(rows, where | {"kind": "version"}, **ends)
    for seed, of_seed in enumerate(seeds or (value, value)):
        rows = changed(rows, where | {"kind": "run", "seed": seed}, value=of_seed)
    base = table(rows).one(kind="version", version="original", metric=metric, split=split).value
    change = value - base
    ends = {"value": change, "ci_low": change - half, "ci_high": change + half}
    return changed(rows, where | {"kind": "difference"}, **ends)


def bias(metric, before, after, half=0.01, *, seeds=None):
    rows = pooled(plausible_rows(), metric, "original", before)
    return told(pooled(rows, metric, "balanced", after, half, seeds=seeds), "With “balanced” data")


def test_at_most_seven_sentences_whatever_the_number_of_versions():
    rows = plausible_rows()
    assert len(findings.sentences(table(rows))) == 7
    more = [r | {"version": "third"} for r in rows if r["version"] == "balanced"]
    assert len(findings.sentences(table(rows + more))) == 7


def test_the_data_are_described_from_both_ends():
    sentence = told(plausible_rows(), "In the original data")
    assert "“mechanic” goes with men 7.2 points more often" in sentence
    assert "“childminder” goes with women 6.3 points more often" in sentence
    assert "men are 15.0 points above the share aimed at" in sentence


def test_data_that_lean_to_one_side_only():
    rows = [r | {"value": abs(r["value"])} if r["kind"] == "data" else r for r in plausible_rows()]
    sentence = told(rows, "In the original data")
    assert "goes with women" not in sentence
    sentence = told([r | {"value": -r["value"]} if r["kind"] == "data" else r for r in rows], "In")
    assert "goes with men" not in sentence and "15.0 points below" in sentence


def test_a_model_that_repeats_its_data():
    rows = pooled(plausible_rows(), "association_correlation", "original", 0.9, 0.05)
    rows = pooled(pooled(rows, AB, "original", 0.04), RB, "original", 0.16, 0.04)
    sentence = told(rows, "The association bias")
    assert "follows that of the data (r = 0.90 [0.85, 0.95]" in sentence
    assert "4.0 [3.0, 5.0] points" in sentence
    assert "66.0 [62.0, 70.0] percent of pictures" in sentence and "+16.0 points" in sentence


def test_a_model_that_does_not_repeat_its_data():
    rows = pooled(plausible_rows(), "association_correlation", "original", 0.1, 0.2)
    assert "does not clearly follow that of the data (r = 0.10" in told(
        rows, "The association bias"
    )
    rows = pooled(plausible_rows(), "association_correlation", "original", math.nan)
    assert "can't be compared with that of the data" in told(rows, "The association bias")


def test_a_bias_that_falls():
    sentence = bias(AB, 0.04, 0.01)
    assert (
        "mean |AB| falls from 4.0 to 1.0 points, 75% less (difference −3.0 [−4.0, −2.0]" in sentence
    )
    assert "RB falls from −16.0 to 2.0 points, 88% less" in bias(RB, -0.16, 0.02, 0.03)


def test_a_bias_that_does_not_clearly_change():
    sentence = bias(AB, 0.04, 0.03, half=0.02)
    assert "mean |AB| does not clearly change, from 4.0 to 3.0 points" in sentence
    assert "falls from 4.0" not in sentence


def test_a_bias_that_grows():
    assert "mean |AB| grows from 4.0 to 6.0 points" in bias(AB, 0.04, 0.06)
    assert "RB grows from −4.0 to −6.0 points" in bias(RB, -0.04, -0.06)


def test_a_bias_changes_its_sign_only_if_all_seeds_do():
    assert "RB changes its sign, from 5.0 to −7.0 points" in bias(RB, 0.05, -0.07)
    sentence = bias(RB, 0.1, -0.07, seeds=(-0.2, 0.06))
    assert "changes its sign" not in sentence
    assert (
        "from 10.0 to −7.0 points, its sign depending on the seed" in sentence
        and "single seeds −20.0 to 6.0" in sentence
    )


def test_a_bias_that_can_not_be_estimated_reads_as_neither():
    sentence = bias(AB, 0.04, math.nan)
    assert "mean |AB| can't be compared" in sentence


def test_the_oracle_is_compared_with_the_others():
    rows = pooled(plausible_rows(), AB, "oracle", 0.02, 0.01)
    rows = pooled(pooled(rows, AB, "balanced", 0.035), AB, "balanced_proxies", 0.06)
    sentence = told(rows, "The oracle")
    assert "a mean |AB| of 2.0 [1.0, 3.0]" in sentence
    assert "not clearly higher in mean |AB|, by their intervals: “balanced”;" in sentence
    assert "; clearly higher in mean |AB|: “balanced + proxies”." in sentence
    rows = [r for r in rows if r["version"] in ("original", "oracle", "census")]
    assert told(rows, "The oracle").endswith("points.")


def of_a_prototype(rows, change, seeds=(0, 1)):
    """The sentence on a prototype whose runs' mean |AB| is the paper's, and `change` by seed."""
    names = {"balanced": "quadratic", "balanced_proxies": "prototype"}
    rows = [r | {"version": names.get(r["version"], r["version"])} for r in rows]
    papers = [r for r in rows if (r["kind"], r["version"]) == ("run", "quadratic")]
    rows = [r for r in rows if (r["kind"], r["version"]) != ("run", "prototype")]
    for r in papers:
        more = change[r["seed"]] if r["metric"] == AB else 0.0
        name = {"version": "prototype", "run_id": f"{r['run_id']}p"}
        rows += [r | name | {"value": r["value"] + more}] if r["seed"] in seeds else []
    return told(rows, "“prototype” beside “quadratic”, the paper's objective")


def test_a_prototype_is_compared_with_the_papers_objective_by_seed():
    sentence = of_a_prototype(plausible_rows(), (0.0101, 0.0099))
    assert "over 2 seeds and pictures" in sentence
    assert "mean |AB| is higher (+1.0 [+0.9, +1.1])" in sentence
    assert "RB does not clearly differ (0.0 [0.0, 0.0])" in sentence
    assert "accuracy" not in sentence  # of quality only what clearly differs
    sentence = of_a_prototype(plausible_rows(), (0.02, 0.0))
    assert "mean |AB| does not clearly differ (+1.0 [−11.7, +13.7])" in sentence
    sentence = of_a_prototype(plausible_rows(), (-0.02, 0.0), seeds=(0,))
    assert "One seed can't tell an effect from chance" in sentence and "--config.seeds" in sentence
    assert "mean |AB| −2.0" in sentence and "clearly" not in sentence


def test_a_prototype_that_is_the_papers_objective_is_seen():
    sentence = of_a_prototype(plausible_rows(), (0.0, 0.0))
    assert "no number of the models differs" in sentence and "[" not in sentence


def test_without_both_nothing_is_said_of_a_prototype():
    for version in ("quadratic", "prototype"):
        rows = [r | {"version": r["version"].replace("balanced", version)} for r in
                plausible_rows() if r["version"] != "balanced_proxies"]  # fmt: skip
        assert not [s for s in findings.sentences(table(rows)) if "paper's objective" in s]


def test_what_balancing_costs():
    rows = plausible_rows()
    changes = {"workers": (-0.05, -0.08, -0.02), "objects": (0.03, 0.01, 0.05)}
    for split, (value, low, high) in changes.items():
        where = {"kind": "difference", "version": "balanced", "metric": "acc1", "split": split}
        rows = changed(rows, where, value=value, ci_low=low, ci_high=high)
    for metric, split in (("gender_acc1", "faces"), ("text_retrieval_recall@5", "scenes")):
        where = {"kind": "difference", "version": "balanced", "metric": metric, "split": split}
        rows = changed(rows, where, value=0.01, ci_low=-0.01, ci_high=0.03)
    where = {"metric": "image_retrieval_recall@5", "kind": "difference"}
    rows = changed(rows, where, value=math.nan, ci_low=math.nan, ci_high=math.nan)
    assert told(rows, "Quality with “balanced” data") == (
        "Quality with “balanced” data, in points: lower: accuracy on occupations (−5.0 [−8.0, "
        "−2.0]); higher: accuracy on things (+3.0 [+1.0, +5.0]); no clear change: perceived-gender "
        "accuracy (+1.0 [−1.0, +3.0]) and image→text recall@5 (+1.0 [−1.0, +3.0])."
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_one_version_alone_is_told_without_comparison(version):
    rows = [r for r in plausible_rows() if r["version"] in (version, "census")]
    rows = [r for r in rows if r["kind"] != "difference"]
    for sentence in findings.sentences(table(rows)):
        assert sentence.startswith(("In the ", "The association bias"))
        assert findings.display(version) in sentence


def test_nothing_measured_is_nothing_told():
    nothing = dict.fromkeys(("value", "ci_low", "ci_high"), math.nan)
    rows = [r | nothing for r in plausible_rows()]
    for sentence in findings.sentences(table(rows)):
        assert "can't be compared" in sentence
        assert "falls" not in sentence and "nan" not in sentence
    assert findings.sentences(table([row("world", "census", "women_share", 0.5)])) == []


def test_rows_for_the_tests_have_every_metric_that_is_told_of():
    import numpy as np

    rows = model_rows("run", "original", np.random.default_rng(0))
    names = {(metric.name, metric.split) for metric in findings.COST}
    assert names <= {(r["metric"], r["split"]) for r in rows}
