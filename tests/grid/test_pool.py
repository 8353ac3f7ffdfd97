import os
import signal
import subprocess
import sys

import pytest

from m4jax import stopping
from m4jax.grid import crew, pool
from m4jax.grid.pool import Task

# A worker that does what the task's configuration says, without the library's imports.
WORKER = """
import json, os, sys, time
for line in sys.stdin:
    task = json.loads(line)
    def tell(event, **values):
        print(json.dumps({"task": task["task"], "event": event, **values}), flush=True)
    with open(os.path.join(task["root"], "order"), "a") as file:
        file.write(task["task"] + "\\n")
    what = task["configs"][0]["what"]
    marker = os.path.join(task["root"], task["task"])
    if what == "die" or (what == "die once" and not os.path.exists(marker)):
        open(marker, "w").close()
        os.kill(os.getpid(), 9)
    if what == "fail":
        tell("failed", message="no good", lasting=True, trace="...")
    else:
        tell("progress", what="work", done=1, total=1)
        tell("done")
"""


@pytest.fixture
def simple_worker(monkeypatch):
    popen = subprocess.Popen
    monkeypatch.setattr(
        crew.subprocess,
        "Popen",
        lambda command, **options: popen([sys.executable, "-c", WORKER], **options),
    )


def task(name, what="work", needs=()):
    return Task(name, "run", name, ({"what": what},), tuple(needs))


def run(tasks, root, workers=2):
    events = []
    pool.run(tasks, root=root, workers=workers, report=lambda t, e: events.append((t.id, e)))
    return events


def ends(events):
    return {name: event["event"] for name, event in events if event["event"] != "progress"}


def test_tasks_wait_for_what_they_need(tmp_path, simple_worker):
    tasks = [task("c", needs=["a", "b"]), task("b", needs=["a"]), task("a"), task("d")]
    assert ends(run(tasks, tmp_path)) == dict.fromkeys("abcd", "done")
    order = (tmp_path / "order").read_text().split()
    assert sorted(order) == list("abcd")
    assert order.index("a") < order.index("b") < order.index("c")


def test_a_failure_stops_only_what_needs_it(tmp_path, simple_worker):
    tasks = [task("a", "fail"), task("b", needs=["a"]), task("c", needs=["b"]), task("d")]
    expected = {"a": "failed", "b": "skipped", "c": "skipped", "d": "done"}
    assert ends(run(tasks, tmp_path)) == expected


def test_a_task_is_tried_again_when_its_worker_dies(tmp_path, simple_worker):
    events = run([task("a", "die once"), task("b", needs=["a"])], tmp_path)
    assert [e["event"] for name, e in events if name == "a"] == ["again", "progress", "done"]
    assert ends(events)["b"] == "done"


def test_a_task_that_kills_every_worker_fails(tmp_path, simple_worker):
    events = run([task("a", "die"), task("b")], tmp_path)
    assert ends(events) == {"a": "failed", "b": "done"}
    (message,) = (e["message"] for name, e in events if (name, e["event"]) == ("a", "failed"))
    assert f"exit code {-signal.SIGKILL}" in message


def test_workers_end_with_an_error_in_the_report(tmp_path, simple_worker):
    def report(task, event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pool.run([task("a"), task("b")], root=tmp_path, workers=2, report=report)


def test_asked_to_end_it_stops_its_workers_and_gives_its_leases_back(tmp_path, simple_worker):
    def report(task, event):
        os.kill(os.getpid(), signal.SIGTERM)

    with stopping.on_sigterm(), pytest.raises(SystemExit) as ended:
        pool.run([task("a"), task("b")], root=tmp_path, workers=2, report=report)
    assert ended.value.code == 143
    assert list((tmp_path / "leases").glob("*.lease")) == []


def test_workers_compute_alike_however_many_they_are(tmp_path):
    """How a sum is split over threads decides its last digits."""
    environment = crew._environment(tmp_path)
    assert environment["NPROC"] == environment["OMP_NUM_THREADS"] == "1"
    assert "--xla_cpu_multi_thread_eigen=false" in environment["XLA_FLAGS"]


def test_nothing_to_do_starts_nothing(tmp_path, simple_worker):
    assert run([], tmp_path) == []
    assert not (tmp_path / "logs").exists()


class Stub:
    """A worker that only remembers what it is given."""

    def __init__(self):
        self.task, self.idle, self.given = None, True, []

    def give(self, given):
        self.task = given
        self.given.append(given.id)


def test_a_worker_that_is_being_ended_gets_no_task(tmp_path):
    """Its death would count against the task."""
    dying, other = Stub(), Stub()
    dying.idle = False
    with pool.Leases(tmp_path) as leases:
        pool._give([dying, other], pool._Schedule([task("a")]), leases, lambda t: "", print)
    assert dying.given == [] and other.given == ["a"]


@pytest.mark.parametrize(("workers", "pinned"), [(1, False), (2, True)])
def test_workers_are_pinned_where_there_is_one_a_core(
    tmp_path, simple_worker, monkeypatch, workers, pinned
):
    """A single one may be placed by the system, which sees what other commands do."""
    placed = []
    monkeypatch.setattr(crew.os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    monkeypatch.setattr(
        crew.os, "sched_setaffinity", lambda pid, cores: placed.append(cores), raising=False
    )
    run([task("a"), task("b")], tmp_path, workers=workers)
    assert placed == ([{0}, {1}] if pinned else [])
