"""Whom the quality filter of a finished ablation leaves in, and why that brings bias back.

    python -m experiments.filter_looks --config=configs/ablation.py:laptop --workdir=runs/ablation

Writes `filter/looks.png`, `.svg` and `.csv` into the directory, within seconds, and prints the
slopes; see `experiments/looks.py`.
"""

from rich.console import Console

from experiments import command, looks
from m4jax.grid.cells import expand
from m4jax.report import figures_looks, style
from m4jax.run.config import Layout


def main(console: Console) -> int:
    """Measures, draws, and prints the slopes."""
    layout = Layout(command.workdir())
    rows = looks.of_study(expand(command.config()), layout)
    with style.page():
        style.save(figures_looks.draw(rows), layout.root / "filter" / "looks", rows)
    for switch, version in dict.fromkeys((row["filter"], row["version"]) for row in rows):
        chosen = [r for r in rows if (r["filter"], r["version"]) == (switch, version)]
        total, within = (figures_looks.slope(chosen, part) for part in figures_looks.PARTS)
        console.print(
            f"filter {switch}, {version}: slope {total:+.2f}, of it within gender {within:+.2f}"
        )
    console.print(f"Figure: {layout.root / 'filter' / 'looks.png'}")
    return 0


if __name__ == "__main__":
    command.run(main)
