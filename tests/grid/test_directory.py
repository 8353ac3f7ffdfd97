"""A study's directory: a cell that is in it must be the same run again, by contents."""

import re
import shutil

import pytest
from helpers.small_grid import config as grid

from m4jax import files
from m4jax.errors import InputError
from m4jax.grid import directory
from m4jax.grid.cells import expand, merge
from m4jax.run.state import Layout


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "study")


def exported(folder, content):
    """Something that has the files of an exported model."""
    folder.mkdir(exist_ok=True)
    (folder / "model.json").write_text("{}")
    (folder / "model.safetensors").write_text(content)
    return str(folder)


def record(layout, **changes):
    files.write_sealed(layout.config, directory.described(expand(merge(grid(), changes))))


def check(layout, **changes):
    directory.check(expand(merge(grid(), changes)), layout)


def test_another_run_is_refused_with_the_difference(layout):
    check(layout)  # nothing is there
    record(layout)
    check(layout)
    with pytest.raises(InputError, match=r"/original, seed 0/train/steps: 12 there, 13 here"):
        check(layout, train={"steps": 13})


def test_how_a_run_is_looked_at_or_held_may_change(layout):
    record(layout)
    check(layout, evaluate={"resamples": 200}, in_memory_gb=1.0)


def test_what_a_run_starts_from_is_known_by_its_contents(layout, tmp_path):
    first = exported(tmp_path / "first", "x")
    record(layout, init_from=first)
    moved = str(tmp_path / "moved")
    shutil.move(first, moved)
    check(layout, init_from=moved)
    exported(tmp_path / "moved", "other")
    with pytest.raises(InputError, match=f"/init_from: '{re.escape(first)}' there"):
        check(layout, init_from=moved)
    exported(tmp_path / "first", "other")
    with pytest.raises(InputError, match=f"the data or {re.escape(first)} had other contents"):
        check(layout, init_from=first)


def test_a_level_of_any_name_hides_nothing(layout):
    two = (("plain", {}), ("/evaluate/", {"train": {"batch_size": 32}}))
    named = grid() | {"factors": (("version", two),)}
    files.write_sealed(layout.config, directory.described(expand(named)))
    with pytest.raises(InputError, match="steps: 12 there, 13 here"):
        directory.check(expand(merge(named, {"train": {"steps": 13}}))[1:2], layout)


def test_directories_without_ids_are_compared_by_fields(layout):
    old = directory.described(expand(grid()))
    files.write_sealed(
        layout.config, {name: {k: v for k, v in x.items() if k != "id"} for name, x in old.items()}
    )
    check(layout, evaluate={"resamples": 200}, in_memory_gb=1.0)
    with pytest.raises(InputError, match="batch_size: 16 there, 8 here"):
        check(layout, train={"batch_size": 8})
