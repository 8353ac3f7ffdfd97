"""A finished run is known by its files; what is missing or damaged is made again, the same."""

import dataclasses
import io

import pytest
from helpers.small_grid import config as grid

from m4jax import files, terminal, training
from m4jax.errors import InputError
from m4jax.grid import collect, study
from m4jax.grid.cells import expand, merge
from m4jax.grid.pool import Task
from m4jax.run import weights, work
from m4jax.run.state import FAILED, Layout, damaged, is_done, state, unreadable


def quiet(*event):
    """Ignores the progress."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory, sprites):
    """A run of twelve steps whose bias is tracked, and the bytes that it left."""
    layout = Layout(tmp_path_factory.mktemp("study"))
    run = next(cell.config for cell in expand(grid()) if cell.version == "original")
    work.prepare_world(run, layout, quiet)
    work.run_cell(run, layout, quiet)
    folder = layout.run(run)
    names = ["eval.jsonl", "predictions.npz", *(f"along/{step}.jsonl" for step in (3, 6, 9, 12))]
    return run, layout, {name: (folder / name).read_bytes() for name in names}


def test_all_that_results_are_collected_from_is_sealed(finished):
    run, layout, content = finished
    assert is_done(run, layout) and damaged(run, layout) == []
    assert set(files.read_sealed(layout.run(run) / "DONE")["files"]) == set(content)


@pytest.mark.parametrize("name", ["eval.jsonl", "predictions.npz", "along/6.jsonl"])
@pytest.mark.parametrize("deleted", [True, False])
def test_what_is_missing_or_damaged_is_made_again(finished, name, deleted):
    run, layout, content = finished
    path = layout.run(run) / name
    if deleted:
        path.unlink()
    else:
        path.write_bytes(content[name][:-20])
    assert damaged(run, layout) == [name] and not is_done(run, layout)
    work.run_cell(run, layout, quiet)
    assert is_done(run, layout)
    for each, whole in content.items():
        assert (layout.run(run) / each).read_bytes() == whole, each


@pytest.mark.parametrize("text", ["[]", "{", '{"evaluation": 3}'])
def test_a_torn_mark_is_no_mark(finished, text):
    run, layout, _ = finished
    mark = layout.run(run) / "DONE"
    whole = mark.read_text()
    mark.write_text(text)
    assert not is_done(run, layout)
    mark.write_text(whole)
    assert is_done(run, layout)


@pytest.mark.parametrize("name", ["metrics.jsonl", "eval.jsonl", "config.json", "DONE"])
def test_status_goes_on_where_a_file_is_damaged(finished, name):
    """One bit of a letter, one of the bits that make a byte no UTF-8."""
    run, layout, _ = finished
    path, console = layout.run(run) / name, terminal.console(io.StringIO())
    whole, place = path.read_bytes(), path.stat().st_size // 2
    for bit in (0, 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        assert unreadable(run, layout) == [name]
        code = study.main(grid(), workdir=str(layout.root), action="status", workers=1,
                          console=console)  # fmt: skip
        assert code == 1
    path.write_bytes(whole)
    shown = console.file.getvalue()
    assert "damaged" in shown and f"{run.id}: damaged, changed or missing: {name}" in shown
    assert unreadable(run, layout) == []


def test_what_was_measured_otherwise_along_training_is_left_out(finished):
    run, layout, _ = finished
    cell = next(cell for cell in expand(grid()) if cell.config == run)
    more = dataclasses.replace(run, evaluate=dataclasses.replace(run.evaluate, resamples=200))
    assert more.id == run.id
    other = dataclasses.replace(cell, config=more)
    kinds = [{row["kind"] for row in collect._run_rows(x, layout)} for x in (cell, other)]
    assert kinds == [{"run", "along"}, {"run"}]
    assert not collect.measured_otherwise(cell, layout)
    assert collect.measured_otherwise(other, layout)


def test_a_scorer_that_is_not_trained_to_its_end_scores_nothing(finished):
    run, layout, _ = finished
    longer = merge(grid(), {"filter": {"enabled": True}, "train": {"steps": 24}})
    filtered = next(cell.config for cell in expand(longer) if cell.version == "original")
    scorer = layout.run(filtered.scorer)
    scorer.mkdir(parents=True)
    (scorer / "checkpoints").symlink_to(layout.run(run) / "checkpoints")
    assert training.latest_step(scorer) == 12
    with pytest.raises(InputError, match="scorer is not trained to its end"):
        weights.weigh(filtered, layout, quiet)


@pytest.mark.slow
def test_a_member_of_a_fleet_that_explodes_is_marked_and_told(finished):
    _, layout, _ = finished
    loose = merge(grid(), {"train": {"clip_norm": 1e30}, "track": False})
    hot = merge(loose, {"train": {"learning_rate": 1e30}})
    calm = [cell.config for cell in expand(loose) if cell.version == "original"]
    wild = [cell.config for cell in expand(hot) if cell.version == "original"]
    fleet = [calm[1], wild[0]]
    with pytest.raises(training.NonFiniteError, match=f"1 of 2 runs: {wild[0].id}"):
        work.run_fleet(fleet, layout, quiet)
    assert is_done(calm[1], layout) and not is_done(wild[0], layout)
    mark = files.read_sealed(layout.run(wild[0]) / FAILED)
    assert "NonFiniteError" in mark["trace"] and mark["message"]


def test_a_retry_takes_up_the_scorers_of_filters_too(tmp_path):
    layout = Layout(tmp_path)
    cell = expand(merge(grid(), {"filter": {"enabled": True}}))[0]
    marks = [layout.run(config) / FAILED for config in (cell.config, cell.config.scorer)]
    for mark in marks:
        files.write_json(mark, {"message": "no good", "trace": ""})
    study._forget_failures([cell], layout)
    assert not any(mark.exists() for mark in marks)


@pytest.mark.parametrize("kind", ["run", "fleet"])
def test_a_task_that_fails_marks_its_runs_with_the_trace(tmp_path, kind):
    layout = Layout(tmp_path)
    configs = [cell.config for cell in expand(grid())[:2]][: 1 + (kind == "fleet")]
    task = Task("t", kind, "t", tuple(config.to_json() for config in configs))
    study._mark_failed(task, {"message": "no good", "trace": "line 1"}, layout)
    for config in configs:
        assert files.read_json(layout.run(config) / FAILED)["trace"] == "line 1"
        assert state(config, layout) == "failed"


def shown(workdir, changes):
    """What status prints of a grid with changes; its lines, blanks left out."""
    console = terminal.console(io.StringIO())
    study.main(merge(grid(), changes), workdir=str(workdir), action="status", workers=1,
               console=console)  # fmt: skip
    return " ".join(console.file.getvalue().split())


def test_status_tells_what_is_trained_and_to_be_evaluated(finished):
    run, layout, _ = finished
    assert "1 done, 3 pending" in shown(layout.root, {})
    found = shown(layout.root, {"evaluate": {"resamples": 200}})
    assert "3 pending, 1 trained" in found and "started" not in found
    assert "to be evaluated as this configuration says; --action=run does it" in found
    half = layout.run(run) / "checkpoints"
    half.rename(half.with_name("aside"))
    assert "1 started" in shown(layout.root, {"evaluate": {"resamples": 200}})
    half.with_name("aside").rename(half)
