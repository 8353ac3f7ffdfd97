"""A run's numbers follow from its embeddings, by code of its own as well."""

import re
from pathlib import Path

import numpy as np
import pytest
import recompute_metrics
from helpers import commands, small_grid

from m4jax.errors import InputError
from m4jax.evaluation import save_predictions
from m4jax.grid import chosen
from m4jax.grid.cells import expand
from m4jax.run import work
from m4jax.run.embeddings import embeddings
from m4jax.run.state import RESULTS, Layout

CONFIRMATION = Path(__file__).parents[2] / "results" / "confirmation"
CONFIG = """
from helpers import small_grid
from ml_collections import ConfigDict

def get_config():
    return ConfigDict(small_grid.config(track=False))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, sprites):
    """A run of twelve steps, where it lies, and what it keeps."""
    layout = Layout(tmp_path_factory.mktemp("study"))
    cells = expand(small_grid.config(track=False))
    run = next(cell.config for cell in cells if cell.version == "original")
    work.prepare_world(run, layout, lambda *event: None)
    work.run_cell(run, layout, lambda *event: None)
    save_predictions(layout.root / "run.npz", embeddings(run, layout))
    return run, layout, recompute_metrics.read(layout.root / "run.npz")


def test_a_runs_numbers_are_those_of_its_evaluation(finished):
    run, layout, kept = finished
    told = recompute_metrics.evaluated(layout.run(run) / RESULTS)
    count, largest = recompute_metrics.difference(kept, told)
    assert count == 19 and largest < 1e-6


def test_another_answer_is_seen(finished):
    run, layout, kept = finished
    told = recompute_metrics.evaluated(layout.run(run) / RESULTS)
    for name in ("faces", "workers", "objects", "shift", "scenes"):
        turned = kept | {f"{name}/embedding": kept[f"{name}/embedding"][::-1]}
        assert recompute_metrics.difference(turned, told)[1] > 1e-3 or name == "objects"
    assert recompute_metrics.difference(kept | {"logit_scale": np.array(1.0)}, told)[1] > 1e-6
    assert not recompute_metrics.difference(kept, {})[1] < 1e-6


def test_embeddings_are_of_unit_length_and_name_all_that_is_asked(finished):
    _, _, kept = finished
    for name, x in kept.items():
        if name.endswith("/embedding"):
            assert x.dtype == np.float32
            np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
        assert x.dtype.kind in "fiuU"
    assert len(set(kept["texts/text"].tolist())) == len(kept["texts/text"])
    assert kept["scenes/caption"].max() < len(kept["texts/text"])


def test_the_command_keeps_runs_that_are_drawn_or_named(finished, tmp_path):
    run, layout, kept = finished
    (tmp_path / "small.py").write_text(CONFIG)
    where = (f"--config={tmp_path / 'small.py'}", f"--workdir={layout.root}")
    for asked in (("--count=1", "--seeds=0"), (f"--runs={run.id}",)):
        out = tmp_path / asked[0].strip("-")[:4]
        done = commands.run("keep_embeddings", *where, *asked, f"--out={out}")
        assert done.returncode == 0, done.stderr
        found = recompute_metrics.read(out / f"{run.id}.npz")
        assert set(found) == set(kept)
        for name, x in found.items():
            np.testing.assert_array_equal(x, kept[name])


def test_runs_that_are_not_finished_are_refused(finished, tmp_path):
    run, layout, _ = finished
    cells = expand(small_grid.config(track=False))
    assert chosen.drawn(cells, layout, count=1, draw=17) == [run]
    assert chosen.named(run.id, cells, layout) == run
    with pytest.raises(InputError, match=r"expected 2 finished runs among the 4 .* found 1"):
        chosen.drawn(cells, layout, count=2, draw=17)
    with pytest.raises(InputError, match="not finished in"):
        chosen.named(run.id, cells, Layout(tmp_path))
    with pytest.raises(InputError, match="no run of this configuration"):
        chosen.named("0" * 12, cells, layout)


def test_which_runs_are_drawn_depends_on_their_ids_alone(monkeypatch):
    monkeypatch.setattr(chosen, "is_done", lambda run, layout: True)
    cells, layout = expand(small_grid.config()), Layout(Path("runs"))
    one, other = (chosen.drawn(c, layout, count=3, draw=17) for c in (cells, cells[::-1]))
    assert [run.id for run in one] == [run.id for run in other]
    assert len({run.id for run in one}) == 3


def test_the_confirmations_embeddings_give_its_numbers():
    paths = list((CONFIRMATION / "embeddings").glob("*.npz"))
    if not (CONFIRMATION / "tables" / "claims.csv").exists():
        pytest.skip("results/confirmation/tables/claims.csv is not there: the study has not ended")
    compared = list(recompute_metrics.kept_runs(CONFIRMATION))
    assert len(compared) == len(paths) >= 3
    for run, kept, told in compared:
        assert re.fullmatch("[0-9a-f]{12}", run) and kept["run"] == run
        assert recompute_metrics.difference(kept, told)[1] < 1e-6
