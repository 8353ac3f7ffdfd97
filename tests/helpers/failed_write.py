"""Saves a checkpoint that can't be written, as on a full disk. Argument: its directory."""

import resource
import signal
import sys

import numpy as np

from m4jax.training.checkpoint import Checkpoints
from m4jax.training.step import TrainState

LARGEST = 100_000  # bytes a file; the arrays have 262,144


def main(directory):
    """Prints the error that surfaces; exits with 0 only if none does."""
    array = np.random.default_rng(0).normal(size=(64, 1024)).astype(np.float32)
    state = TrainState({"w": array}, {"m": array}, np.array(1, np.int32), np.array(0))
    checkpoints = Checkpoints(directory)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    try:
        checkpoints.save(state, {})
        checkpoints.close()
    except OSError as error:
        print(error)
        sys.exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
