"""The study of a limited retraining: its numbers from made-up results, its pages, its rule."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from configs import finetune as configuration
from experiments.finetuning import choosing, made, pictures, runs, show, table
from experiments.finetuning.settings import TuneConfig
from m4jax.data.readers import open_collection
from m4jax.errors import InputError
from m4jax.evaluation.measures.prompts import load as load_asked
from m4jax.evaluation.prompts import load
from m4jax.run.state import Layout

TUNING = TuneConfig(steps=(10, 20), tested=20, alphas=(0.5,))
SEEDS = tuple(range(1, 9))
CONDITIONS = ("original", "balanced", "oracle", "balanced 10", "control 10", "balanced 20",
              "control 20", "frozen image 20", "frozen text 20", "alpha 0.5", "projected texts",
              "projected pictures", "projected both")  # fmt: skip
MOVED = {"balanced 10": -0.05, "balanced 20": -0.10, "balanced": -0.10, "oracle": -0.11}


def made_up(noise=0.01, without=()):
    """Results in which bias moves by `MOVED` from 0.2, and nothing else does."""
    rows = []
    for condition in CONDITIONS:
        for seed in SEEDS:
            rng = np.random.default_rng([seed, CONDITIONS.index(condition)])
            for metric in dict.fromkeys((m.name, m.split) for m in table.SHOWN):
                bias = "bias" in metric[0]
                value = (0.2 + MOVED.get(condition, 0) if bias else 0.7) + noise * rng.normal()
                draws = 0.02 * np.random.default_rng(seed).normal(size=50)
                empty = condition in without and metric[0] == "representation_bias"
                rows.append(
                    {"condition": condition, "seed": seed, "run_id": "x", "metric": metric[0],
                     "split": metric[1], "value": None if empty else value, "ci_low": 0.0,
                     "ci_high": 1.0, "n": 9, "metric_version": "2",
                     "draws": [] if empty else (draws - draws.mean()).tolist()}
                )  # fmt: skip
    return rows


STUDY = table.Study(made_up())


def test_an_effect_is_the_mean_difference_with_students_interval_over_seeds():
    found = STUDY.effect("balanced 20", "original", "mean |AB|", SEEDS)
    name, split = table.SHOWN[2].name, table.SHOWN[2].split
    by = {(r["condition"], r["seed"]): r["value"] for r in STUDY.rows
          if (r["metric"], r["split"]) == (name, split)}  # fmt: skip
    d = np.array([by["balanced 20", s] - by["original", s] for s in SEEDS])
    assert found["mean"] == pytest.approx(d.mean())
    half = stats.t.ppf(0.975, 7) * d.std(ddof=1) / np.sqrt(8)
    assert found["seeds"] == pytest.approx(half)
    # All models were asked about the same resamples: the pictures' chance cancels here.
    assert found["pictures"] == pytest.approx(0, abs=1e-9)
    assert found["high"] - found["mean"] == pytest.approx(half)
    assert found["p"] == pytest.approx(stats.wilcoxon(d).pvalue)


def test_the_size_of_rb_forgets_its_sign():
    rows = [r | {"value": -r["value"]} if r["metric"] == "representation_bias" else r
            for r in made_up()]  # fmt: skip
    turned = table.Study(rows)
    assert turned.level("original", "RB", SEEDS)[0] < 0
    assert turned.level("original", "|RB|", SEEDS) == STUDY.level("original", "|RB|", SEEDS)
    one, other = (s.get("original", 1, "|RB|").draws for s in (turned, STUDY))
    np.testing.assert_allclose(one, -other, atol=1e-7)


def test_what_was_written_down_before_is_decided_by_both_conditions():
    told = show.tests(STUDY, TUNING)
    assert [(row["minus"], row["metric"]) for row in told] == [
        (minus, name) for minus in ("original", "control 20", "balanced") for name in show.BIAS
    ]
    assert [row["decided"] for row in told] == [True] * 4 + [False] * 2
    assert all(row["p_holm"] >= row["p"] for row in told)
    seven = [row for row in made_up() if row["seed"] != 8]
    assert not any(row["decided"] for row in show.tests(table.Study(seven), TUNING))


def test_margins_tell_what_is_within_and_what_cannot_be_told():
    said = {(r["against"], r["metric"]): r["says"] for r in show.margins(STUDY, TUNING)}
    assert said["control", "gender"] == "no loss beyond it"
    assert said["balanced", "|RB|"] == "within it"
    noisy = show.margins(table.Study(made_up(noise=0.2)), TUNING)
    assert sum(row["says"] == "can't tell" for row in noisy) >= 5  # of seven, by chance not all
    worse = [r | {"value": r["value"] - 0.1 * (r["condition"] == "balanced 20")}
             for r in made_up()]  # fmt: skip
    said = {r["metric"]: r["says"] for r in show.margins(table.Study(worse), TUNING)}
    assert said["occupations"] == "a loss beyond it"
    assert said["mean |AB|"] == "outside"


def test_the_pages_are_written_from_the_table_alone(tmp_path):
    path = tmp_path / "results.parquet"
    table.write(path, made_up(without=("projected both",)))
    (tmp_path / "README.md").write_text("# x\n\n" + "\n".join(show.MARKED["levels"]) + "\nend\n")
    show.write(tmp_path, table.read(path), TUNING)
    page = (tmp_path / "README.md").read_text()
    assert "| original, before | +20." in page and page.endswith("end\n")
    assert "| projected, texts and pictures | – | – |" in page
    for name in ("steps.png", "steps.csv", "dials.png", "dials.csv"):
        assert (tmp_path / "figures" / name).stat().st_size > 500
    assert "fine-tuned, balanced, image tower frozen, 20 steps" in page
    before = {p.name: p.read_bytes() for p in tmp_path.glob("*.csv")}
    show.write(tmp_path, table.read(path), TUNING)
    assert before == {p.name: p.read_bytes() for p in tmp_path.glob("*.csv")}


def test_a_rate_is_judged_by_what_it_leaves_of_bias_and_quality():
    def row(condition, metric, value):
        return {"condition": condition, "seed": 0, "metric": metric.name, "split": metric.split,
                "value": value, "draws": []}  # fmt: skip

    values = {"0 0": (0.2, 0.04, 0.9), "1 10": (-0.1, 0.02, 0.8), "1 20": (0.1, 0.01, 0.9)}
    study = table.Study(
        row(condition, metric, numbers[0 if i < 2 else 1 if i == 2 else 2])
        for condition, numbers in values.items()
        for i, metric in enumerate(table.SHOWN)
    )
    told = choosing.judged(study, 1.0, 0, TUNING)
    assert told["bias"] == pytest.approx(((0.5 + 0.5) + (0.5 + 0.25)) / 2)
    assert told["lost"] == pytest.approx(0.05)


def test_runs_of_fine_tuning_start_from_the_folder_of_their_seed(tmp_path, monkeypatch):
    config = configuration.get_config().to_dict()
    tuning = config.pop("tuning")
    assert TuneConfig(**tuning) == TuneConfig()
    bases = runs.Bases(config, Layout(tmp_path))
    monkeypatch.setattr(bases, "folder", lambda seed: tmp_path / f"original-{seed}")
    found = runs.conditions(bases, 3, 5e-4, TuneConfig())
    assert len(found) == 3 + 2 * 4 + 2
    tuned = found["balanced 150"]
    assert tuned.init_from.endswith("original-3")
    assert (tuned.train.steps, tuned.train.warmup_steps, tuned.train.seed) == (150, 15, 1003)
    assert tuned.balance == found["balanced"].balance and found["control 150"].balance is None
    assert tuned.source == found["control 150"].source != found["oracle"].source
    assert found["frozen text 150"].train.freeze == "text"


@pytest.mark.parametrize("changes", [{"tested": 7}, {"rates": ()}, {"steps": (1,), "tested": 1}])
def test_settings_that_make_no_study_are_told(changes):
    with pytest.raises(InputError, match="tuning"):
        TuneConfig(**changes)


def test_evaluation_pictures_become_a_folder_that_an_audit_reads(tmp_path):
    prompts = load("emoji_scenes_v2")
    shown = np.zeros((3, 32, 32, 3), np.uint8)
    splits = {
        "faces": {"images": shown, "group": [5, 5, 6], "gender": [0, 1, 1]},
        "workers": {"images": shown, "group": [7, 7, 8], "gender": [1, 0, 0],
                    "occupation": [2, 0, 21]},
        "objects": {"images": shown, "group": [1, 2, 3], "gender": [-1] * 3, "thing": [0, 31, 4]},
    }  # fmt: skip
    pictures.write(tmp_path, splits, prompts)
    found = open_collection(tmp_path, image="image")
    assert (len(found), found.kind) == (9, "folder")
    columns = pa.concat_tables(found.blocks()).to_pydict()
    assert columns["gender"][:4] == ["woman", "man", "man", "man"]
    assert columns["occupation"][3:6] == ["astronaut", "firefighter", "childminder"]
    assert [int(x) for x in columns["nobody"]] == [0] * 6 + [1] * 3
    asked = load_asked(tmp_path / "prompts.json")
    assert asked.attributes["gender"] == {"man": ("a man",), "woman": ("a woman",)}
    assert len(asked.classes) == 22


class Fixed:
    """Embeds a picture and a token as rows of two tables."""

    logit_scale = 7.0

    def __init__(self, pictures, texts):
        self._pictures, self._texts = pictures, texts

    def images(self, images):
        return self._pictures[images]

    def tokens(self, tokens):
        return self._texts[tokens]


@pytest.mark.parametrize("side", made.SIDES)
def test_a_projected_model_lacks_the_direction_on_its_side_alone(side):
    tables = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    tables /= np.linalg.norm(tables, axis=-1, keepdims=True)
    plain, basis = Fixed(*tables), np.eye(1, 4, dtype=np.float32)
    found = made.Projected(plain, basis, *made.SIDES[side])
    rows = np.arange(6)
    texts, shown = found.tokens(rows), found.images(rows)
    assert (np.abs(texts[:, 0]).max() < 1e-6) == (side in ("texts", "both"))
    assert (np.abs(shown[:, 0]).max() < 1e-6) == (side in ("pictures", "both"))
    if side == "texts":
        np.testing.assert_array_equal(shown, tables[0])
    assert found.logit_scale == 7.0


def test_the_direction_is_told_by_texts_that_nothing_is_measured_by():
    prompts, asked = load("emoji_scenes_v2"), []

    def embed(texts):
        asked.extend(texts)
        return np.random.default_rng(0).normal(size=(len(texts), 8))

    assert made.gender_direction(prompts, embed).shape == (1, 8)
    measured = {t.replace("{}", p) for t in prompts.templates for p in prompts.gender.values()}
    assert len(asked) == 10 and not measured & set(asked)


@pytest.mark.slow
def test_what_is_published_follows_from_its_results(tmp_path):
    """Tables and data of figures, from a copy of results.parquet and of the README alone."""
    published = Path(__file__).parents[1] / "results" / "finetune"
    for name in ("results.parquet", "README.md"):
        shutil.copy(published / name, tmp_path / name)
    study = table.read(tmp_path / "results.parquet")
    show.write(tmp_path, study, TuneConfig())
    names = ("README.md", "effects.csv", "tests.csv", "margins.csv", "figures/steps.csv",
             "figures/dials.csv")  # fmt: skip
    for name in names:
        assert (tmp_path / name).read_text() == (published / name).read_text(), name
    assert study.seeds == tuple(range(1, 9)) and len(study.conditions) == 19
