"""Balances the training data of a configuration: weights, their certificate, the bias left.

    python -m experiments.balance --config=configs/base.py --workdir=runs/balance \
        --config.balance.enabled=True

Weights that miss a constraint are refused, with the worst one named.
"""

from rich.console import Console

from experiments import command, single
from m4jax import files
from m4jax.errors import InputError


def main(console: Console) -> int:
    """Prepares the world, finds the weights, and says where they are."""
    if not command.config()["balance"]["enabled"]:
        raise InputError("nothing to balance: set --config.balance.enabled=True")
    config, layout = single.run(console, "world", "weights")
    folder = layout.weights(config)
    certificate = files.read_json(folder / "weights.json")
    for name, value in certificate.items():
        if not isinstance(value, list):
            console.print(f"{name}: {value}")
    console.print(f"Weights: {folder / 'weights.parquet'}")
    return 0


if __name__ == "__main__":
    command.run(main)
