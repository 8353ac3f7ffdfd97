import numpy as np
import pytest
from helpers.asked_models import CLASSES, GENDER, ask, embed, found, moved, pictures, twice

from m4jax.evaluation.intervals import Interval, norm, percentile
from m4jax.evaluation.measures import permutation
from m4jax.evaluation.measures.association import association
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import MODEL
from m4jax.evaluation.measures.pairwise import pairwise
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.resampling import Settings

THREE = {"who": (("a", "b", "c"), np.arange(90) % 3)}


def softmax_in_loops(images, texts, scale):
    """open_clip's (100 · image @ text.T).softmax(dim=-1), an entry at a time."""
    images, texts = images.astype(float), texts.astype(float)
    result = np.zeros((len(images), len(texts)))
    for i, image in enumerate(images):
        image = image / np.sqrt((image**2).sum())
        cosines = [(text / np.sqrt((text**2).sum()) * image).sum() for text in texts]
        weights = [np.exp(scale * cosine) for cosine in cosines]
        result[i] = [weight / sum(weights) for weight in weights]
    return result


def test_is_the_gap_of_mean_softmax_probabilities():
    of = pictures(60)
    told = list(association(ask(of)))
    p = softmax_in_loops(of.embeddings, embed(list(CLASSES.values())), 10.0)
    gaps = {
        label: np.mean(p[0::2, r]) - np.mean(p[1::2, r]) for r, label in enumerate(CLASSES)
    }  # fmt: skip
    for label, gap in gaps.items():
        one = found(told, "association_bias", group="man − woman", label=label)
        assert one.value == pytest.approx(gap, abs=1e-6)
        assert one.low < one.value < one.high
        assert (one.n, one.groups, one.attribute, one.part) == (60, 30, "gender", MODEL)
    mean = found(told, "association_bias_mean")
    assert mean.value == pytest.approx(np.mean(np.abs(list(gaps.values()))), abs=1e-6)
    largest = found(told, "association_bias_max")
    assert largest.value == pytest.approx(max(np.abs(list(gaps.values()))), abs=1e-6)
    assert largest.which == max(gaps, key=lambda label: abs(gaps[label]))


def test_intervals_are_those_of_the_evaluation_of_our_own_models():
    from m4jax.evaluation import bias, intervals
    from m4jax.evaluation.resampling import Resampler

    of = pictures(60, groups=np.arange(60) // 3)
    told = list(association(ask(of)))
    similarity = of.embeddings @ ask(of).texts(list(CLASSES.values())).T
    probability = bias.class_probability(similarity, 10.0)[None]
    man = 1 - of.attributes["gender"].codes
    resampler = Resampler(of.groups, 1 - man, settings=Settings())
    draws = bias.association_bias(resampler, probability, man)
    mean = found(told, "association_bias_mean")
    expected = norm(intervals.mean_absolute, draws)
    assert (mean.value, mean.low, mean.high) == pytest.approx(
        (expected.value, expected.low, expected.high), abs=1e-6
    )
    for r, label in enumerate(CLASSES):
        expected: Interval = percentile(draws.map(lambda x, r=r: x[..., r]))
        one = found(told, "association_bias", group="man − woman", label=label)
        assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_swapped_values_flip_signs_alone():
    of = pictures(60, seed=1)
    swapped = AuditPrompts(
        "v", attributes={"gender": dict(reversed(GENDER["gender"].items()))}, classes=CLASSES
    )
    first, second = list(association(ask(of))), list(association(ask(of, swapped)))
    one = found(first, "association_bias", group="man − woman", label="nurse")
    other = found(second, "association_bias", group="woman − man", label="nurse")
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))
    assert other.p == one.p
    means = [found(told, "association_bias_mean") for told in (first, second)]
    assert means[0].value == pytest.approx(means[1].value)


def test_order_changes_nothing_and_copies_neither():
    of = pictures(60, seed=2)
    first = list(association(ask(of)))
    order = np.random.default_rng(3).permutation(60)
    for other in (moved(of, order), twice(of)):
        for one, same in zip(first, association(ask(other)), strict=True):
            assert (one.value, one.low, one.high, one.groups) == pytest.approx(
                (same.value, same.low, same.high, same.groups), abs=1e-6
            )
            assert one.key == same.key
    same_sample = {m.sample for m in association(ask(moved(of, order)))}
    assert same_sample == {m.sample for m in first}


def test_more_than_two_values_name_the_largest_and_the_least():
    told = list(association(ask(pictures(90, values=THREE))))
    of = pictures(90, values=THREE)
    p = softmax_in_loops(of.embeddings, embed(list(CLASSES.values())), 10.0)
    means = np.stack([p[v::3].mean(0) for v in range(3)])
    for r, label in enumerate(CLASSES):
        one = found(told, "association_bias", label=label)
        assert one.value == pytest.approx(np.ptp(means[:, r]), abs=1e-6)
        assert one.which == f"{'abc'[means[:, r].argmax()]} − {'abc'[means[:, r].argmin()]}"
        rest = found(told, "association_bias_rest", group="b − the others", label=label)
        others = (means[0, r] + means[2, r]) / 2
        assert rest.value == pytest.approx(means[1, r] - others, abs=1e-6)
        assert one.p <= rest.p


def test_classes_that_are_words_for_a_value_are_not_asked():
    prompts = AuditPrompts("v", attributes=GENDER, classes={**CLASSES, "Man": "Man"})
    labels = {m.label for m in association(ask(pictures(60), prompts)) if m.label}
    assert labels == set(CLASSES)


def test_each_template_alone_and_their_range():
    prompts = AuditPrompts("v", ("{}",), ("{}", "one {}", "two {}"), GENDER, CLASSES)
    told = list(association(ask(pictures(60), prompts)))
    by = {w: found(told, "association_bias_mean", wording=w) for w in ("one {}", "two {}")}
    spread = found(told, "association_bias_mean_range", wording="templates")
    assert spread.value == pytest.approx(abs(by["one {}"].value - by["two {}"].value))
    assert spread.low <= spread.value <= spread.high


def test_what_can_not_be_told_is_said():
    few = pictures(60, values={"gender": (("man", "woman"), np.arange(60) // 55)})
    (one,) = association(ask(few))
    assert "woman: 5 independent groups" in one.note
    (word,) = association(ask(pictures(60), known=lambda text: text != "a cook"))
    assert "a cook" in word.note
    assert np.isnan([one.value, word.value]).all()
    assert not list(association(ask(pictures(60), AuditPrompts("v"))))


@pytest.mark.slow
def test_many_classes_are_quick_and_small():
    import time
    import tracemalloc

    classes = {f"c{k}": f"thing {k}" for k in range(1203)}
    asked = ask(pictures(1000), AuditPrompts("v", attributes=GENDER, classes=classes))
    asked.texts(list(classes.values()))
    tracemalloc.start()
    start = time.process_time()
    told = list(association(asked))
    seconds, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(told) == 1205
    assert seconds < 30  # 4 to 8 with tracing, when nothing else runs
    assert peak < 400e6


def test_pairs_are_a_softmax_over_two():
    prompts = AuditPrompts("v", ("{}",), ("{}", "one {}"), GENDER, pairs=(("a nurse", "a cook"),))
    of = pictures(60, seed=5)
    told = list(pairwise(ask(of, prompts)))
    p = softmax_in_loops(of.embeddings, embed(["a nurse", "a cook"]), 10.0)[:, 0]
    label = "nurse / cook"
    man = found(told, "pair_probability", group="man", label=label)
    woman = found(told, "pair_probability", group="woman", label=label)
    assert (man.value, woman.value) == pytest.approx((p[0::2].mean(), p[1::2].mean()), abs=1e-6)
    assert (man.n, man.groups) == (30, 30)
    gap = found(told, "pair_gap", group="man − woman", label=label)
    assert gap.value == pytest.approx(man.value - woman.value)
    assert found(told, "pair_gap", group="man − woman", label=label, wording="one {}").told
    three = list(pairwise(ask(pictures(90, values=THREE), prompts)))
    values = [found(three, "pair_probability", group=g, label=label).value for g in "abc"]
    assert found(three, "pair_gap", label=label).value == pytest.approx(np.ptp(values))


def cells_of(codes, groups, names=("a", "b"), **settings):
    of = pictures(len(codes), values={"x": (names, codes)}, groups=groups)
    return Cells(of, np.asarray(codes), names, Settings(**settings))


def test_p_finds_what_is_there_among_many():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 300))
    codes = np.arange(80) % 2
    x[codes == 0, 7] += 2
    p = permutation.corrected(cells_of(codes, np.arange(80), resamples=400), x)
    assert p.shape == (2, 300)
    assert p[0, 7] == pytest.approx(1 / 401)
    assert np.sort(p[0])[1] > 0.05


def test_p_of_one_column_is_that_of_a_permutation_test_written_as_a_loop():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(24, 1)) + 0.5 * (np.arange(24) % 2)[:, None]
    codes = np.arange(24) % 2

    def t(c):
        a, b = x[c == 0, 0], x[c == 1, 0]
        return abs(a.mean() - b.mean()) / np.sqrt(a.var() / a.size + b.var() / b.size)

    drawn = [t(rng.permutation(codes)) for _ in range(4000)]
    expected = np.mean(np.array(drawn) >= t(codes))
    p = permutation.corrected(cells_of(codes, np.arange(24), resamples=4000), x)
    assert p[0, 0] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("mixed", [False, True])
def test_p_is_right_where_pictures_are_clustered(mixed):
    """Under the null, clusters or not, one of ten columns is found in 5% of the simulations."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(30), 4)
    codes = (np.arange(120) % 2) if mixed else groups % 2
    cells = cells_of(codes, groups, resamples=199)
    wrong = 0
    for _ in range(150):
        x = rng.normal(size=(30, 10))[groups] + 0.3 * rng.normal(size=(120, 10))
        wrong += permutation.corrected(cells, x).min() <= 0.05
    assert wrong <= 15  # of 150; the 99.5% point of a binomial with 5%


def test_p_is_right_for_equal_means_of_unequal_variances():
    """Without being studentised, a permutation test finds a quarter of these, not a twentieth."""
    rng, codes, wrong = np.random.default_rng(4), (np.arange(80) < 16).astype(int), 0
    cells, deviation = cells_of(codes, np.arange(80), resamples=199), np.where(codes == 1, 3.0, 1)
    for _ in range(150):
        x = deviation[:, None] * rng.normal(size=(80, 1))
        wrong += permutation.corrected(cells, x)[0, 0] <= 0.05
    assert wrong <= 15


def test_p_compares_within_groups_of_both_values():
    """A difference within each group is found, however much the groups differ."""
    rng, groups, codes = np.random.default_rng(5), np.repeat(np.arange(20), 2), np.arange(40) % 2
    x = 10 * rng.normal(size=(20, 1))[groups] + 0.1 * rng.normal(size=(40, 1))
    cells = cells_of(codes, groups, resamples=400)
    assert permutation.corrected(cells, x + 0.3 * (codes == 0)[:, None])[0, 0] < 0.01


def test_p_of_three_values_is_of_all_contrasts_at_once():
    rng = np.random.default_rng(3)
    codes = np.arange(90) % 3
    x = rng.normal(size=(90, 20))
    x[codes == 2, 4] += 2
    p = permutation.corrected(cells_of(codes, np.arange(90), ("a", "b", "c"), resamples=400), x)
    assert p[2, 4] == pytest.approx(1 / 401)
    assert (np.delete(p, 4, axis=1) > 0.05).all()


def test_columns_without_variation_are_not_found():
    p = permutation.corrected(cells_of(np.arange(40) % 2, np.arange(40), resamples=200),
                              np.full((40, 3), 0.25))  # fmt: skip
    assert (p == 1).all()


def test_values_beyond_the_127th_are_tested_as_the_others():
    """150 values of 10 pictures each; the last is off."""
    codes = np.arange(1500) % 150
    names = tuple(f"country{v}" for v in range(150))
    of = pictures(1500, values={"who": (names, codes)})
    cells = Cells(of, codes, names, Settings(resamples=100))
    values = np.random.default_rng(0).normal(size=(1500, 1))
    values[codes == 149] += 4
    p = permutation.corrected(cells, values)
    assert p[149, 0] < 0.02
    assert np.mean(p[:149] < 0.05) < 0.05
