"""What the confirmation compares: other filters, known errors, caps, streams of their own."""

import dataclasses

import numpy as np
import pytest

from configs import base
from m4jax import balance, files
from m4jax.balance import baselines
from m4jax.data.annotation import Annotation
from m4jax.data.testbed.scenes import add_caption_noise, sample, wrong_captions
from m4jax.data.testbed.world import World, annotate
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.grid import tasks
from m4jax.grid.cells import Cell, merge
from m4jax.run import filtering, streams
from m4jax.run import weights as weighting
from m4jax.run.config import RunConfig, from_json, run_config
from m4jax.run.data_version import BalanceConfig, FilterConfig
from m4jax.run.state import Layout
from m4jax.tables import request, weights

WORLD = {"examples": 1500, "caption_noise": 0.3}
BALANCE = {"enabled": True, "keep_rate": "max", "eps_association": 1e-3}
SEEN = ("occupations", "any_thing")


def run(**changes):
    config = merge(base.get_config().to_dict(), {"world": WORLD, "balance": BALANCE})
    return run_config(merge(config, changes))


def of_kind(kind, **changes):
    return run(filter={"enabled": True, "kind": kind}, **changes)


def weigh(config, layout):
    weighting.weigh(config, layout, lambda *event: None)
    train = config.source.train(layout.data)
    return weighting.read(config, layout, train.uids), train


@pytest.fixture(scope="module")
def layout(tmp_path_factory, sprites):
    """A study's directory with its world; nothing is scored."""
    layout = Layout(tmp_path_factory.mktemp("versions"))
    run().source.prepare(layout.data)
    return layout


@pytest.fixture(scope="module")
def scored(layout):
    """The same directory, with scores that know the wrong captions, roughly."""
    config = run(filter={"enabled": True})
    wrong = wrong_captions(config.source)
    similarity = np.random.default_rng(0).normal(0, 0.3, len(wrong)) - 0.4 * wrong
    with files.atomic(layout.scores(config.scorer)) as temporary:
        uids = config.source.train(layout.data).uids
        table = {"uid": uids, "similarity": similarity}
        parquet.write(parquet.pa.table(table), temporary)
    files.seal_file(layout.scores(config.scorer))
    return layout


@pytest.fixture(scope="module")
def notes():
    """Annotation of a world of 12,000 examples, without its pictures."""
    world = World(examples=12_000)
    columns = dataclasses.asdict(add_caption_noise(world, sample(world)))
    return {names: annotate(columns, names) for names in (SEEN, weighting.CONCEPTS)}


def test_a_perfect_filter_leaves_out_the_wrong_captions_and_no_other(layout):
    config = of_kind("perfect", balance={"enabled": False})
    weight, _ = weigh(config, layout)
    np.testing.assert_array_equal(weight == 0, wrong_captions(config.source))
    known = weights.certificate(layout.weights(config))
    assert known["filter_precision"] == known["filter_recall"] == 1


def test_a_random_filter_leaves_out_as_many_and_finds_nothing(layout):
    config = of_kind("random", balance={"enabled": False}, seed=1)
    weight, _ = weigh(config, layout)
    assert (weight == 0).sum() == 450
    known = weights.certificate(layout.weights(config))
    assert known["filter_precision"] == pytest.approx(known["filter_prevalence"], abs=0.06)
    other, _ = weigh(of_kind("random", balance={"enabled": False}, seed=2), layout)
    assert (weight != other).any()


@pytest.mark.parametrize("kind", ["perfect", "random"])
def test_filters_without_a_scorer_wait_for_none(layout, kind):
    config = of_kind(kind, balance={"objective": "kl"}, seed=3)
    assert config.scorer is None
    pending = tasks.pending([Cell({"version": "balanced"}, 3, config, (), ())], layout, fleet=4)
    assert {task.kind for task in pending} == {"weights", "run"}
    assert from_json(config.to_json()) == config


def test_a_shuffled_filter_uses_the_scores_and_leaves_out_as_many_of_each_content(scored):
    plain, config = (of_kind(kind, balance={"enabled": False}) for kind in (None, "shuffled"))
    assert config.scorer.id == plain.scorer.id and config.weights_id != plain.weights_id
    before, train = weigh(plain, scored)
    after, _ = weigh(config, scored)
    notes = train.annotate(SEEN)
    content = np.column_stack([np.nan_to_num(notes.attributes, nan=-1), notes.labels])
    _, cell = np.unique(content, axis=0, return_inverse=True)
    counts = [np.bincount(cell.ravel(), weights=weight) for weight in (before, after)]
    np.testing.assert_array_equal(*counts)
    assert (before != after).sum() > 100
    precision = [
        weights.certificate(scored.weights(x))["filter_precision"] for x in (plain, config)
    ]
    assert precision[1] < precision[0] - 0.03


def test_marks_of_unknown_attributes_stay_among_these():
    attributes = np.repeat([[1.0], [0.0], [np.nan]], 200, axis=0)
    notes = Annotation(attributes, np.zeros((600, 1)), ("man",), ("nurse",))
    marks = np.arange(600) % 200 < np.repeat([50, 100, 150], 200)
    shuffled = filtering.shuffle(marks, notes, seed=0)
    assert shuffled.reshape(3, 200).sum(axis=1).tolist() == [50, 100, 150]
    assert (shuffled != marks).any()


def test_settings_that_a_filter_does_not_read_are_no_part_of_its_name():
    one = of_kind("perfect", seed=1)
    other = run(
        filter={"enabled": True, "kind": "perfect", "drop": 0.1, "scorer_balanced": True}, seed=2
    )
    assert one.weights_id == other.weights_id
    assert of_kind("random", seed=1).weights_id != of_kind("random", seed=2).weights_id
    fixed = [
        run(filter={"enabled": True, "kind": "random", "seed": 7}, seed=seed) for seed in (1, 2)
    ]
    assert fixed[0].weights_id == fixed[1].weights_id


def test_a_perfect_filter_of_data_that_do_not_tell_is_refused(layout):
    config = of_kind("perfect")
    train = dataclasses.replace(config.source.train(layout.data), wrong=None)
    with pytest.raises(InputError, match="needs to know which captions are wrong"):
        filtering.kept(config, layout, train)


def true_bias(notes, weight):
    found = balance.bias(notes.attributes, notes.labels, weights=weight, target=0.5)
    return abs(found.representation[0]), found.association_mean


@pytest.mark.parametrize("share", [0.1, pytest.param(0.2, marks=pytest.mark.slow)])
def test_weights_that_know_the_rate_of_errors_balance_the_true_attribute(notes, share):
    seen = notes[SEEN]
    plain = BalanceConfig(keep_rate="max", attribute_noise=share, seed=0)
    knowing = dataclasses.replace(plain, error_known=True)
    found = [true_bias(seen, weighting._balance(x, seen, None)[0]) for x in (plain, knowing)]
    assert found[1][0] < 0.3 * found[0][0] and found[1][1] < 0.4 * found[0][1]


@pytest.mark.slow
def test_what_is_likely_is_right_on_average(notes):
    seen = notes[SEEN]
    noisy = weighting.flip(seen.attributes, 0.2, seed=3)
    likely = weighting.likely(noisy, seen.labels, 0.2)
    np.testing.assert_array_equal(np.isnan(likely), np.isnan(seen.attributes))
    known = ~np.isnan(likely[:, 0])
    for r in range(seen.labels.shape[1]):
        for value in (0, 1):
            rows = known & (seen.labels[:, r] == 1) & (noisy[:, 0] == value)
            error = (likely - seen.attributes)[rows, 0]
            assert abs(error.mean()) < 3.5 * 0.5 / np.sqrt(rows.sum())


def test_caps_keep_as_many_as_balancing_and_balance_nothing(notes):
    seen, concepts = notes[SEEN], notes[weighting.CONCEPTS]
    config = BalanceConfig(keep_rate="max", eps_association=1e-3, seed=0)
    balanced, _ = weighting._balance(config, seen, None)
    alone, known = weighting._balance(dataclasses.replace(config, caps="alone"), seen, concepts)
    assert alone.sum() == pytest.approx(balanced.sum(), rel=1e-4)
    np.testing.assert_array_equal(alone, baselines.metaclip(concepts.labels, known["cap"]))
    assert true_bias(seen, alone)[0] > 0.1
    both, of_both = weighting._balance(dataclasses.replace(config, caps="parity"), seen, concepts)
    assert of_both["cap"] == known["cap"] and of_both["status"] == "converged"
    assert true_bias(seen, both)[0] < 2e-3
    assert (
        (both @ concepts.labels).max() < known["cap"] * 1.001 < (balanced @ concepts.labels).max()
    )


@pytest.mark.parametrize("objective", ["kl", "keep_most"])
def test_other_objectives_balance_as_well_and_differ_below_the_largest_keep_rate(notes, objective):
    seen, weight = notes[SEEN], {}
    config = BalanceConfig(keep_rate="max", eps_association=1e-3, seed=0)
    largest = weighting.make_problem(config, seen)[0].keep_rate
    for rate in ("max", 0.8 * largest):
        for name in ("quadratic", objective):
            asked = dataclasses.replace(config, objective=name, keep_rate=rate)
            weight[rate, name], known = weighting._balance(asked, seen, None)
            assert known["violation_max"] < request.ROUNDING
    rate = 0.8 * largest
    assert np.abs(weight[rate, "quadratic"] - weight[rate, objective]).mean() > 0.01 * rate


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filter": {"kind": "perfekt"}}, "filter.kind: unknown 'perfekt'; did you mean 'perfect'"),
        ({"filter": {"seed": -2}}, "filter.seed: expected at least 0"),
        ({"balance": {"error_known": True}}, "balance.error_known: there are no errors to know"),
        ({"balance": {"caps": "on"}}, "balance.caps: unknown 'on'"),
        ({"balance": {"streams": 3}}, "balance.streams: expected 1 or 2, or None, got 3"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        run(**changes)


def test_a_filter_that_draws_needs_a_seed():
    with pytest.raises(InputError, match=r"filter\.seed: expected a seed for 'random'"):
        RunConfig(filter=FilterConfig(kind="random"))


def test_runs_of_before_keep_their_names_unless_their_balancing_draws():
    plain = run_config(base.get_config().to_dict())
    assert plain.id == "6ee4e4699404"
    config = merge(base.get_config().to_dict(), {"balance": {"enabled": True}})
    balanced = run_config(merge(config, {"filter": {"enabled": True}}))
    assert (balanced.id, balanced.weights_id) == ("274048b579d9", "a42be2d7e281")
    assert balanced == run_config(
        merge(config, {"filter": {"enabled": True}, "balance": {"streams": 1}})
    )


@pytest.mark.parametrize("changes", [
    {"balance": {"enabled": True, "control": "subsample"}},
    {"balance": {"attribute_noise": 0.1}, "filter": {"enabled": True, "scorer_balanced": True}},
])  # fmt: skip
def test_names_have_the_version_of_the_streams_but_for_the_first(changes):
    config = merge(base.get_config().to_dict(), changes)
    first, second, newest = (
        run_config(merge(config, {"balance": {"streams": version}})) for version in (1, 2, None)
    )
    before = {False: ("9e6e80f8ac37", "22b847a894cc"), True: ("38142efe4129", "75ea0c670c49")}
    assert from_json(first.to_json()) == first
    assert (first.id, first.weights_id) == before["filter" in changes]
    assert second.id == newest.id != first.id
    assert second.weights_id == newest.weights_id != first.weights_id


def test_the_first_streams_draw_what_they_drew():
    """The numbers with which results are published: those of [seed, 1] and [seed, 2]."""
    attributes, weight = np.tile([[1.0], [np.nan], [0.0]], (4, 1)), np.linspace(0.1, 0.9, 9)
    flipped = weighting.flip(attributes, 0.4, 7, streams.FIRST)
    changed = np.random.default_rng([7, 1]).random((12, 1)) < 0.4
    np.testing.assert_array_equal(flipped, np.where(changed, 1 - attributes, attributes))
    order = np.random.default_rng([7, 2]).permutation(9)
    shuffled = weighting.control(weight, "shuffle", 7, streams.FIRST)
    np.testing.assert_array_equal(shuffled, weight[order])
    chosen = weighting.control(weight, "subsample", 7, streams.FIRST)
    np.testing.assert_array_equal(np.flatnonzero(chosen), np.sort(order[:4]))  # 4.5 rounds to 4


@pytest.mark.parametrize("drawn", [{"control": "shuffle"}, {"attribute_noise": 0.2}])
def test_a_run_is_weighted_from_the_streams_that_it_names(notes, drawn):
    seen = notes[SEEN]
    config = BalanceConfig(keep_rate="max", eps_association=1e-3, seed=4, streams=1, **drawn)
    weight, _ = weighting._balance(config, seen, None)
    plain = dataclasses.replace(config, control="none", attribute_noise=0.0)
    if config.attribute_noise:
        noisy = weighting.flip(seen.attributes, 0.2, 4, 1)
        seen = dataclasses.replace(seen, attributes=noisy)
    expected, _ = weighting._balance(plain, seen, None)
    if config.control == "shuffle":
        expected = np.random.default_rng([4, 2]).permutation(expected)
    np.testing.assert_array_equal(weight, expected)


def test_a_scorer_balanced_from_other_streams_than_the_run_is_refused():
    one, two = (BalanceConfig(attribute_noise=0.1, seed=0, streams=x) for x in (1, 2))
    with pytest.raises(InputError, match=r"filter\.balance\.streams: .* got versions \[1, 2\]"):
        RunConfig(balance=one, during=(0.0, 1.0), filter=FilterConfig(balance=two))


def test_what_a_run_draws_has_nothing_to_do_with_what_its_world_draws():
    """With one seed for both, errors fell on the scenes of which the same number was drawn."""
    of_world = np.random.default_rng([5, 1]).random(20_000)
    flipped = weighting.flip(np.ones((20_000, 1)), 0.3, seed=5)[:, 0]
    assert abs(np.corrcoef(of_world, flipped)[0, 1]) < 0.03
    chosen = weighting.control(np.full(20_000, 0.5), "subsample", seed=5)
    lot = filtering.stream("random filter", 5).random(20_000)
    assert abs(np.corrcoef(chosen, lot)[0, 1]) < 0.03
    a, b = (streams.stream("control", seed).random() for seed in (5, 6))
    assert a != b
