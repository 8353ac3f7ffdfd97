"""A run of ours under audit, and a weekly audit whose first one has nothing to compare with."""

import numpy as np
import pytest
from helpers.small_grid import SMALL
from PIL import Image

from configs import audit as audit_file
from configs import base
from m4jax import training
from m4jax.audit import stages
from m4jax.audit.config import audit_config
from m4jax.audit.job import Job
from m4jax.audit.model import own_run
from m4jax.errors import InputError
from m4jax.grid.cells import merge
from m4jax.run import model
from m4jax.run.config import run_config
from m4jax.run.state import Layout
from m4jax.run.train import train_run


def quiet(*_):
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory, sprites):
    """A short run on the testbed."""
    small = {name: SMALL[name] for name in ("world", "train", "model")}
    run = run_config(merge(base.get_config().to_dict(), small))
    layout = Layout(tmp_path_factory.mktemp("study"))
    run.source.prepare(layout.data)
    train_run(run, layout, quiet)
    return run, layout


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(folder / f"{i}.png")
        text = ("a man", "a woman", "a clock")[i % 3]
        (folder / f"{i}.txt").write_text(text, encoding="utf-8")
    return folder


def audited(folder, against=None, **changes):
    config = audit_config(audit_file.get_config().to_dict() | changes)
    job = Job(config, folder, against, "a command", quiet)
    for work in stages.STAGES.values():
        work(job, quiet)
    return job


def test_a_run_is_audited_by_its_own_model_and_words(trained, photos, tmp_path):
    run, layout = trained
    path = layout.run(run)
    opened, words = own_run.open_run(str(path))
    embedder, tokenizer = model.embedder(run, layout)
    same = training.Embedder(opened.module, opened.params, batch_size=256)
    texts = ["a man", "a picture of a clock"]
    np.testing.assert_array_equal(words(texts), tokenizer(texts))
    np.testing.assert_array_equal(same.tokens(words(texts)), embedder.tokens(tokenizer(texts)))
    job = audited(tmp_path / "audit", data=str(photos), model=str(path), check_language=False,
                  minimum=2, resamples=100)  # fmt: skip
    told = {one.metric for one in job.measures if one.part == "model" and one.told}
    assert {"accuracy", "representation_bias"} <= told
    assert f"run {path.name}" in job.model


def test_a_run_elsewhere_than_it_was_made_is_refused(trained, tmp_path):
    run, layout = trained
    elsewhere = tmp_path / "copied"
    elsewhere.symlink_to(layout.run(run))
    with pytest.raises(InputError, match="where it was trained"):
        own_run.open_run(str(elsewhere))


def test_the_first_audit_of_a_schedule_has_nothing_to_compare_with(photos, tmp_path):
    folder = tmp_path / "weekly"
    same = {"data": str(photos), "check_language": False, "minimum": 2, "resamples": 100}
    first = audited(folder, against=folder, **same)
    assert first.before is None and not first.changes
    (photos / "0.txt").write_text("a woman", encoding="utf-8")
    second = audited(folder, against=folder, **same)
    assert second.before is not None and second.changes
