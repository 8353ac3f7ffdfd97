"""Trains one model, or goes on with it.

    python -m experiments.train --config=configs/base.py --workdir=runs/train

Interrupted at any point, the same command goes on.
"""

from rich.console import Console

from experiments import command, single


def main(console: Console) -> int:
    """Prepares the world, balances it if the configuration says so, and trains."""
    balanced = command.config()["balance"]["enabled"]
    names = ("world", "weights", "train") if balanced else ("world", "train")
    config, layout = single.run(console, *names)
    console.print(f"Run: {layout.run(config)}")
    return 0


if __name__ == "__main__":
    command.run(main)
