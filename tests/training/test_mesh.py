"""The same run on other numbers of devices and processes, also if they change on the way."""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import HELPERS
from helpers.runs import CONFIG, metrics, tiny_data, tiny_model
from jax.sharding import PartitionSpec

from m4jax.errors import InputError
from m4jax.training import make_mesh, mesh
from m4jax.training.config import check_fit

SCRIPT = HELPERS / "mesh_check.py"
EXACT = ("step", "examples", "stage", "unique_examples", "repeats", "stream_rb", "stream_ab")


def start(run_dir, devices, *, model=1, last=0, process=-1, port=0, simulated=8, settings="plain"):
    flags = os.environ.get("XLA_FLAGS", "")
    flags += f" --xla_force_host_platform_device_count={simulated}"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(SCRIPT), str(run_dir)]
    command += map(str, (devices, model, last, process, port, settings))
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def finish(process):
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(told.splitlines()[-1]) if told.startswith("{") else None


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run on one device."""
    run_dir = tmp_path_factory.mktemp("alone")
    told = finish(start(run_dir, 1))
    assert told["shard"] == told["size"]
    assert {record["stage"] for record in metrics(run_dir)} == {0, 1}
    return run_dir


def assert_same(run_dir, alone):
    """Equal examples; losses and parameters equal to rounding."""
    found, expected = metrics(run_dir), metrics(alone)
    assert len(found) == len(expected) == 20
    for a, b in zip(found, expected, strict=True):
        assert [a[key] for key in EXACT] == [b[key] for key in EXACT]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)
    params = [np.load(x / "params.npy") for x in (run_dir, alone)]
    # Not number by number: the gradient of a key's bias is rounding alone, which Adam scales up.
    assert np.linalg.norm(params[0] - params[1]) <= 1e-3 * np.linalg.norm(params[1])


@pytest.mark.slow
@pytest.mark.parametrize("model", [1, 2])
def test_eight_devices_equal_one(tmp_path, alone, model):
    told = finish(start(tmp_path, 8, model=model))
    assert told["shard"] == told["size"] // 8
    assert_same(tmp_path, alone)


@pytest.mark.slow
def test_eight_devices_fine_tune_as_one(tmp_path):
    for devices in (1, 8):
        finish(start(tmp_path / str(devices), devices, settings="tuned"))
    assert_same(tmp_path / "8", tmp_path / "1")


@pytest.mark.slow
def test_eight_devices_restart_and_average_as_one(tmp_path, alone):
    """Also interrupted in the middle of the mean, which begins at step 15."""
    for name, runs in {"1": [(1, 0)], "8": [(8, 0)], "on the way": [(8, 17), (1, 0)]}.items():
        for devices, last in runs:
            finish(start(tmp_path / name, devices, last=last, settings="late"))
    assert_same(tmp_path / "8", tmp_path / "1")
    assert_same(tmp_path / "on the way", tmp_path / "1")
    late, plain = (np.load(x / "params.npy") for x in (tmp_path / "1", alone))
    assert np.linalg.norm(late - plain) > 5e-3 * np.linalg.norm(plain)  # well beyond rounding


@pytest.mark.slow
def test_a_changed_number_of_devices_changes_nothing(tmp_path, alone):
    finish(start(tmp_path, 8, last=7))  # goes on from step 5, before the switch
    finish(start(tmp_path, 1, last=17))  # from 15, after it
    finish(start(tmp_path, 8))
    assert_same(tmp_path, alone)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path, alone):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = {"port": port, "simulated": 1}
    other = start(tmp_path, 2, process=1, **both)
    finish(start(tmp_path, 2, process=0, **both))
    finish(other)
    assert_same(tmp_path, alone)
    shutil.rmtree(tmp_path / "checkpoints" / "20")
    (tmp_path / "params.npy").unlink()
    finish(start(tmp_path, 1))  # what two processes wrote, one goes on with
    assert_same(tmp_path, alone)


def partition(shape, devices, smallest=1):
    """The split of an array over a mesh of sizes (data, model)."""
    grid = jax.sharding.AbstractMesh(devices, (mesh.DATA, mesh.MODEL))
    return mesh._partition(shape, grid, smallest)


def test_large_leaves_are_split_where_they_can_be():
    assert partition((3, 64, 192), (8, 1)) == PartitionSpec(None, None, "data")
    assert partition((3, 64, 192), (4, 2)) == PartitionSpec(None, "data", "model")
    assert partition((3, 64, 190), (4, 4)) == PartitionSpec(None, "model", None)
    assert partition((3, 5, 7), (8, 1)) == PartitionSpec(None, None, None)
    assert partition((64, 64), (8, 1), smallest=5000) == PartitionSpec()


def test_a_batch_that_does_not_fit_the_mesh_is_told():
    with pytest.raises(InputError, match="model axis: 3 does not divide"):
        make_mesh(jax.devices()[:1], model=3)
    with pytest.raises(InputError, match="microbatches must divide batch_size, got 3 and 8"):
        dataclasses.replace(CONFIG, microbatches=3)
    grid = jax.sharding.AbstractMesh((3, 1), (mesh.DATA, mesh.MODEL))
    with pytest.raises(InputError, match="batch_size 8 can't be split evenly over 3 devices"):
        check_fit(CONFIG, tiny_data(), tiny_model(), grid)


def test_checksums_do_not_depend_on_the_type_of_array_and_see_every_bit():
    generator = np.random.default_rng(0)
    for dtype in (jnp.float32, jnp.bfloat16, jnp.int32, jnp.uint8, jnp.bool_, jnp.float16):
        values = generator.integers(0, 2, (3, 5))  # on the host: not every CPU computes in float16
        array = jnp.asarray(values, dtype)
        described = mesh.checksums({"a": array})["['a']"]
        assert described[:2] == [str(array.dtype), [3, 5]]
        seen = {described[2], mesh.checksums({"a": array.T})["['a']"][2]}
        for i, j in np.ndindex(3, 5):
            changed = values.copy()
            changed[i, j] = 1 - changed[i, j]
            seen.add(mesh.checksums({"a": jnp.asarray(changed, dtype)})["['a']"][2])
        assert len(seen) == 17
    assert mesh.checksums({"a": np.zeros((2, 2), np.float32)}) == mesh.checksums(
        {"a": jnp.zeros((2, 2))}
    )
