"""A study on pairs of a TFDS dataset: the same commands, from nothing but pictures and captions."""

import io
import json

import pytest
from helpers import small_grid
from rich.console import Console

from configs import ablation
from m4jax import files
from m4jax.grid import study
from m4jax.grid.cells import expand, merge
from m4jax.report import results
from m4jax.run.config import from_json
from m4jax.run.state import evaluation_id


@pytest.fixture(scope="module")
def config(dataset):
    """Two versions, one filtered; the small world's dataset is taken for one of photographs."""
    source = {
        "dataset": dataset, "caption": "caption", "resolution": 32,
        "faces": (dataset, "faces", "image", "gender"),
        "objects": (dataset, "objects", "image", "thing"),
        "scenes": (dataset, "scenes", "image", "caption"),
    }  # fmt: skip
    # The captions say less than the generator knows: fewer constraints can hold.
    balanced = {"balance": {"enabled": True, "labels": ("any_thing",)}, "filter": {"enabled": True}}
    versions = (("original", {}), ("balanced", balanced))
    whole = merge(small_grid.config(), {"source": "pairs", "pairs": source})
    return whole | {"factors": (("version", versions),), "seeds": (0,)}


def run(config, workdir, **options):
    text = io.StringIO()
    console = Console(file=text, width=200, highlight=False)
    options = {"action": "run", "workers": 2} | options
    code = study.main(config, workdir=str(workdir), console=console, **options)
    return code, text.getvalue()


@pytest.mark.slow
def test_from_captions_to_claims(config, tmp_path):
    code, text = run(config, tmp_path)
    assert code == 0, text
    table = results.read(tmp_path / "results.parquet")
    measured = table.select(kind="run")
    assert set(measured["split"].tolist()) == {"faces", "objects", "scenes"}
    assert {"representation_bias", "association_bias_mean"} <= set(measured["metric"].tolist())

    def of_data(version, metric):
        return table.select(kind="data", version=version, metric=metric)["value"].item()

    before, after = (of_data(v, "representation_bias") for v in ("original", "balanced"))
    assert abs(after) < abs(before)
    assert 0 < of_data("balanced", "keep_rate") <= 0.7  # the filter drops 30%
    assert run(config, tmp_path)[0] == 0
    assert list((tmp_path / "figures").glob("*.png"))


def test_a_plan_without_the_data_or_the_device(tmp_path):
    """The paper's scale can be priced where neither its data nor its devices are."""
    cells = expand(ablation.get_config("paper").to_dict())
    assert len(cells) > 150
    for cell in cells[:9]:  # as a worker gets it
        assert from_json(json.loads(json.dumps(cell.config.to_json()))) == cell.config
    assert all(cell.config.train.steps * cell.config.train.batch_size > 9e8 for cell in cells)
    code, text = run(ablation.get_config("paper").to_dict(), tmp_path, action="plan", flops=2e14)
    assert code == 0 and f"{len(cells)} of {len(cells)} runs are to be done" in text
    hours = float(text.split("to be done: ")[1].split(" hours")[0].replace(",", ""))
    flops = float(text.split("all, shared runs once")[1].split("│")[4])
    assert hours == pytest.approx(flops / 2e14 / 3600, rel=0.01)


def test_data_that_are_not_there_end_a_run_with_one_line(config, tmp_path):
    missing = merge(config, {"pairs": {"dataset": "no_such_dataset"}})
    code, text = run(missing, tmp_path)
    assert code == 1 and "no dataset 'no_such_dataset' in TFDS" in text
    assert files.read_sealed(tmp_path / "config.json")


def test_other_evaluation_sets_are_no_other_run(config):
    """The study's directory takes them, the runs keep their names, the evaluation does not."""
    fewer = merge(config, {"pairs": {"scenes": ()}, "evaluate": {"resamples": 200}})
    old, new = (expand(whole)[0].config for whole in (config, fewer))
    assert old.id == new.id and old.weights_id == new.weights_id
    assert evaluation_id(old) != evaluation_id(new)
    other = expand(merge(config, {"pairs": {"resolution": 16}}))[0].config
    assert other.id != old.id


@pytest.mark.slow
def test_a_trained_run_is_evaluated_on_other_sets_without_training(config, tmp_path):
    plain = {"factors": (("version", (("original", {}),)),), "track": False}
    assert run(merge(config, plain | {"evaluate": {"resamples": 100}}), tmp_path)[0] == 0
    (mark,) = tmp_path.glob("runs/*/checkpoints/12")
    trained = mark.stat().st_ctime_ns
    fewer = merge(config, plain | {"pairs": {"scenes": ()}})
    assert run(fewer, tmp_path)[0] == 0
    assert mark.stat().st_ctime_ns == trained and len(list(tmp_path.glob("runs/*"))) == 1
    (rows,) = tmp_path.glob("runs/*/eval.jsonl")
    assert {row["split"] for row in files.read_jsonl(rows)} == {"faces", "objects"}
