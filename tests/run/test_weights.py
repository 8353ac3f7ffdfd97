"""What stands in for the weights of a run: filter, balancing, controls."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs import base
from m4jax import balance, files
from m4jax.data.testbed import catalog
from m4jax.data.testbed.scenes import wrong_captions
from m4jax.data.testbed.world import annotate
from m4jax.errors import InputError
from m4jax.grid.cells import merge
from m4jax.run import filtering
from m4jax.run import weights as weighting
from m4jax.run.config import run_config
from m4jax.run.state import Layout
from m4jax.run.train import stages as stages_of
from m4jax.tables import request, weights

WORLD = {"examples": 1500, "caption_noise": 0.3}
BALANCE = {"enabled": True, "keep_rate": "max", "eps_association": 1e-3}


def run(**changes):
    config = merge(base.get_config().to_dict(), {"world": WORLD, "balance": BALANCE})
    return run_config(merge(config, changes))


@pytest.fixture(scope="module")
def layout(tmp_path_factory, sprites):
    """A study's directory with its world, and scores that know the wrong captions."""
    layout = Layout(tmp_path_factory.mktemp("study"))
    config = run(filter={"enabled": True})
    config.source.prepare(layout.data)
    train = config.source.load_split("train", layout.data)
    chance = np.random.default_rng(0).normal(0, 0.05, len(train))
    similarity = np.where(wrong_captions(config.source), 0.2, 0.6) + chance
    with files.atomic(layout.scores(config.scorer)) as temporary:
        uids = train.columns["uid"]
        pq.write_table(pa.table({"uid": uids, "similarity": similarity}), temporary)
    files.seal_file(layout.scores(config.scorer))
    return layout


def weigh(config, layout):
    weighting.weigh(config, layout, lambda *event: None)
    train = config.source.load_split("train", layout.data)
    return weighting.read(config, layout, train.columns["uid"]), train


def bias_of(weight, train):
    notes = annotate(train.columns, ("occupations",))
    return balance.bias(notes.attributes, notes.labels, weights=weight, target=0.5)


def test_a_penalty_that_does_not_reach_is_raised_where_the_bounds_can_hold(layout):
    weak, strong = (run(balance={"penalty": penalty}) for penalty in (1e-2, 10.0))
    weight, _ = weigh(weak, layout)
    known = weights.certificate(layout.weights(weak))
    assert known["penalty"] > 1e-2 and known["violation_max"] < 1e-6
    np.testing.assert_allclose(weight, weigh(strong, layout)[0], atol=1e-4)
    fixed = run(balance={"penalty": 1e-2, "keep_rate": 0.3})
    with pytest.raises(InputError, match="raise penalty"):
        weigh(fixed, layout)


def test_the_largest_keep_rate_balances(layout):
    weight, train = weigh(run(), layout)
    assert bias_of(weight, train).representation_max < 1e-3
    known = weights.certificate(layout.weights(run()))
    assert known["status"] == "converged" and known["violation_max"] < 1e-6
    notes = annotate(train.columns, run().balance.labels)
    more = dataclasses.replace(run().balance, keep_rate=min(1.0, known["keep_rate"] * 1.03))
    with pytest.raises(InputError, match="constraints don't hold"):  # it is the largest
        problem, _ = weighting.make_problem(more, notes)
        request.require(problem, balance.solve(problem))


def test_a_subsample_is_as_large_and_as_biased(layout):
    balanced, train = weigh(run(), layout)
    chosen, _ = weigh(run(balance={"control": "subsample"}), layout)
    assert set(np.unique(chosen)) == {0.0, 1.0}
    assert chosen.sum() == round(balanced.sum())
    assert bias_of(chosen, train).representation_max > 0.1


def test_shuffled_weights_have_the_same_distribution_and_balance_nothing(layout):
    balanced, train = weigh(run(), layout)
    shuffled, _ = weigh(run(balance={"control": "shuffle"}), layout)
    np.testing.assert_array_equal(np.sort(shuffled), np.sort(balanced))
    assert bias_of(shuffled, train).representation_max > 0.1


def test_another_seed_is_another_control(layout):
    one, _ = weigh(run(balance={"control": "subsample"}), layout)
    other, _ = weigh(run(balance={"control": "subsample", "seed": 1}), layout)
    assert (one != other).any()


def test_the_census_is_met_label_by_label(layout):
    config = run(balance={"target": "census"})
    weight, train = weigh(config, layout)
    notes = annotate(train.columns, ("occupations",))
    man, known = notes.attributes[:, 0], ~np.isnan(notes.attributes[:, 0])
    shares = []
    for job, label in zip(catalog.occupations(), notes.labels.T, strict=True):
        rows = known & (label == 1)
        if (weight[rows] > 0.01).sum() > 20:
            share = np.average(man[rows], weights=weight[rows])
            shares.append((share, 1 - job.women_share))
    found, aimed = np.array(shares).T
    assert len(found) > 5 and np.abs(found - aimed).max() < 0.1


def test_pairs_that_the_filter_leaves_out_weigh_nothing(layout):
    config = run(filter={"enabled": True, "drop": 0.3})
    weight, train = weigh(config, layout)
    kept = filtering.kept(config, layout, config.source.train(layout.data))
    assert (~kept).sum() == 450 and (weight[~kept] == 0).all() and (weight[kept] > 0).any()
    assert bias_of(weight, train).representation_max < 1e-3
    known = weights.certificate(layout.weights(config))
    assert known["filter_recall"] > 0.95 and known["filter_precision"] > 0.9


def test_a_filter_alone_keeps_the_rest_alike(layout):
    config = run(filter={"enabled": True}, balance={"enabled": False})
    weight, _ = weigh(config, layout)
    assert set(np.unique(weight)) == {0.0, 1.0} and weight.sum() == 1500 - 450


def test_before_and_after_the_balanced_stage_the_filter_stays(layout):
    config = run(filter={"enabled": True}, balance={"during": (0.25, 0.75)})
    weight, _ = weigh(config, layout)
    stages = stages_of(config, layout, config.source.train(layout.data))
    assert [stage.start for stage in stages] == [0, 500, 1500]
    kept = filtering.kept(config, layout, config.source.train(layout.data))
    for stage in (stages[0], stages[2]):
        np.testing.assert_array_equal(stage.weights, kept)
    np.testing.assert_array_equal(stages[1].weights, weight)


def test_wrong_attributes_leave_bias(layout):
    weight, train = weigh(run(balance={"attribute_noise": 0.3}), layout)
    left = bias_of(weight, train).representation_max
    assert 0.02 < left < bias_of(np.ones(len(train)), train).representation_max


def test_flipping_leaves_the_unknown_unknown():
    attributes = np.array([[1.0], [0.0], [np.nan]] * 1000)
    flipped = weighting.flip(attributes, 0.25, seed=0)
    np.testing.assert_array_equal(np.isnan(flipped), np.isnan(attributes))
    known = ~np.isnan(attributes)
    assert 0.2 < (flipped != attributes)[known].mean() < 0.3
    np.testing.assert_array_equal(weighting.flip(attributes, 0.0, seed=0), attributes)


def test_weights_of_a_filter_follow_the_scorer():
    one, other = (run(filter={"enabled": True, "scorer_seed": seed}) for seed in (0, 1))
    assert one.weights_id != other.weights_id and one.scorer.id != other.scorer.id
    siglip = run(filter={"enabled": True}, model={"variant": "emoji-SigLIP-S/8"},
                 train={"loss": "sigmoid"})  # fmt: skip
    assert siglip.scorer.id == one.scorer.id and siglip.weights_id == one.weights_id
    assert one.scorer.balance is None and one.scorer.filter is None


def test_what_is_drawn_follows_the_runs_seed_and_nothing_else_does():
    plain, other = run(seed=3), run(seed=4)
    assert plain.weights_id == other.weights_id  # nothing is drawn
    drawn = [run(seed=seed, balance={"control": "subsample"}) for seed in (3, 4)]
    assert drawn[0].weights_id != drawn[1].weights_id
    assert [config.balance.seed for config in drawn] == [3, 4]
    fixed = [run(seed=seed, balance={"control": "subsample", "seed": 7}) for seed in (3, 4)]
    assert fixed[0].weights_id == fixed[1].weights_id
    assert run(seed=3, filter={"enabled": True}).scorer.train.seed == 3
    assert run(seed=3, filter={"enabled": True, "scorer_seed": 0}).scorer.train.seed == 0


@pytest.mark.parametrize("control", ["none", "subsample"])
def test_a_scorer_of_balanced_data_is_the_run_on_balanced_data(control):
    """Whatever stands in for the balancing of the filtered run itself."""
    fair = run(filter={"enabled": True, "scorer_balanced": True},
               balance={"control": control}, seed=2)  # fmt: skip
    assert fair.scorer.id == run(seed=2).id
    plain = run(filter={"enabled": True}, balance={"enabled": False}, seed=2)
    assert plain.scorer.id == run(balance={"enabled": False}, seed=2).id
