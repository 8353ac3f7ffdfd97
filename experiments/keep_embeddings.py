r"""Keeps the embeddings of some finished runs of a study, from which anybody can recompute them.

    python -m experiments.keep_embeddings --config=configs/confirmation.py \
        --workdir=runs/confirmation --seeds=201,202,203 --out=results/confirmation/embeddings

One file a run, `<run>.npz`, without pickles; `m4jax.run.embeddings` says what is in it. The runs
are drawn: those of `--seeds`, sorted by their ids, are permuted by numpy's `default_rng(--draw)`,
and the first that are finished are taken. `--runs` names them instead. Nothing else is written, and
no result is shown.
"""

from pathlib import Path

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.evaluation import save_predictions
from m4jax.grid import chosen
from m4jax.grid.cells import expand
from m4jax.grid.registered import FIELD
from m4jax.run.embeddings import embeddings
from m4jax.run.state import Layout

_RUNS = flags.DEFINE_list("runs", [], "Ids of the runs; none: they are drawn.")
_SEEDS = flags.DEFINE_list("seeds", [], "Seeds of which runs are drawn; none: of all.")
_COUNT = flags.DEFINE_integer("count", 3, "How many are drawn.", lower_bound=1)
_DRAW = flags.DEFINE_integer("draw", 17, "Seed by which they are drawn.", lower_bound=0)
_OUT = flags.DEFINE_string("out", None, "Where the files are written.", required=True)


def main(console: Console) -> int:
    """Writes the files, and says which."""
    config = {name: value for name, value in command.config().items() if name != FIELD}
    layout, out = Layout(command.workdir()), Path(_OUT.value).absolute()
    cells = expand(config)
    if _RUNS.value:
        runs = [chosen.named(run, cells, layout) for run in _RUNS.value]
    else:
        among = [cell for cell in cells if not _SEEDS.value or str(cell.seed) in _SEEDS.value]
        runs = chosen.drawn(among, layout, count=_COUNT.value, draw=_DRAW.value)
    out.mkdir(parents=True, exist_ok=True)
    for run in runs:
        path = out / f"{run.id}.npz"
        save_predictions(path, embeddings(run, layout))
        console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    command.run(main)
