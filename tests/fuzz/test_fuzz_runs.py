"""A finished run with a damaged file is no longer done, or its results are what they were.

A study shares the directory: its state is told, its results are collected, and nothing ends in a
traceback, whichever file it is.
"""

import functools
import io
import shutil

import numpy as np
import pytest
from helpers import small_grid
from helpers.damage import damages
from helpers.fuzz import attempt, cases
from hypothesis import given
from hypothesis import strategies as st

from m4jax import terminal
from m4jax.grid import collect, study
from m4jax.grid.cells import expand, levels
from m4jax.run import state, work
from m4jax.run.state import Layout

CONFIG = small_grid.config(seeds=(0,))
SEEN = ("runs", "weights")  # what the results are collected from


def cells_of():
    return expand(CONFIG)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study of one trained model and one that is balanced, in this process."""
    layout = Layout(tmp_path_factory.mktemp("study"))
    for cell in cells_of():
        for task in ("world", "weights", "run"):
            if task != "weights" or cell.config.weighted:
                work.TASKS[task](cell.config, layout, lambda *_: None)
    return layout.root


@functools.cache
def expected(root):
    """Returns what is collected of the whole."""
    return collected(root)


def collected(root):
    """Returns the rows of the runs that are done, as text."""
    layout, cells = Layout(root), cells_of()
    done = [cell for cell in cells if state.state(cell.config, layout) == "done"]
    rows = collect.rows(done, levels(CONFIG), layout) if done else []
    return {cell.config.id for cell in done}, [repr(row) for row in rows]


@pytest.mark.slow  # trains two models first
@cases(25)
@given(seed=st.integers(0, 1 << 40))
def test_a_damaged_run_is_known(tmp_path_factory, finished, seed):
    rng, root = np.random.default_rng(seed), tmp_path_factory.mktemp("damaged")
    for name in SEEN:
        shutil.copytree(finished / name, root / name)
    (root / "data").symlink_to(finished / "data")
    paths = [p for p in sorted(root.rglob("*")) if p.is_file() and p.stat().st_size]
    small = [p for p in paths if "checkpoints" not in p.parts]
    victim = small[rng.integers(len(small))]
    victim.write_bytes(next(damages(victim.read_bytes(), 1, seed=seed)))
    console = terminal.console(file=io.StringIO(), width=200)
    attempt("runs", lambda: study._print_status(cells_of(), Layout(root), console))
    result = attempt("collected runs", lambda: collected(root))
    if result is not None:
        everything, rows = expected(finished)
        done, actual = result
        if done == everything:
            assert actual == rows, victim
        else:
            assert victim.parts[len(root.parts) + 1] not in done
    shutil.rmtree(root)
