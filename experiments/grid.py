"""Runs a study: every missing cell of a grid, then tables and figures.

    python -m experiments.grid --config=configs/quickstart.py --workdir=runs/quickstart

Interrupted at any point, the same command does the rest.
"""

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.grid import study as grid

ACTION = flags.DEFINE_enum("action", "run", grid.ACTIONS, "What to do; see grid.main.")
FLEET = flags.DEFINE_integer(
    "fleet",
    0,
    "Runs of one shape trained in one program; 0: 16 on an accelerator, else 1.",
    lower_bound=0,
)
FLOPS = flags.DEFINE_float(
    "flops",
    0.0,
    "With --action=plan: floating-point operations a second of a device that is not at hand.",
    lower_bound=0.0,
)
WORKERS = flags.DEFINE_integer("workers", 0, "Worker processes; 0: one a core.", lower_bound=0)


def main(console: Console) -> int:
    """Carries out the action."""
    return grid.main(
        command.config(),
        workdir=command.WORKDIR.value,
        action=ACTION.value,
        workers=WORKERS.value or command.default_workers(),
        console=console,
        fleet=FLEET.value or (16 if command.has_accelerator() else 1),
        flops=FLOPS.value,
    )


if __name__ == "__main__":
    command.run(main)
