"""Pairwise AB, the RB margin, several wordings of one content, and the draws of few groups."""

import dataclasses

import numpy as np
import pytest
from helpers import vector_world
from helpers.vector_world import PROMPTS, Model, evaluate, table

from m4jax import evaluation
from m4jax.errors import InputError


@pytest.fixture(scope="module")
def one():
    return evaluate(vector_world.splits())


def test_prompts_without_pairs_have_no_pairwise_bias(one):
    """Versions before the third are read as ever; what else is measured is the same."""
    plain = dataclasses.replace(PROMPTS, pairs=())
    found = evaluate(vector_world.splits(), prompts=plain)
    assert "faces/pair_preference" not in found.predictions
    rest = [r for r in one.results if r.metric != "association_bias_pairwise"]
    assert vector_world.same(found.results, rest)


def test_predictions_of_before_have_no_margin(one):
    old = {k: v for k, v in one.predictions.items() if k != "objects/gender_margin"}
    found = evaluation.recompute([old], resamples=200)
    rest = [r for r in one.results if r.metric != "representation_margin"]
    assert vector_world.same(found, rest)


class Collapsed(Model):
    def embed_images(self, images):
        return np.ones((len(images), 24))

    def embed_texts(self, texts):
        return np.ones((len(texts), 24))


def test_a_tie_between_two_occupations_is_half_a_preference():
    found = evaluate(vector_world.splits(), Collapsed()).predictions["faces/pair_preference"]
    assert found.shape == (80, len(PROMPTS.pairs)) and (found == 0.5).all()


def test_runs_that_were_asked_about_other_pairs_are_refused(one):
    turned = tuple(pair[::-1] for pair in PROMPTS.pairs)
    other = evaluate(vector_world.splits(), prompts=dataclasses.replace(PROMPTS, pairs=turned))
    with pytest.raises(InputError, match="differ in prompts/pairs"):
        evaluation.difference([one.predictions], [other.predictions])


def test_draws_of_few_groups_are_wider():
    """1.96 times their deviation is half an interval by Student's t over the groups."""
    for sprites in (12, 200):
        splits = vector_world.splits(sprites=sprites)
        found = table(evaluate({"objects": splits["objects"]}, resamples=1000).results)
        margin = found["representation_margin", "objects", ""]
        half = (margin.ci_high - margin.ci_low) / 2
        assert 1.96 * np.std(margin.draws) == pytest.approx(half, rel=0.15)


def test_another_wording_of_the_same_content_is_right():
    splits = vector_world.splits()["scenes"]
    content = np.unique(splits["captions"], return_inverse=True)[1]
    # The first 42 pairs are of different contents, the others repeat theirs in other words.
    worded = [f"photo {c}" if i >= 42 else c for i, c in enumerate(splits["captions"])]
    words = splits | {"captions": worded}
    told = evaluate({"scenes": words | {"content": content}}).predictions
    alone = evaluate({"scenes": words}).predictions
    for rank in ("scenes/image_rank", "scenes/text_rank"):
        assert (told[rank] <= alone[rank]).all() and (told[rank] < alone[rank]).any()
    with pytest.raises(InputError, match="a caption with two"):
        evaluate({"scenes": splits | {"content": np.arange(80)}})
