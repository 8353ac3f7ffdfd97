import dataclasses

import numpy as np
import pytest
from helpers.asked_models import CLASSES, GENDER, ask, embed, found, moved, pictures, twice, unit
from scipy import stats

from m4jax.errors import InputError
from m4jax.evaluation.measures import extremes
from m4jax.evaluation.measures.accuracy import accuracy, class_accuracy
from m4jax.evaluation.measures.cells import Cells, gap
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.resampling import Settings


def predicted(n=240, seed=0, **fields):
    """Pictures of two genders and three ages, with predictions that are worse for young women."""
    rng = np.random.default_rng(seed)
    gender, age = np.arange(n) % 2, np.arange(n) // 2 % 3
    rate = np.where((gender == 1) & (age == 0), 0.6, 0.9)
    right = rng.random(n) < rate
    values = {"gender": (("man", "woman"), gender), "age": (("young", "middle", "old"), age)}
    guess = np.where(right, gender, 1 - gender)
    of = pictures(n, values=values, predictions={"gender": guess}, **fields)
    return dataclasses.replace(of, embeddings=np.zeros((n, 0), np.float32))


def silent(of, **settings):
    """What is asked where there are predictions alone."""
    return dataclasses.replace(ask(of, **settings), texts=None)


def test_of_predictions_by_group_and_intersection():
    of = predicted()
    told = list(accuracy(silent(of)))
    right = of.predictions["gender"] == of.attributes["gender"].codes
    gender, age = (of.attributes[name].codes for name in ("gender", "age"))
    whole = found(told, "accuracy")
    assert whole.value == pytest.approx(right.mean())
    assert (whole.n, whole.groups, whole.attribute) == (240, 240, "gender")
    men, women = right[gender == 0].mean(), right[gender == 1].mean()
    assert found(told, "accuracy", group="woman").value == pytest.approx(women)
    assert found(told, "accuracy_gap", group="man − woman").value == pytest.approx(men - women)
    shares = {
        f"{g} & {a}": right[(gender == i) & (age == j)].mean()
        for i, g in enumerate(("man", "woman"))
        for j, a in enumerate(("young", "middle", "old"))
    }
    label = "by gender × age"
    for name, share in shares.items():
        assert found(told, "accuracy", group=name, label=label).value == pytest.approx(share)
    worst = found(told, "accuracy_worst", label=label)
    assert worst.value == pytest.approx(min(shares.values()))
    assert worst.which == min(shares, key=shares.get) == "woman & young"
    assert (worst.n, worst.groups) == (40, 40)
    largest = found(told, "accuracy_disparity", label=label)
    assert largest.value == pytest.approx(max(shares.values()) - min(shares.values()))
    assert largest.which.endswith("− woman & young")
    by_age = found(told, "accuracy_disparity", label="by age")
    means = [right[age == j].mean() for j in range(3)]
    assert by_age.value == pytest.approx(np.ptp(means))


def test_what_was_not_predicted_does_not_count_and_is_told():
    of = predicted()
    guess = np.where(np.arange(240) < 40, -1, of.predictions["gender"])
    told = list(accuracy(silent(dataclasses.replace(of, predictions={"gender": guess}))))
    right = guess[40:] == of.attributes["gender"].codes[40:]
    whole = found(told, "accuracy")
    assert whole.value == pytest.approx(right.mean())
    assert "40 pictures without an answer" in whole.note


def test_of_embeddings_by_the_nearest_words():
    of = pictures(100, seed=1)
    told = list(accuracy(ask(of)))
    words = unit(embed(["a man", "a woman"]))
    right = [
        int((image @ words[code]) > (image @ words[1 - code]))
        for image, code in zip(of.embeddings, of.attributes["gender"].codes, strict=True)
    ]
    assert found(told, "accuracy").value == pytest.approx(np.mean(right))
    assert found(told, "accuracy", group="man").value == pytest.approx(np.mean(right[0::2]))
    guys = unit(embed(["a guy", "a gal"]))
    other = [
        image @ guys[code] > image @ guys[1 - code]
        for image, code in zip(of.embeddings, of.attributes["gender"].codes, strict=True)
    ]
    assert found(told, "accuracy", wording="a guy / a gal").value == pytest.approx(np.mean(other))
    spread = found(told, "accuracy_range", wording="words")
    assert spread.value == pytest.approx(abs(np.mean(right) - np.mean(other)))


def test_a_tie_is_wrong():
    of = pictures(40)
    man, woman = unit(embed(["a man", "a woman"]))
    between = np.tile(man + woman, (40, 1))
    told = list(accuracy(ask(dataclasses.replace(of, embeddings=unit(between)))))
    assert found(told, "accuracy").value == 0


def test_order_changes_nothing_copies_neither_and_swapped_values_the_sign_alone():
    of = predicted()
    first = list(accuracy(silent(of)))
    order = np.random.default_rng(1).permutation(240)
    for one, same in zip(first, accuracy(silent(moved(of, order))), strict=True):
        assert one == same or np.isnan(one.value)
    for one, same in zip(first, accuracy(silent(twice(of))), strict=True):
        if one.metric in ("accuracy", "accuracy_gap"):
            assert (one.low, one.value, one.high) == pytest.approx(
                (same.low, same.value, same.high)
            )
    swapped = AuditPrompts("v", attributes={"gender": dict(reversed(GENDER["gender"].items()))})
    other = list(accuracy(dataclasses.replace(silent(of), prompts=swapped)))
    gap = found(first, "accuracy_gap", group="man − woman")
    back = found(other, "accuracy_gap", group="woman − man")
    assert (back.value, back.low, back.high) == pytest.approx((-gap.value, -gap.high, -gap.low))


def test_values_are_matched_by_their_words():
    of = pictures(60, values={"gender": (("Gal", "Guy"), np.arange(60) % 2)})
    told = list(accuracy(ask(of)))
    assert found(told, "accuracy_gap", group="Guy − Gal").told
    stranger = pictures(60, values={"gender": (("man", "robot"), np.arange(60) % 2)})
    (untold,) = accuracy(ask(stranger))
    assert "'robot'" in untold.note


def test_small_groups_are_left_out_and_named():
    of = predicted(60)  # ten of each intersection
    codes = of.attributes["age"].codes.copy()
    codes[:3] = -1
    attributes = {**of.attributes, "age": dataclasses.replace(of.attributes["age"], codes=codes)}
    told = list(accuracy(silent(dataclasses.replace(of, attributes=attributes))))
    assert found(told, "accuracy", group="man & old", label="by gender × age").n == 10
    worst = found(told, "accuracy_worst", label="by gender × age")
    assert "man & young: 9 independent groups" in worst.note or "8 independent" in worst.note
    few = list(accuracy(silent(predicted(24))))
    untold = found(few, "accuracy_worst", label="by gender × age")
    assert np.isnan(untold.value)
    assert "fewer than two groups" in untold.note


def test_accuracy_on_classes_is_that_of_the_nearest_class():
    labels = {name: np.arange(120) % 5 == k for k, name in enumerate(CLASSES)}
    labels["nurse"] = labels["nurse"] | labels["pilot"]
    labels["not asked about"] = np.ones(120, bool)
    of = pictures(120, seed=3, labels=labels)
    told = list(class_accuracy(ask(of)))
    nearest = (of.embeddings @ unit(embed(list(CLASSES.values()))).T).argmax(1)
    names = list(CLASSES)
    right = [labels[names[nearest[i]]][i] for i in range(120) if i % 5 < 4]
    whole = found(told, "class_accuracy")
    assert (whole.value, whole.n) == (pytest.approx(np.mean(right)), 96)
    men = [labels[names[nearest[i]]][i] for i in range(0, 120, 2) if i % 5 < 4]
    assert found(told, "class_accuracy", group="man", label="by gender").value == np.mean(men)
    assert not list(class_accuracy(ask(pictures(40))))


def binomial_cells(hits, sizes):
    """Cells of independent pictures, and the draws of their shares."""
    codes = np.repeat(np.arange(len(sizes)), sizes)
    names = tuple(f"g{v}" for v in range(len(sizes)))
    of = pictures(len(codes), values={"x": (names, codes)})
    cells = Cells(of, codes, names, Settings(resamples=100))
    right = np.concatenate([np.arange(n) < k for k, n in zip(hits, sizes, strict=True)])
    return cells, cells.means(right[:, None] * 1.0)


def test_bounds_of_independent_pictures_are_clopper_and_pearsons():
    cells, draws = binomial_cells([20, 0, 12], [20, 15, 30])
    low, high = extremes._bounds(cells, draws, 0.025)
    for v, (k, n) in enumerate(((20, 20), (0, 15), (12, 30))):
        exact = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
        assert (low[v], high[v]) == pytest.approx((exact.low, exact.high))


def test_bounds_of_copies_are_those_of_the_originals():
    once, draws = binomial_cells([12], [30])
    codes = np.zeros(90, int)
    of = pictures(90, values={"x": (("g0",), codes)}, groups=np.arange(90) % 30)
    cells = Cells(of, codes, ("g0",), Settings(resamples=2000))
    right = (np.arange(90) % 30 < 12) * 1.0
    low, high = extremes._bounds(cells, cells.means(right[:, None]), 0.025)
    exact_low, exact_high = extremes._bounds(once, draws, 0.025)
    assert (low[0], high[0]) == pytest.approx((exact_low[0], exact_high[0]), abs=0.03)
    assert high[0] - low[0] >= exact_high[0] - exact_low[0] - 0.02


def exact(k, n, tail):
    """Clopper and Pearson's bounds, each missed with probability `tail`."""
    ends = stats.binomtest(k, n).proportion_ci(1 - 2 * tail, method="exact")
    return ends.low, ends.high


def test_extremes_by_hand():
    counts = ((30, 40), (18, 20), (55, 60))
    cells, draws = binomial_cells(*zip(*counts, strict=True))
    worst = extremes.worst(cells, draws, 0.95)
    assert worst.value == 0.75
    assert worst.low == pytest.approx(min(exact(k, n, 0.025)[0] for k, n in counts))
    assert worst.high == pytest.approx(min(exact(k, n, 0.025 / 3)[1] for k, n in counts))
    largest = extremes.disparity(cells, draws, 0.95)
    assert largest.value == pytest.approx(55 / 60 - 0.75)
    sure, plain = ([exact(k, n, 0.0125 / by) for k, n in counts] for by in (3, 1))
    lowest = max(low for low, _ in sure) - min(high for _, high in sure)
    assert largest.low == pytest.approx(max(lowest, 0))
    highest = max(high for _, high in plain) - min(low for low, _ in plain)
    assert largest.high == pytest.approx(highest)
    apart, of = binomial_cells([5, 38], [40, 40])
    ends = exact(38, 40, 0.0125 / 2)[0] - exact(5, 40, 0.0125 / 2)[1]
    assert extremes.disparity(apart, of, 0.95).low == pytest.approx(ends)


@pytest.mark.parametrize("equal", [True, False])
def test_coverage_of_the_worst_group_and_the_disparity(equal):
    """The intervals hold the truth in at least 95% of 400 simulations."""
    rng = np.random.default_rng(4)
    sizes = np.array([12, 20, 40, 80] * 6)
    truth = np.full(24, 0.85) if equal else np.linspace(0.6, 0.95, 24)
    cells, draws = binomial_cells(sizes // 2, sizes)
    covered, below = np.zeros(2), 0
    for _ in range(400):
        shares = rng.binomial(sizes, truth) / sizes
        drawn = dataclasses.replace(draws, estimate=shares[None, :, None])
        worst = extremes.worst(cells, drawn, 0.95)
        largest = extremes.disparity(cells, drawn, 0.95)
        covered += [
            worst.low <= truth.min() <= worst.high,
            largest.low <= np.ptp(truth) <= largest.high,
        ]
        below += worst.value < truth.min()
    assert (covered >= 0.95 * 400).all()
    assert below > 300 or not equal  # the plain minimum is nearly always too low


def test_a_gap_is_as_unsure_as_a_small_group_that_is_all_right():
    """15 of 15 women right may be chance: a gap of some points either way is not excluded."""
    gender = (np.arange(55) >= 40).astype(int)
    right = np.ones(55, bool)
    right[:2] = False  # 38 of 40 men
    of = pictures(
        55, values={"gender": (("man", "woman"), gender)},
        predictions={"gender": np.where(right, gender, 1 - gender)},
    )  # fmt: skip
    one = found(accuracy(silent(of)), "accuracy_gap", group="man − woman")
    assert one.value == pytest.approx(38 / 40 - 1)
    assert one.high > 0.1  # women may be worse than they look,
    assert -0.25 < one.low < -0.1  # but not better
    assert (one.n, one.groups) == (55, 15)


def test_coverage_of_a_gap():
    rng, truth = np.random.default_rng(0), np.array([0.95, 0.97])
    codes = (np.arange(75) >= 50).astype(int)
    of = pictures(75, values={"x": (("a", "b"), codes)})
    cells, covered = Cells(of, codes, ("a", "b"), Settings(resamples=200)), 0
    for _ in range(300):
        right = rng.random(75) < truth[codes]
        interval, _ = gap(*cells.both(cells.means(right[:, None])))
        covered += interval.low <= truth[0] - truth[1] <= interval.high
    assert covered >= 0.93 * 300


def test_predictions_must_fit():
    of = predicted()
    for change, why in (
        ({"gender": np.full(240, 2)}, "from −1 to 1"),
        ({"gender": np.zeros(3, int)}, "shape"),
        ({"race": np.zeros(240, int)}, "nothing is known"),
    ):
        with pytest.raises(InputError, match=why):
            dataclasses.replace(of, predictions=change)
    with pytest.raises(InputError, match="expected one row"):
        dataclasses.replace(of, labels={"labels": np.zeros(2, bool)})
