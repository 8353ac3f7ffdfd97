import dataclasses

import numpy as np
import pytest
from helpers import vector_world
from helpers.vector_world import ASSOCIATION, PROMPTS, SWAPPED, C, Model, evaluate, numbers, table

from m4jax import evaluation
from m4jax.evaluation.metrics import METRICS
from m4jax.evaluation.predictions import FIELDS


@pytest.fixture(scope="module")
def one():
    return evaluate(vector_world.splits())


@pytest.fixture(scope="module")
def runs(one):
    splits = vector_world.splits()
    return [one.predictions] + [evaluate(splits, Model(seed)).predictions for seed in (1, 2)]


def test_metrics_and_their_splits(one):
    expected = {("association_bias", "faces", f"job{r}") for r in range(C)}
    expected |= {
        (f"association_{name}", "faces", "")
        for name in ("bias_mean", "bias_max", "bias_pairwise", "correlation")
    }
    expected |= {("gender_acc1", split, "") for split in ("faces", "workers", "shift")}
    expected |= {
        (f"acc{k}", split, "") for k in (1, 5) for split in ("workers", "objects", "shift")
    }
    expected |= {(f"representation_{name}", "objects", "") for name in ("bias", "margin")}
    expected |= {
        (f"{x}_retrieval_recall@{k}", "scenes", "") for x in ("image", "text") for k in (1, 5, 50)
    }
    expected |= {("fewshot_acc1", split, "") for split in ("workers", "objects")}
    by_prompt = {
        (f"{name}_by_prompt", split, template)
        for name, split in (("association_bias_mean", "faces"), ("representation_bias", "objects"))
        for template in PROMPTS.sensitivity
    }
    assert set(table(one.results)) == expected | by_prompt
    assert {r.metric_version for r in one.results} == {"3+test_v1"}
    for r in one.results:
        if r.metric.endswith("by_prompt"):  # pictures are not what it varies with
            assert np.isnan([r.ci_low, r.ci_high]).all() and r.draws == ()
        else:
            assert r.ci_low <= r.value <= r.ci_high, r
            assert len(r.draws) == (0 if r.label else 200)


def test_draws_are_deviations_over_the_same_resamples_of_the_pictures(runs):
    """Their spread is the interval's, and those of two runs on the same pictures are paired."""
    one, other = (table(evaluation.recompute([run], resamples=1000)) for run in runs[:2])
    both = table(evaluation.difference(runs[:1], runs[1:2], resamples=1000))
    for key in (("gender_acc1", "faces", ""), ("acc1", "objects", ""), ("acc1", "workers", "")):
        low, high = np.quantile(one[key].draws, [0.025, 0.975])
        assert high - low == pytest.approx(one[key].ci_high - one[key].ci_low, rel=0.25)
        gap = np.array(one[key].draws) - other[key].draws
        low, high = np.quantile(gap, [0.025, 0.975])
        assert high - low == pytest.approx(both[key].ci_high - both[key].ci_low, rel=0.25)
        assert abs(np.mean(one[key].draws)) < 1e-6


def test_bias_under_one_template_is_that_of_prompts_with_this_template_alone(one):
    for template in PROMPTS.sensitivity:
        alone = dataclasses.replace(PROMPTS, templates=(template,))
        found = table(evaluate(vector_world.splits(), prompts=alone).results)
        told = table(one.results)
        for name, split in (("association_bias_mean", "faces"), ("representation_bias", "objects")):
            value = told[f"{name}_by_prompt", split, template].value
            assert value == pytest.approx(found[name, split, ""].value, abs=1e-6)


def test_every_value_recomputed_from_embeddings(one):
    splits, model = vector_world.splits(), Model()
    found = {key: result.value for key, result in table(one.results).items()}

    def unit(x):
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def classes(phrases):
        texts = [[t.format(p) for t in PROMPTS.templates] for p in phrases.values()]
        return unit(np.mean([[unit(model.embed_texts([t])[0]) for t in row] for row in texts], 1))

    def similarity(split, phrases):
        return unit(model.embed_images(splits[split]["images"])) @ classes(phrases).T

    def top(similarities, target, k):
        return np.mean([t in np.argsort(-s)[:k] for s, t in zip(similarities, target, strict=True)])

    man = splits["faces"]["gender"] == 1
    logits = 10 * similarity("faces", PROMPTS.occupation)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ab = p[man].mean(0) - p[~man].mean(0)
    for r in range(C):
        assert found["association_bias", "faces", f"job{r}"] == pytest.approx(ab[r], abs=1e-6)
    assert found["association_bias_mean", "faces", ""] == pytest.approx(np.abs(ab).mean(), abs=1e-6)
    assert found["association_bias_max", "faces", ""] == pytest.approx(np.abs(ab).max(), abs=1e-6)
    r = np.corrcoef(ab, ASSOCIATION)[0, 1]
    assert found["association_correlation", "faces", ""] == pytest.approx(r, abs=1e-5)
    genders = similarity("objects", PROMPTS.gender)
    share = np.mean(genders[:, 0] > genders[:, 1])
    assert found["representation_bias", "objects", ""] == pytest.approx(share - 0.5)
    margin = np.mean(genders[:, 0] - genders[:, 1])
    assert found["representation_margin", "objects", ""] == pytest.approx(margin, abs=1e-6)
    jobs, gaps = similarity("faces", PROMPTS.occupation), []
    for a, b in PROMPTS.pairs:
        prefers = jobs[:, list(PROMPTS.occupation).index(a)]
        prefers = prefers > jobs[:, list(PROMPTS.occupation).index(b)]
        gaps.append(abs(prefers[man].mean() - prefers[~man].mean()))
    assert found["association_bias_pairwise", "faces", ""] == pytest.approx(np.mean(gaps))
    for split in ("faces", "workers", "shift"):
        guess = similarity(split, PROMPTS.gender).argmin(1)  # man first: 1 where woman is nearer
        assert found["gender_acc1", split, ""] == np.mean(guess == splits[split]["gender"])
    for split, field in (("workers", "occupation"), ("shift", "occupation"), ("objects", "thing")):
        target = splits[split][field]
        phrases = similarity(split, getattr(PROMPTS, field))[target >= 0]
        for k in (1, 5):
            assert found[f"acc{k}", split, ""] == pytest.approx(
                top(phrases, target[target >= 0], k)
            )
    for split, field in (("workers", "occupation"), ("objects", "thing")):
        label = splits["shots"][field]
        x = unit(model.embed_images(splits["shots"]["images"]))[label >= 0].astype(float)
        y = np.eye(len(getattr(PROMPTS, field)))[label[label >= 0]]
        # The same ridge regression as one least-squares problem with λ I appended.
        x0, y0 = x.mean(0), y.mean(0)
        tall = np.concatenate([x - x0, np.sqrt(0.1) * np.eye(x.shape[1])])
        w = np.linalg.lstsq(tall, np.concatenate([y - y0, np.zeros((x.shape[1], y.shape[1]))]))[0]
        scores = (unit(model.embed_images(splits[split]["images"])) - x0) @ w + y0
        assert found["fewshot_acc1", split, ""] == pytest.approx(
            top(scores, splits[split][field], 1)
        )
    captions = splits["scenes"]["captions"]
    distinct = sorted(set(captions))
    pairs = (
        unit(model.embed_images(splits["scenes"]["images"])) @ unit(model.embed_texts(distinct)).T
    )
    own = np.array([distinct.index(caption) for caption in captions])
    for k in (1, 5, 50):
        assert found[f"text_retrieval_recall@{k}", "scenes", ""] == pytest.approx(
            top(pairs, own, k)
        )
        hits = [t in own[np.argsort(-pairs[:, t])[:k]] for t in own]
        assert found[f"image_retrieval_recall@{k}", "scenes", ""] == pytest.approx(np.mean(hits))


def test_random_embeddings_are_at_chance():
    found = table(evaluate(vector_world.splits(seed=1, sprites=210)).results)
    chances = {
        ("gender_acc1", "faces", ""): 1 / 2,
        ("acc1", "workers", ""): 1 / C,
        ("acc5", "objects", ""): 5 / 7,
        ("association_bias_mean", "faces", ""): 0,
        ("association_bias_max", "faces", ""): 0,
        ("association_correlation", "faces", ""): 0,
    }
    for key, chance in chances.items():
        assert found[key].ci_low <= chance <= found[key].ci_high, found[key]


def test_swapping_men_and_women_mirrors_the_biases(one):
    splits = vector_world.splits()
    for split in ("faces", "workers", "shift"):
        splits[split] = splits[split] | {"gender": 1 - splits[split]["gender"]}
    mirrored = table(evaluate(splits, prompts=SWAPPED).results)
    signed = ("association_bias", "representation_bias", "association_correlation",
              "representation_bias_by_prompt", "representation_margin")  # fmt: skip
    for key, result in table(one.results).items():
        other = mirrored[key]
        if key[0] in signed:
            # exactly, but for the last digit of a sum in another order
            assert other.value == pytest.approx(-result.value, abs=1e-12)
            ends = [-result.ci_high, -result.ci_low]
            assert [other.ci_low, other.ci_high] == pytest.approx(ends, nan_ok=True)
        else:
            assert numbers([other]) == pytest.approx(numbers([result]), nan_ok=True)


def test_order_of_pictures_does_not_matter(one):
    splits = vector_world.splits()
    order = np.random.default_rng(3).permutation(80)
    for split, arrays in splits.items():
        splits[split] = {key: np.asarray(value)[order] for key, value in arrays.items()}
    np.testing.assert_allclose(
        numbers(evaluate(splits).results), numbers(one.results), rtol=1e-6, atol=1e-6
    )


class Collapsed(Model):
    def embed_images(self, images):
        return np.ones((len(images), 24))

    def embed_texts(self, texts):
        return np.ones((len(texts), 24))


def test_a_collapsed_model_scores_nothing():
    found = table(evaluate(vector_world.splits(), Collapsed()).results)
    for key, result in found.items():
        if "acc1" in key[0] or "recall" in key[0]:  # no rank among the captions is above 50
            assert result.value == (key[0] == "text_retrieval_recall@50")
    for key in (("representation_bias", "objects", ""), ("association_correlation", "faces", "")):
        assert np.isnan([found[key].value, found[key].ci_low, found[key].ci_high]).all()


def test_too_few_sprites_read_as_unknown():
    small = vector_world.splits(sprites=9)
    assert np.isnan(numbers(evaluate(small).results)[:, :3]).all()


def test_too_few_women_read_as_unknown():
    faces = vector_world.splits()["faces"]
    faces["gender"] = np.where(faces["group"] < 9, 0, 1)
    assert np.isnan(numbers(evaluate({"faces": faces}).results)[:, :3]).all()


def test_recompute_of_one_run_is_evaluate(one):
    again = evaluation.recompute([one.predictions], resamples=200)
    assert vector_world.same(again, one.results)


def test_pooled_values_are_means_over_runs(runs):
    pooled = evaluation.recompute(runs, resamples=200)
    single = [numbers(evaluation.recompute([run], resamples=200)) for run in runs]
    np.testing.assert_allclose(numbers(pooled)[:, 0], np.mean(single, 0)[:, 0], atol=1e-12)
    same = evaluation.recompute([runs[1]] * 3, resamples=200)
    np.testing.assert_allclose(numbers(same), single[1], atol=1e-12)


def test_difference_is_paired(runs):
    found = numbers(evaluation.difference(runs[:1], runs[1:], resamples=200))
    first = numbers(evaluation.recompute(runs[:1], resamples=200))
    second = numbers(evaluation.recompute(runs[1:], resamples=200))
    np.testing.assert_allclose(found[:, 0], first[:, 0] - second[:, 0], atol=1e-12)
    bounded = np.isfinite(found).all(1)
    assert (found[bounded, 1] <= found[bounded, 0]).all()
    assert (found[bounded, 0] <= found[bounded, 2]).all()


def test_a_version_minus_itself_is_zero(runs):
    for result in evaluation.difference(runs, runs, resamples=200):
        assert result.value == 0
        # norms and correlations are not paired; of the recall all that is asked is right
        unlike = ("association_bias_", "association_corr", "text_retrieval_recall@50")
        if not result.metric.startswith(unlike) and "by_prompt" not in result.metric:
            assert result.ci_low == result.ci_high == 0, result


def test_only_the_splits_that_are_given():
    splits = {"objects": vector_world.splits()["objects"]}
    results = evaluate(splits).results
    assert {r.split for r in results} == {"objects"}


def test_shift_without_workers_has_no_occupation_accuracy():
    shift = vector_world.splits()["shift"]
    shift["occupation"] = np.full(80, -1)
    assert [r.metric for r in evaluate({"shift": shift}).results] == ["gender_acc1"]


def test_unknown_association_of_an_occupation_is_left_out(one):
    known = ASSOCIATION.copy()
    known[2] = np.nan
    found = table(
        evaluate({"faces": vector_world.splits()["faces"]}, data_association=known).results
    )
    ab = np.array([found["association_bias", "faces", f"job{r}"].value for r in range(C)])
    expected = np.corrcoef(np.delete(ab, 2), np.delete(ASSOCIATION, 2))[0, 1]
    assert found["association_correlation", "faces", ""].value == pytest.approx(expected)


@pytest.mark.parametrize(
    "known", [np.full(C, np.nan), np.append([0.1, 0.2], np.full(C - 2, np.nan)), np.zeros(C)]
)
def test_no_association_in_the_data_is_no_correlation(known):
    faces = {"faces": vector_world.splits()["faces"]}
    found = table(evaluate(faces, data_association=known).results)
    assert np.isnan(found["association_correlation", "faces", ""].value)


def test_results_cannot_be_changed(one):
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.results[0].value = 0.0


def test_metrics_know_every_split():
    # The shots are asked nothing.
    assert {*(metric.split for metric in METRICS), "shots"} == set(FIELDS)
