"""A run that a test kills; prints a line for each record. Arguments: run directory, cache."""

import sys

import jax
from runs import LONG, tiny_data, tiny_model

from m4jax.training import train


def main(run_dir, cache):
    """Trains longer than the test waits."""
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_disable_most_optimizations", True)

    def tell(record):
        print(record["step"], flush=True)

    train(LONG, tiny_data(), run_dir, model=tiny_model(), on_progress=tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
