"""Which finished runs of a study are taken: those that are named, or some that are drawn."""

import itertools
from collections.abc import Sequence

import numpy as np

from m4jax.errors import InputError
from m4jax.grid.cells import Cell
from m4jax.run.config import RunConfig
from m4jax.run.state import Layout, is_done


def named(run: str, cells: Sequence[Cell], layout: Layout) -> RunConfig:
    """Returns the finished run of this id.

    Raises:
        InputError: if the study has no such run, or it is not finished.
    """
    found = next((cell.config for cell in cells if cell.config.id == run), None)
    if found is None or not is_done(found, layout):
        what = "no run of this configuration" if found is None else f"not finished in {layout.root}"
        raise InputError(f"run {run}: {what}")
    return found


def drawn(cells: Sequence[Cell], layout: Layout, *, count: int, draw: int) -> list[RunConfig]:
    """Returns the first finished runs in a random order of the cells, which depends on ids alone.

    Raises:
        InputError: if fewer than `count` are finished.
    """
    runs = sorted({cell.config.id: cell.config for cell in cells}.items())
    order = np.random.default_rng(draw).permutation(len(runs))
    done = (runs[k][1] for k in order if is_done(runs[k][1], layout))
    chosen = list(itertools.islice(done, count))
    if len(chosen) < count:
        raise InputError(
            f"{layout.root}: expected {count} finished runs among the {len(runs)} that are asked "
            f"for, found {len(chosen)}; run the study first"
        )
    return chosen
