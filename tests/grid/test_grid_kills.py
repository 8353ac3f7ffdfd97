"""A study that is killed again and again, and one that two processes work on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import HELPERS
from helpers.small_grid import CELLS, content

ROOT = Path(__file__).parents[2]
SCRIPT = HELPERS / "small_grid.py"
KILLS = 20


def launch(workdir, log, workers=2):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, str(SCRIPT), str(workdir), str(workers)]
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)


def workers_of(process):
    """Returns the process numbers of its workers."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True
    )
    return [int(pid) for pid in listed.stdout.split()]


def marks(workdir):
    """Returns when each run was marked as done."""
    return {path.parent.name: path.stat().st_mtime_ns for path in workdir.glob("runs/*/DONE")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    with open(workdir / "log.txt", "w") as log:
        assert launch(workdir, log).wait(600) == 0, (workdir / "log.txt").read_text()
    return content(workdir)


@pytest.mark.slow
def test_one_worker_leaves_the_same_bytes_as_two(undisturbed, tmp_path):
    with open(tmp_path / "log.txt", "w") as log:
        assert launch(tmp_path, log, workers=1).wait(600) == 0
    assert content(tmp_path) == undisturbed


@pytest.mark.slow
def test_asked_to_end_it_checkpoints_gives_its_leases_back_and_goes_on(undisturbed, tmp_path):
    with open(tmp_path / "log.txt", "w") as log:
        process = launch(tmp_path, log)
        while not any(x.stat().st_size for x in tmp_path.glob("runs/*/metrics.jsonl")):
            assert process.poll() is None
            time.sleep(0.05)
        workers, asked = workers_of(process), time.monotonic()
        process.terminate()
        assert process.wait(15) == 143
        assert time.monotonic() - asked < 10
        assert list(tmp_path.glob("leases/*.lease")) == []
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
        assert launch(tmp_path, log).wait(600) == 0
    assert content(tmp_path) == undisturbed


@pytest.mark.long
def test_killed_twenty_times_it_ends_with_the_same_results(undisturbed, tmp_path):
    """Of a worker, of all of them, and of the command itself, at any moment."""
    chance, done, killed = random.Random(1), {}, 0
    with open(tmp_path / "log.txt", "w") as log:
        process = launch(tmp_path, log)
        while killed < KILLS:
            time.sleep(chance.uniform(1, 9))
            workers = workers_of(process)
            victims = chance.choice([workers[:1], workers, [process.pid]])
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
            killed += bool(victims)
            if victims == [process.pid] or process.poll() is not None:
                process.wait()
                # What was marked as done stays as it is.
                now = marks(tmp_path)
                assert {name: now[name] for name in done} == done
                done = now
                process = launch(tmp_path, log)
        process.wait(600)
        assert launch(tmp_path, log).wait(600) == 0, (tmp_path / "log.txt").read_text()
    assert {name: marks(tmp_path)[name] for name in done} == done
    assert content(tmp_path) == undisturbed
    assert not list(tmp_path.rglob("*.lease"))


@pytest.mark.long
def test_two_processes_share_the_work_and_run_nothing_twice(undisturbed, tmp_path):
    logs = [tmp_path / name for name in ("one.txt", "two.txt")]
    with open(logs[0], "w") as one, open(logs[1], "w") as two:
        crew = [launch(tmp_path, one), launch(tmp_path, two)]
        assert [process.wait(600) for process in crew] == [0, 0], [x.read_text() for x in logs]
    lines = [line.strip() for log in logs for line in log.read_text().splitlines()]
    for cell in CELLS:
        assert lines.count(f"done {cell}") == 1
    assert content(tmp_path) == undisturbed


@pytest.mark.long
def test_what_a_stopped_process_holds_is_taken_over(undisturbed, tmp_path):
    """A process whose machine is gone: its heart does not beat, its files lie there."""
    with open(tmp_path / "log.txt", "w") as log:
        first = launch(tmp_path, log)
        while not any(x.stat().st_size for x in tmp_path.glob("runs/*/metrics.jsonl")):
            time.sleep(0.2)
        for pid in (*workers_of(first), first.pid):
            os.kill(pid, signal.SIGKILL)
        first.wait()
        for path in (tmp_path / "leases").glob("*.lease"):  # as if of another machine, long ago
            path.write_text(path.read_text().replace('"machine": "', '"machine": "another '))
            os.utime(path, (1, 1))
        assert launch(tmp_path, log).wait(600) == 0, (tmp_path / "log.txt").read_text()
    assert content(tmp_path) == undisturbed


@pytest.mark.long
def test_killed_while_it_writes_the_results_it_leaves_them_whole(undisturbed, tmp_path):
    """All runs are done, so that every kill falls into collecting, drawing or writing."""
    chance = random.Random(2)
    with open(tmp_path / "log.txt", "w") as log:
        assert launch(tmp_path, log).wait(600) == 0
        done = marks(tmp_path)
        for _ in range(8):
            process = launch(tmp_path, log)
            time.sleep(chance.uniform(1, 8))
            process.kill()
            process.wait()
            results = tmp_path / "results.parquet"
            assert results.read_bytes() == undisturbed["results.parquet"]
        assert launch(tmp_path, log).wait(600) == 0, (tmp_path / "log.txt").read_text()
    assert marks(tmp_path) == done and content(tmp_path) == undisturbed
    assert not [*tmp_path.glob(".*.tmp"), *(tmp_path / "figures").glob(".*.tmp")]
