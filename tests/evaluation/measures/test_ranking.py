import dataclasses

import numpy as np
import pytest
from helpers.asking import D, asked, embed, one, pictures
from helpers.ranking_judge import reference_ndkl, reference_skew

from m4jax.evaluation.measures.bias_at_k import bias_at_k, difference
from m4jax.evaluation.measures.pictures import Attribute
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.measures.ranking import neutral, ranking


def similarities(ask):
    words = ask.words.ranking
    texts = list(ask.words.texts("queries", words.template).values())
    return ask.texts(texts) @ ask.pictures.embeddings.T


@pytest.mark.parametrize("values", [2, 3])
def test_are_the_means_over_queries_of_the_published_formulas(values):
    ask = asked(pictures(values=values), lean={"q": 0.5})
    found = list(ranking(ask))
    (known,) = ask.pictures.attributes.values()
    share = dict(enumerate(np.bincount(known.codes) / 400))
    labels = [known.codes[np.argsort(-row)] for row in similarities(ask)]
    skews = np.array([reference_skew(x, 40, share) for x in labels])
    assert one(found, "max_skew").value == pytest.approx(skews[:, 0].mean())
    assert one(found, "min_skew").value == pytest.approx(skews[:, 1].mean())
    divergences = [reference_ndkl(x, 40, share) for x in labels]
    assert one(found, "ndkl").value == pytest.approx(np.mean(divergences))
    for q, label in enumerate(("q0", "q1", "q2")):
        assert one(found, "max_skew", label=label).value == pytest.approx(skews[q, 0])
        assert one(found, "ndkl", label=label).value == pytest.approx(divergences[q])
    equal = dict.fromkeys(range(values), 1 / values)
    of_equal = np.mean([reference_skew(x, 40, equal)[0] for x in labels])
    assert one(found, "max_skew_uniform").value == pytest.approx(of_equal)
    of_equal = np.mean([reference_ndkl(x, 40, equal) for x in labels])
    assert one(found, "ndkl_uniform").value == pytest.approx(of_equal)


def test_what_is_shown_with_the_numbers():
    ask = asked(lean={"q": 0.5})
    found = list(ranking(ask))
    skew = one(found, "max_skew")
    assert (skew.which, skew.n, skew.groups, skew.version) == ("man", 400, 200, "1+v+w")
    assert one(found, "min_skew").which == "woman"
    assert skew.note.startswith("the first 40 of 400 pictures, 6 queries; a random order: 0.")
    assert len(skew.draws) == 200
    assert skew.sample == one(found, "ndkl").sample != ""
    keys = [m.key for m in found]
    assert len(set(keys)) == len(keys)


def test_a_lean_is_found_and_none_is_not():
    leaning, fair = list(ranking(asked(lean={"q": 0.5}))), list(ranking(asked()))
    assert one(leaning, "max_skew").low > 0.2
    assert one(leaning, "min_skew").high < -0.2
    assert one(fair, "max_skew").low == 0
    assert one(fair, "min_skew").high == 0


def test_bias_at_k_is_signed_and_balanced_by_weights():
    codes = (np.arange(600) % 3 == 0).astype(int)  # twice as many men
    fair = list(bias_at_k(asked(pictures(600, codes=codes))))
    plain = one(fair, "bias_at_k", group="man − woman")
    assert plain.low > 0.15  # the pictures' own imbalance, (2 − 1)/(2 + 1)
    assert plain.low < 1 / 3 < plain.high
    balanced = one(fair, "bias_at_k_balanced", group="man − woman")
    assert balanced.low < 0 < balanced.high
    leaning = one(list(bias_at_k(asked(lean={"q": 0.5}))), "bias_at_k_balanced")
    assert leaning.low > 0.3
    other = one(list(bias_at_k(asked(lean={"q": -0.5}))), "bias_at_k_balanced")
    assert other.high < -0.3


def test_bias_at_k_is_the_published_formula_in_a_ranking_of_all_pictures():
    codes = np.arange(500) % 5
    shown = pictures(500, codes=np.where(codes == 0, 0, 1))
    codes = np.where(codes < 2, codes, -1)  # most are known to be neither
    shown = dataclasses.replace(shown, attributes={"gender": Attribute(("man", "woman"), codes)})
    ask = asked(shown, lean={"q": 0.3})
    expected = []
    for row in similarities(ask):
        first = codes[np.argsort(-row)][:50]
        men, women = (first == 0).sum(), (first == 1).sum()
        expected.append((men - women) / (men + women) if men + women else 0)
    found = one(list(bias_at_k(ask)), "bias_at_k")
    assert found.value == pytest.approx(np.mean(expected))
    assert (found.n, found.groups) == (500, 100)


def test_few_pictures_of_unknown_value_are_left_out():
    codes = np.where(np.arange(400) < 5, -1, np.arange(400) % 2)
    shown = pictures()
    shown = dataclasses.replace(shown, attributes={"gender": Attribute(("man", "woman"), codes)})
    found = one(list(bias_at_k(asked(shown))), "bias_at_k")
    assert found.n == 395
    assert found.note.startswith("the first 39 of 395 pictures, 6 queries; a random order: ")


def test_bias_at_k_where_none_is_found():
    assert difference(np.array([[0.0, 0.0], [3, 1]]), 0, 1).tolist() == [0, 0.5]


def few_women(seed, men, women, unknown):
    """Pictures without any lean."""
    number = men + women + unknown
    codes = np.random.default_rng(seed).permutation(np.repeat([0, 1, -1], [men, women, unknown]))
    return dataclasses.replace(
        pictures(number, seed=seed), groups=np.arange(number),
        attributes={"gender": Attribute(("man", "woman"), codes)},
    )  # fmt: skip


def test_chance_alone_is_no_bias_at_k():
    """Of the first ten few are women, at times none: the mean of that is above 0."""
    wrong = 0
    for seed in range(15):
        found = one(list(bias_at_k(asked(few_women(seed, 120, 30, 45)))), "bias_at_k_balanced")
        wrong += not found.low <= 0 <= found.high
    lot = float(found.note.partition("a random order: ")[2].partition(";")[0])
    assert 0.02 < lot < 0.06
    assert wrong <= 4  # 1 expected, P(more than 4) < 0.001


def test_seven_pictures_tell_nothing_of_one_query():
    ask = asked(few_women(0, 39, 15, 46))
    (plain, balanced) = bias_at_k(ask)
    assert balanced.note == "the first 7 pictures are too few (fewer than 10)"
    assert plain.told and not balanced.told
    told = list(ranking(ask))
    assert not any(m.label for m in told)
    assert "of one query nothing is told: the first 5 pictures are" in one(told, "max_skew").note


def test_what_all_of_the_first_agree_in_is_not_certain():
    """The first 20 and all further ones that resamples reach are of one value."""
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(200, D)).astype(np.float32) * 0.01
    codes = (np.arange(200) >= 150).astype(int)
    ask = asked(pictures(200, codes=codes))
    words = ask.words.ranking
    (query, *_) = ask.texts(list(ask.words.texts("queries", words.template).values()))
    embeddings += np.where(codes == 0, 1.0, -1.0)[:, None] * query
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    shown = dataclasses.replace(ask.pictures, embeddings=embeddings, groups=np.arange(200))
    ask = dataclasses.replace(ask, pictures=shown)
    bias = one(list(bias_at_k(ask)), "bias_at_k_balanced", label="q0")
    assert bias.value == bias.high == 1 and 0 < bias.low < 0.9 and bias.p < 0.05
    told = list(ranking(ask))
    for metric in ("max_skew", "ndkl"):
        found = one(told, metric, label="q0")
        assert found.value == found.high == pytest.approx(-np.log(0.75))
        assert 0 <= found.low < 0.15


def test_bias_at_k_of_queries_is_corrected_for_their_number():
    """Of 25 sets of pictures without any lean, in few is one of six queries told."""
    wrong = 0
    for seed in range(25):
        shown = dataclasses.replace(pictures(300, seed=seed), groups=np.arange(300))
        found = [m for m in bias_at_k(asked(shown)) if m.metric == "bias_at_k_balanced" and m.label]
        wrong += min(m.p for m in found) < 0.05
    assert wrong <= 5  # 1 expected, P(more than 5) < 0.002


def test_bias_at_k_of_more_values_is_told_of_every_pair():
    found = list(bias_at_k(asked(pictures(values=3), lean={"q": 0.5})))
    pairs = {m.group: m for m in found if m.metric == "bias_at_k_balanced"}
    assert set(pairs) == {"v0 − v1", "v0 − v2", "v1 − v2"}
    assert pairs["v0 − v1"].low > 0.2
    assert pairs["v1 − v2"].low < 0 < pairs["v1 − v2"].high


def test_bias_at_k_under_other_templates():
    prompts = AuditPrompts("v", sensitivity=("{}", "a photo of {}", "see {}"))
    ask = asked(lean={"q": 0.2, "see": 0.4}, prompts=prompts)
    found = [m for m in bias_at_k(ask) if m.wording]
    assert [m.wording for m in found] == ["{}", "see {}", "templates"]
    assert found[1].value > found[0].value
    assert found[2].metric == "bias_at_k_balanced_range"
    assert found[2].value == pytest.approx(found[1].value - min(
        found[0].value, one(list(bias_at_k(ask)), "bias_at_k_balanced").value))  # fmt: skip


def test_order_of_pictures_and_names_of_groups_do_not_matter():
    usual = list(ranking(asked(lean={"q": 0.3})))
    shown = pictures()
    order = np.random.default_rng(5).permutation(400)
    known = shown.attributes["gender"]
    moved = dataclasses.replace(
        shown, embeddings=shown.embeddings[order], uids=shown.uids[order],
        groups=shown.groups[order],
        attributes={"gender": Attribute(("woman", "man"), 1 - known.codes[order])},
    )  # fmt: skip
    for metric in ("max_skew", "min_skew", "ndkl"):
        again = one(list(ranking(asked(moved, lean={"q": 0.3}))), metric)
        assert again.value == pytest.approx(one(usual, metric).value)
        assert again.sample != ""


def test_without_the_queries_classes_stand_in_that_name_no_value():
    known = lambda text: "class" in text or "man" in text.split()  # noqa: E731
    classes = {f"c{i}": f"a class{i}" for i in range(7)} | {"Man": "a man"}
    attributes = {"gender": {"man": ("a man",), "woman": ("a woman",)}}
    prompts = AuditPrompts("v", attributes=attributes, classes=classes)
    ask = asked(known=known, prompts=prompts)
    texts, note = neutral(ask, "gender")
    assert list(texts) == [f"c{i}" for i in range(7)]
    assert "by 7 classes instead of the neutral queries" in note
    assert note in one(list(ranking(ask)), "max_skew").note


@pytest.mark.parametrize("measurement", [ranking, bias_at_k])
def test_what_can_not_be_told_is_told_once(measurement):
    def single(ask):
        (measure,) = measurement(ask)
        assert not measure.told
        assert np.isnan(measure.value)
        return measure.note

    assert "no embedding of 'a photo of a q0 person'" in single(asked(known=lambda text: False))
    few = pictures(codes=np.where(np.arange(400) < 9, 1, 0))
    assert single(asked(few)) == "woman: 9 independent groups (fewer than 10)"
    alone = dataclasses.replace(few, attributes={"gender": Attribute(("man",), np.zeros(400, int))})
    assert single(asked(alone)) == "no two values are known"
    same = dataclasses.replace(pictures(), embeddings=np.ones((400, D), np.float32) / D**0.5)
    assert "there is no order" in single(asked(same))


def test_nothing_is_told_without_texts_words_or_attributes():
    ask = asked()
    for less in (
        dataclasses.replace(ask, texts=None),
        dataclasses.replace(ask, words=None),
        dataclasses.replace(ask, pictures=dataclasses.replace(ask.pictures, attributes={})),
    ):
        assert list(ranking(less)) == list(bias_at_k(less)) == []


def population(lean, n=200_000):
    """MaxSkew of the first tenth of very many pictures, over the queries."""
    shown = pictures(n, seed=99)
    codes = shown.attributes["gender"].codes
    texts = [f"a photo of a q{i} person" for i in range(6)]
    similar = embed({"q": lean})(texts) @ shown.embeddings.T
    found = []
    for row in similar:
        first = codes[np.argpartition(-row, n // 10)[: n // 10]]
        found.append(np.log(max(first.mean(), 1 - first.mean()) / 0.5))
    return np.mean(found)


@pytest.mark.slow
@pytest.mark.parametrize("lean", [0.0, 0.15])
def test_intervals_cover(lean):
    """Simulated coverage of the 95% intervals; pictures in pairs that look alike."""
    covered = {"max_skew": [], "ndkl": [], "bias_at_k_balanced": []}
    values = []
    truth = population(lean) if lean else 0
    for seed in range(60):
        shown = pictures(300, seed=seed)
        twice = dataclasses.replace(
            shown,
            embeddings=np.repeat(shown.embeddings, 2, 0),
            uids=np.arange(600).astype(str),
            groups=np.repeat(np.arange(300), 2),
            attributes={"gender": Attribute(("man", "woman"), np.repeat(np.arange(300) % 2, 2))},
        )
        ask = asked(twice, lean={"q": lean})
        found = [*ranking(ask), *bias_at_k(ask)]
        skew = one(found, "max_skew")
        covered["max_skew"].append(skew.low <= truth <= skew.high)
        values.append([one(found, name) for name in ("ndkl", "bias_at_k_balanced")])
    for place, name in enumerate(("ndkl", "bias_at_k_balanced")):
        mean = np.mean([row[place].value for row in values])  # what 300 such pictures give
        covered[name] = [row[place].low <= mean <= row[place].high for row in values]
    shares = {name: float(np.mean(x)) for name, x in covered.items()}
    assert min(shares.values()) >= 0.88
