"""Scores of the annotator against labels by reading."""

import math
import os
from pathlib import Path

import pytest

from experiments import annotation_scores, measure_annotation
from experiments.annotation_scores import Row, kappa, share
from m4jax.data.annotation import load_lexicon
from m4jax.errors import InputError

FOLDER = Path(__file__).parents[2] / "results" / "annotation"


def test_wilson_intervals():
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263, and 0 of 20.
    score = share([True] * 81 + [False] * 182)
    assert (score.low, score.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    score = share([False] * 20)
    assert (score.low, score.high) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert math.isnan(share([]).value)


def test_kappa():
    # 20 of 50 yes by both, 15 no by both, 5 and 10 apart: 0.7 agreed, 0.5 by chance.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert kappa(pairs) == pytest.approx(0.4)
    assert math.isnan(kappa([("y", "y")]))


def test_scores_and_confusion():
    rows = [
        Row("cc", "random", ("man", "man"), "man", "man", (True,), (True, False)),
        Row("cc", "random", ("none", "man"), "none", "man", (), ()),
        Row("coco", "occupation", ("woman", "woman"), "woman", "none", (False,), ()),
    ]
    found = {
        (one["what"], one["source"], one["stratum"], one["class"], one["measure"]): one["value"]
        for one in annotation_scores.scores(rows)
    }
    assert found["gender", "cc", "random", "man", "precision"] == 0.5
    assert found["gender", "all", "all", "named", "recall"] == 0.5
    assert found["occupation", "all", "all", "any", "precision"] == 0.5
    assert found["readings", "all", "all", "gender", "agreement"] == pytest.approx(2 / 3)
    table = annotation_scores.confusion(rows)
    assert sum(one["n"] for one in table) == 3
    said = [one["n"] for one in table if (one["true"], one["said"]) == ("none", "man")]
    assert max(said) == 1


def test_without_the_captions_it_says_what_it_needs(monkeypatch):
    monkeypatch.delenv("M4JAX_REAL", raising=False)
    with pytest.raises(InputError, match="M4JAX_REAL"):
        measure_annotation.read(FOLDER / "gold.csv", load_lexicon("en_v2"))


@pytest.mark.skipif(not os.environ.get("M4JAX_REAL"), reason="needs M4JAX_REAL")
def test_the_annotator_reads_as_well_as_the_results_say():
    rows = measure_annotation.read(FOLDER / "gold.csv", load_lexicon("en_v2"))
    scores = {
        one["measure"]: one["value"]
        for one in annotation_scores.scores(rows)
        if (one["source"], one["stratum"], one["class"]) == ("all", "random", "named")
    }
    assert scores["precision"] >= 0.97 and scores["recall"] >= 0.90
    assert (FOLDER / "README.md").read_text(encoding="utf-8").count(f"{scores['precision']:.1%}")
