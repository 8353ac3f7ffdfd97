"""Patterns spread over devices and processes; single precision."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import HELPERS
from helpers.balance_problems import extreme_problem, random_problem

from m4jax import balance

HERE = Path(__file__).parent
# Every problem has a shape of its own, for which the solver is compiled.
SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12))]


def start(process, port, devices, simulated):
    flags = f"--xla_force_host_platform_device_count={simulated} {os.environ.get('XLA_FLAGS', '')}"
    script = str(HELPERS / "devices_check.py")
    command = [sys.executable, script, *map(str, (process, port, devices))]
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)


def check(process):
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    found = json.loads(told.splitlines()[-1])
    assert {entry["status"][0] for entry in found} == {"CONVERGED", "INFEASIBLE"}
    for entry in found:
        assert entry["status"][0] == entry["status"][1]
        assert entry["steps"][0] == entry["steps"][1]
        if entry["status"][0] == "CONVERGED":
            assert entry["weights"] <= 1e-12
            assert entry["objective"][0] == pytest.approx(entry["objective"][1], rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("devices", [8, 3])
def test_many_devices_equal_one(devices):
    check(start(-1, 0, devices, simulated=8))


@pytest.mark.slow
def test_two_processes_equal_one():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    other = start(1, port, 2, simulated=1)
    check(start(0, port, 2, simulated=1))
    other.communicate(timeout=60)
    assert other.returncode == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_single_precision_finds_the_same(seed):
    problem = random_problem(seed, shape=(2, 3))
    double = balance.solve(problem, tolerance=1e-9)
    single = balance.solve(problem, precision="float32", tolerance=1e-9)
    assert single.status is double.status is balance.Status.CONVERGED
    assert single.objective == pytest.approx(double.objective, rel=2e-9)
    np.testing.assert_allclose(single.weights, double.weights, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_single_precision_survives_extremes(seed):
    problem = extreme_problem(seed)
    double = balance.solve(problem)
    single = balance.solve(problem, precision="float32")
    assert single.status is double.status
    assert single.objective == pytest.approx(double.objective, rel=2e-6, abs=1e-9)


def test_unknown_precision():
    with pytest.raises(ValueError, match="expected one of float64, float32"):
        balance.solve(random_problem(0), precision="bfloat16")
