"""Leases: one holder at a time, whatever happens to it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from m4jax import files
from m4jax.run import lease
from m4jax.run.lease import Leases

HOLD = """
import sys, time
from m4jax.run.lease import Leases
leases = Leases(sys.argv[1], heartbeat=0.1, stale=float(sys.argv[2]))
print(leases.take("a"), flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lease "a", and its end."""
    command = [sys.executable, "-c", HOLD, str(tmp_path), "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_one_at_a_time_until_it_is_released(tmp_path):
    with Leases(tmp_path) as one, Leases(tmp_path) as other:
        assert one.take("a") and one.take("a")
        assert not other.take("a")
        assert other.take("b")
        one.release("a")
        assert other.take("a")


def test_all_of_several_or_none(tmp_path):
    with Leases(tmp_path) as one, Leases(tmp_path) as other:
        assert one.take("b")
        assert not other.take("a", "b")
        assert one.take("a", "c")


def test_leaving_releases_all(tmp_path):
    with Leases(tmp_path) as one:
        one.take("a", "b")
    assert lease.read(tmp_path, "a") is None and not list(tmp_path.glob("*.lease"))


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path, holder):
    with Leases(tmp_path) as leases:
        assert not leases.take("a")
        assert lease.read(tmp_path, "a")["pid"] == holder.pid
        holder.kill()
        holder.wait()
        assert leases.take("a")


def test_another_machines_lease_is_free_when_its_heart_stops(tmp_path):
    with Leases(tmp_path, stale=5.0) as leases:
        path = tmp_path / "a.lease"
        holder = {"token": "x", "machine": "elsewhere", "pid": 1, "started": "1"}
        files.write_sealed(path, holder)
        assert not leases.take("a")
        old = time.time() - 6
        os.utime(path, (old, old))
        assert leases.take("a")


def test_a_suspended_holder_learns_that_it_has_lost(tmp_path):
    with Leases(tmp_path, heartbeat=0.05, stale=1e9) as one:
        one.take("a", "b")
        holder = files.read_sealed(tmp_path / "a.lease")
        files.write_sealed(tmp_path / "a.lease", holder | {"token": "another's"})
        for _ in range(100):
            if one.lost():
                break
            time.sleep(0.05)
        assert one.lost() == {"a"}
        one.release("a")
        assert one.lost() == set()
        assert (tmp_path / "a.lease").exists()  # the other one's lease is not touched


def test_a_stopped_process_loses_its_lease_and_gets_it_not_back(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path), "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "True\n"
        process.send_signal(signal.SIGSTOP)
        old = time.time() - 10
        os.utime(tmp_path / "a.lease", (old, old))
        with Leases(tmp_path, stale=1.0) as leases:
            assert leases.take("a")
            process.send_signal(signal.SIGCONT)
            time.sleep(0.5)
            assert not Leases(tmp_path, stale=60.0).take("a")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_torn_lease_is_nobodys(tmp_path):
    with Leases(tmp_path) as leases:
        (tmp_path / "a.lease").write_text('{"token": "x"')
        assert leases.take("a")


def _try(folder, start, results):
    leases = Leases(folder)
    start.wait()
    for name in map(str, range(50)):
        if leases.take(name):
            results.put((name, os.getpid()))
    results.put(None)
    time.sleep(5)  # holds them while the others try


def test_of_many_processes_one_gets_each_lease(tmp_path):
    context = multiprocessing.get_context("spawn")
    start, results = context.Event(), context.Queue()
    crew = [context.Process(target=_try, args=(tmp_path, start, results)) for _ in range(4)]
    for process in crew:
        process.start()
    time.sleep(2)
    start.set()
    taken, ended = [], 0
    while ended < len(crew):
        item = results.get(timeout=60)
        ended += item is None
        taken += [] if item is None else [item[0]]
    for process in crew:
        process.terminate()
        process.join()
        process.close()
    results.close()
    assert sorted(taken, key=int) == [str(i) for i in range(50)]
