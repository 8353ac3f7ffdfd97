"""The measuring itself, on the testbed's pictures: recomputed, and of models that know nothing."""

import jax
import numpy as np
import pytest

from configs import base
from m4jax import evaluation
from m4jax.evaluation import prompts
from m4jax.grid.cells import merge
from m4jax.run import evaluate, model
from m4jax.run.config import run_config
from m4jax.run.state import Layout
from m4jax.training.step import init_params

MODELS = 8


def config(**changes):
    small = {"world": {"examples": 600}, "model": {"variant": "emoji-S/16"}}
    return run_config(merge(merge(base.get_config().to_dict(), small), changes))


@pytest.fixture(scope="module")
def asked(tmp_path_factory, sprites):
    """The evaluation's pictures, and the answers of random models to them."""
    run, layout = config(), Layout(tmp_path_factory.mktemp("study"))
    run.source.prepare(layout.data)
    splits = run.source.evaluation(layout.data)
    answers, module = [], model.create(run)
    init = jax.jit(lambda seed: init_params(module, seed=seed))
    for seed in range(MODELS):
        embedder = model.embedder(run, layout, init(seed))
        answers.append((embedder, evaluate.evaluate(run, layout, splits, *embedder)))
    return run, splits, answers


def table(found):
    return {(r.metric, r.split, r.label): r.value for r in found.results}


@pytest.mark.slow
def test_every_headline_number_recomputed_from_embeddings(asked):
    run, splits, answers = asked
    (embedder, words), found = answers[0]
    found, texts = table(found), prompts.load(run.evaluate.prompts)

    def unit(x):
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def classes(phrases):
        each = [unit(embedder.tokens(words([t.replace("{}", p) for t in texts.templates])))
                for p in phrases]  # fmt: skip
        return unit(np.array([x.mean(0) for x in each]))

    def cosines(split, phrases):
        return unit(embedder.images(splits[split]["images"])) @ classes(phrases).T

    gender = cosines("objects", [texts.gender["man"], texts.gender["woman"]])
    rb = (gender[:, 0] > gender[:, 1]).mean() - 0.5
    assert found["representation_bias", "objects", ""] == pytest.approx(rb, abs=2e-3)
    logits = embedder.logit_scale * cosines("faces", texts.occupation.values())
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    man = splits["faces"]["gender"] == 1
    ab = p[man].mean(0) - p[~man].mean(0)
    for name, value in zip(texts.occupation, ab, strict=True):
        assert found["association_bias", "faces", name] == pytest.approx(value, abs=1e-6)
    assert found["association_bias_mean", "faces", ""] == pytest.approx(np.abs(ab).mean(), abs=1e-6)
    right = cosines("objects", texts.thing.values()).argmax(1) == splits["objects"]["thing"]
    assert found["acc1", "objects", ""] == pytest.approx(right.mean(), abs=2e-3)


def test_models_that_know_nothing_are_at_chance(asked):
    _, _, answers = asked
    found = [table(answer) for _, answer in answers]

    def values(*key):
        return np.array([of_model[key] for of_model in found])

    # Each random model prefers one word for most pictures; which one is a matter of chance.
    preferences = values("representation_bias", "objects", "")
    assert np.abs(preferences).max() > 0.2
    assert abs(preferences.mean()) < 2.5 * preferences.std(ddof=1) / np.sqrt(MODELS)
    # Men and women are drawn differently, which a random model sees as well, but not what it means.
    assert values("association_bias_mean", "faces", "").max() < 0.01
    follows = values("association_correlation", "faces", "")
    assert abs(follows.mean()) < 2.5 * follows.std(ddof=1) / np.sqrt(MODELS)
    assert abs(values("acc1", "objects", "").mean() - 1 / 32) < 0.03
    assert abs(values("gender_acc1", "faces", "").mean() - 0.5) < 0.05


def test_the_shots_are_of_the_training_pictures_and_ten_a_class(asked):
    _, splits, _ = asked
    shots = splits["shots"]
    for field in ("occupation", "thing"):
        known = shots[field][shots[field] >= 0]
        assert np.bincount(known).max() <= 10 and len(known) > 20
    assert ((shots["occupation"] < 0) | (shots["thing"] < 0)).all()
    held_out = {group for name in ("workers", "objects") for group in splits[name]["group"]}
    assert not held_out.intersection(shots["group"][shots["thing"] >= 0])


def test_a_second_evaluation_gives_the_same_numbers(asked):
    run, _, answers = asked
    again = evaluation.recompute([answers[0][1].predictions], resamples=run.evaluate.resamples)
    assert repr(again) == repr(answers[0][1].results)  # NaN equals NaN
