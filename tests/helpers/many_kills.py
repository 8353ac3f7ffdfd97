"""Run by test_kills.py: kills short runs at random moments until each has finished.

Arguments: directory, number of kills, cache of compiled programs. Each attempt is a process of its
own, forked from this one, which has imported everything and started nothing.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import jax
from runs import LONG, tiny_data, tiny_model

from m4jax import files
from m4jax.training import Stage, train

KILLS_A_RUN = 20


def attempt(run_dir, cache):
    """Trains, or goes on with it, and ends the process."""
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_disable_most_optimizations", True)
    weights = [1.0] * 16 + [0.0] * 16
    data = tiny_data(stages=(Stage(0), Stage(130, weights)))
    params = train(LONG, data, run_dir, model=tiny_model())
    files.write_json(run_dir / "params.json", [x.tolist() for x in jax.tree.leaves(params)])


def launch(run_dir, cache):
    """Starts an attempt in a process of its own."""
    process = os.fork()
    if process:
        return process
    try:
        attempt(run_dir, cache)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)


def main(directory, kills, cache):
    """Prints how many kills there were, at which steps, and what the runs came to."""
    directory, chance = Path(directory), random.Random(0)
    directory.mkdir()
    os.waitpid(launch(directory / "warm", cache), 0)
    begun = time.monotonic()
    status = os.waitpid(launch(directory / "whole", cache), 0)[1]
    duration, killed, steps, run = time.monotonic() - begun, 0, [], 0
    while killed < kills and status == 0:
        run_dir, here = directory / str(run), 0
        while not (run_dir / "params.json").exists():
            process = launch(run_dir, cache)
            if killed < kills and here < KILLS_A_RUN:
                time.sleep(chance.uniform(0, duration))
                os.kill(process, signal.SIGKILL)
            status = os.waitpid(process, 0)[1]
            if os.WIFSIGNALED(status):
                killed, here, status = killed + 1, here + 1, 0
                records = files.read_jsonl(run_dir / "metrics.jsonl")
                steps.append(records[-1]["step"] if records else 0)
            if status:
                break
        run += 1
    print(json.dumps({"status": status, "killed": killed, "steps": steps, "runs": run}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
