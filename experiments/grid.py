"""Runs a study: every missing cell of a grid, then tables and figures.

    python -m experiments.grid --config=configs/quickstart.py --workdir=runs/quickstart

Interrupted at any point, the same command does the rest.
"""

from absl import flags
from rich.console import Console

from experiments import command
from m4jax.grid import study

_ACTION = flags.DEFINE_enum("action", "run", study.ACTIONS, "What to do; see study.main.")
_FLEET = flags.DEFINE_integer(
    "fleet",
    0,
    "Runs of one shape trained in one program; 0: 16 on an accelerator, else 1.",
    lower_bound=0,
)
_FLOPS = flags.DEFINE_float(
    "flops",
    0.0,
    "With --action=plan: floating-point operations a second of a device that is not at hand.",
    lower_bound=0.0,
)
_WORKERS = flags.DEFINE_integer("workers", 0, "Worker processes; 0: one a core.", lower_bound=0)


def main(console: Console) -> int:
    """Carries out the action."""
    return study.main(
        command.config(),
        workdir=str(command.workdir()),
        action=_ACTION.value,
        workers=_WORKERS.value or command.default_workers(),
        console=console,
        fleet=_FLEET.value or (16 if command.has_accelerator() else 1),
        flops=_FLOPS.value,
    )


if __name__ == "__main__":
    command.run(main)
