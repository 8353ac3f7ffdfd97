import dataclasses

import numpy as np
import pytest
from helpers.asked_models import CLASSES, GENDER, ask, found, moved, pictures

from m4jax.errors import InputError
from m4jax.evaluation.intervals import mean_absolute, norm, percentile
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.comparison import APART, PAIRED, compare, difference, inflated
from m4jax.evaluation.measures.kinds import KINDS
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.measures.representation import representation
from m4jax.evaluation.measures.sensitivity import over_sets, range_of
from m4jax.evaluation.measures.suite import measure_all, measure_sets
from m4jax.evaluation.resampling import Settings

PROMPTS = AuditPrompts(
    "v", ("{}",), ("{}", "one {}", "two {}"), GENDER, CLASSES, (("a nurse", "a cook"),)
)


def everything(n=60, seed=0, name="set", **fields):
    """Pictures of which all is known that anything could be asked about."""
    values = {
        "gender": (("woman", "man"), np.arange(n) % 2),
        "who": (("a", "b", "c"), np.arange(n) // 2 % 3),
    }
    return pictures(
        n, seed, name, values=values,
        nobody=np.arange(n) % 3 == 0,
        captions=[[f"caption {i}"] for i in range(n)],
        labels={"nurse": np.arange(n) % 2 == 0, "cook": np.arange(n) % 2 == 1},
        **fields,
    )  # fmt: skip


def of_set(source, value, half, metric="representation_bias"):
    return Measure("model", metric, source, "gender", "man",
                   value=value, low=value - half, high=value + half, n=100, groups=100)  # fmt: skip


def test_every_number_has_a_kind_and_a_key_of_its_own():
    told = measure_sets([ask(everything(), PROMPTS), ask(everything(seed=1, name="b"), PROMPTS)])
    told += compare(everything(), everything(seed=2, name="masked"), ask(everything(), PROMPTS))
    assert {one.metric for one in told} <= set(KINDS)
    keys = [one.key for one in told]
    assert len(set(keys)) == len(keys)
    for one in told:
        assert one.told or one.note, one
        assert not one.told or one.low <= one.value <= one.high, one
        assert one.version == "1+v"


def test_nothing_is_asked_of_what_is_not_there():
    bare = ask(pictures(40, values={}), AuditPrompts("v"))
    assert measure_all(bare) == []
    assert measure_all(dataclasses.replace(ask(everything(), PROMPTS), texts=None)) == []


def test_range_over_sets_of_pictures():
    told = measure_sets([ask(everything(seed=s, name=f"set {s}"), PROMPTS) for s in range(3)])
    values = [
        found(told, "representation_bias", group="man", source=f"set {s}").value for s in range(3)
    ]
    spread = found(
        told, "representation_bias_range", group="man", wording="pictures",
        source="all sets of pictures",
    )  # fmt: skip
    assert spread.value == pytest.approx(np.ptp(values))
    assert spread.which == f"from “set {np.argmin(values)}” to “set {np.argmax(values)}”"
    with pytest.raises(InputError, match="a name of its own"):
        measure_sets([ask(everything())] * 2)


def test_range_of_three_sets_by_hand():
    three = [of_set("web", 0.04, 0.08), of_set("streets", 0.42, 0.05), of_set("home", 0.25, 0.07)]
    (spread,) = over_sets(three, 0.95)
    wider = 2.3940 / 1.9600  # quantiles of 1 − 0.025/3 and of 0.975
    assert spread.value == pytest.approx(0.38)
    assert spread.low == pytest.approx(0.38 - wider * 0.13, abs=1e-4)
    assert spread.high == pytest.approx(0.38 + wider * 0.13, abs=1e-4)
    assert not list(over_sets(three[:1], 0.95))
    alike = [of_set("a", 0.1, 0.2), of_set("b", 0.2, 0.2)]
    assert next(over_sets(alike, 0.95)).low == 0


def test_coverage_of_a_range():
    rng, truth = np.random.default_rng(0), np.array([0.0, 0.02, 0.1, 0.12])
    covered = 0
    for _ in range(500):
        drawn = truth + 0.05 * rng.normal(size=4)
        (one,) = range_of([of_set(str(k), x, 0.098) for k, x in enumerate(drawn)], 0.95,
                          part="model", metric="x", source="y")  # fmt: skip
        covered += one.low <= np.ptp(truth) <= one.high
    assert covered >= 0.95 * 500


def test_range_over_words_is_paired():
    """Words that all pictures answer alike have no range, however uncertain each answer is."""
    same = {"gender": {"man": ("a man", "a man"), "woman": ("a woman", "a woman")}}
    told = list(representation(ask(everything(), AuditPrompts("v", attributes=same))))
    spread = found(told, "representation_bias_range", group="man", wording="words")
    assert (spread.value, spread.low, spread.high) == (0, 0, 0)


def test_other_embeddings_of_the_same_pictures_are_paired():
    of = everything(90)
    rng = np.random.default_rng(3)
    noise = of.embeddings + 0.05 * rng.normal(size=of.embeddings.shape).astype(np.float32)
    masked = moved(dataclasses.replace(of, embeddings=noise, name="masked"), rng.permutation(90))
    told = list(compare(of, masked, ask(of, PROMPTS)))
    one = found(told, "representation_bias_change", group="man")
    first, second = (
        found(representation(ask(x, PROMPTS)), "representation_bias", group="man")
        for x in (of, masked)
    )
    assert one.value == pytest.approx(second.value - first.value)
    assert (one.source, one.note) == ("masked − set", PAIRED)
    assert one.high - one.low < 0.7 * (first.high - first.low)
    same = compare(of, dataclasses.replace(of, name="same"), ask(of, PROMPTS))
    nothing = [(x.value, x.low, x.high) for x in same if x.told]
    assert len(nothing) > 5
    assert set(nothing) == {(0, 0, 0)}


def test_a_paired_difference_is_that_of_the_draws():
    """The interval is nearly the percentile interval of the difference over all resamples."""
    rng = np.random.default_rng(0)
    of = pictures(120, groups=np.arange(120) // 2)
    cells = Cells.whole(of, np.ones(120, bool), Settings(resamples=1000))
    x = rng.normal(size=(120, 1))
    draws = [cells.of(cells.means(y), 0) for y in (x, x + 0.3 * rng.normal(size=(120, 1)))]
    about = {"part": "model", "metric": "accuracy", "source": "s", "sample": "same"}
    told = [measured(percentile(d), d.samples[:, 0], **about) for d in draws]
    one, expected = difference(*told), percentile(draws[1], draws[0])
    assert one.value == pytest.approx(expected.value)
    width = expected.high - expected.low
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=0.12 * width)
    apart = difference(told[0], dataclasses.replace(told[1], sample="other"))
    assert apart.note == APART
    assert apart.high - apart.low > 2 * width


def test_a_change_of_a_norm_allows_for_the_noise_in_it():
    """0.3 is taken away: 0.1 of noise is left, so that the plain difference falls short of it."""
    rng, codes, covered = np.random.default_rng(0), np.arange(300) % 2, 0
    of = pictures(300)
    cells = Cells(of, codes, ("man", "woman"), Settings(resamples=200))
    shift = 0.3 * np.where(np.arange(20) % 2, 1, -1) * (codes == 0)[:, None]
    for _ in range(30):
        x, about = rng.normal(size=(300, 20)), {"part": "model", "source": "s", "sample": "same"}
        told = []
        for y in (x + shift, x):
            gaps = cells.means(y).map(lambda m: m[..., 0, :] - m[..., 1, :])
            interval = norm(mean_absolute, gaps)
            samples = mean_absolute(gaps.samples)[:, 0]
            told.append(measured(interval, samples, metric="association_bias_mean", **about))
        one = difference(*told)
        covered += one.low <= -0.3 <= one.high
        assert one.high < 0
    assert covered >= 28


@pytest.mark.parametrize(
    ("metric", "group", "expected"),
    [("harm_gap", "", True), ("association_bias", "", True), ("accuracy_disparity", "", True),
     ("association_bias", "man − woman", False), ("accuracy", "man", False)],
)  # fmt: skip
def test_what_noise_inflates(metric, group, expected):
    """A largest minus a least is never below 0; a difference with a sign may be."""
    assert inflated(Measure("model", metric, "set", group=group)) == expected


def test_a_change_from_all_right_is_unsure():
    few = Measure("model", "accuracy", "s", value=1.0, low=0.8, high=1.0, n=15, groups=15,
                  sample="x", draws=(0.0,) * 200)  # fmt: skip
    more = dataclasses.replace(
        few, value=0.9, low=0.7, high=1, draws=tuple(0.08 * (-1) ** k for k in range(200))
    )
    one = difference(few, more)
    assert one.high > 0.2
    assert one.note == PAIRED


def test_compare_refuses_other_pictures():
    of = everything()
    with pytest.raises(InputError, match="both sets of pictures are named"):
        list(compare(of, of, ask(of)))
    fewer = moved(dataclasses.replace(of, name="fewer"), np.arange(40))
    with pytest.raises(InputError, match="got 60 and 40, 40 of them in both"):
        list(compare(of, fewer, ask(of)))
    few = [Measure("model", "accuracy", "s", note="too few"), of_set("s", 0.1, 0.1)]
    assert np.isnan(difference(*few).value)
    assert difference(*few).note == "too few"
