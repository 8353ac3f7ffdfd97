"""What rankings and lists of words yield stands in the table of kinds, and in the suite."""

import dataclasses

import numpy as np
from helpers.asking import asked, pictures

from m4jax.evaluation.measures import suite
from m4jax.evaluation.measures.kinds import KINDS
from m4jax.evaluation.measures.pictures import Attribute
from m4jax.evaluation.measures.prompts import AuditPrompts

METRICS = {
    "max_skew", "min_skew", "ndkl", "max_skew_uniform", "min_skew_uniform", "ndkl_uniform",
    "bias_at_k", "bias_at_k_balanced", "bias_at_k_balanced_range", "harm_rate", "harm_gap", "c_asc",
    "c_asc_size", "entropy", "eat", "weat",
}  # fmt: skip


def found():
    shown = pictures(300)
    kind = Attribute(("a", "b", "c", "d"), np.arange(300) % 4)
    shown = dataclasses.replace(shown, attributes={**shown.attributes, "kind": kind})
    prompts = AuditPrompts("v", sensitivity=("see {}", "a photo of {}"))
    return suite.measure_all(asked(shown, prompts=prompts, lean={"q": 0.2}))


def test_the_suite_asks_for_all_of_them_and_each_has_a_kind():
    measures = found()
    metrics = {measure.metric for measure in measures}
    assert metrics >= METRICS
    assert metrics <= set(KINDS)
    keys = [measure.key for measure in measures]
    assert len(set(keys)) == len(keys)
    assert all(KINDS[name].source != "" for name in METRICS)


def test_values_lie_within_their_intervals_and_on_the_possible_side():
    for measure in found():
        if not measure.told:
            assert measure.note
            continue
        assert measure.low <= measure.value <= measure.high, measure
        if measure.metric in ("max_skew", "ndkl", "harm_rate", "harm_gap", "c_asc_size"):
            assert measure.low >= 0
        if measure.metric == "entropy":
            assert measure.high <= 1
        if measure.metric == "min_skew":
            assert measure.high <= 0
        assert len(measure.draws) == 200
        assert abs(np.mean(measure.draws)) < 1e-3
        assert measure.sample or measure.metric == "weat"
