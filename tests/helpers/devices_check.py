"""Run by test_devices.py: what one device finds, many devices and two processes find as well."""

import json
import sys

import jax
import numpy as np
from balance_problems import random_problem
from moment_problems import moment_problem

from m4jax import balance


def problems():
    yield random_problem(0, n=100, shape=(2, 3), keep_rate=0.3)
    yield random_problem(1, n=3000, shape=(2, 3), keep_rate=0.6, utility=None)
    yield random_problem(2, n=200, shape=(2, 3), keep_rate=0.01, penalty=np.inf)
    yield random_problem(3, n=200, shape=(2, 3), keep_rate=0.99, penalty=np.inf)
    yield moment_problem(0)
    yield moment_problem(1)


def main(process, port, devices):
    if process >= 0:
        jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=process)
    told = []
    for problem in problems():
        alone = balance.solve(problem, devices=jax.devices()[:1])
        many = balance.solve(problem, devices=jax.devices()[:devices])
        told.append(
            {
                "devices": devices,
                "status": [alone.status.name, many.status.name],
                "weights": float(np.abs(alone.weights - many.weights).max()),
                "objective": [alone.objective, many.objective],
                "gap": many.duality_gap,
                "steps": [alone.steps, many.steps],
            }
        )
    if process <= 0:
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
