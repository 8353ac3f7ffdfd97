"""Runs tasks that depend on each other in worker processes, and reports what happens.

Several processes may do so in one directory: each takes a lease on what it works on, and leaves
alone what another one holds or has done.
"""

import contextlib
import dataclasses
import os
import queue
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from m4jax.grid.crew import Worker, dismiss
from m4jax.run.lease import Leases

MAX_DEATHS = 2  # a task whose worker dies is tried again, but not for ever
POLL = 1.0  # seconds between two looks at what other processes have done


@dataclasses.dataclass(frozen=True)
class Task:
    """A piece of work for a worker, and the ids of those that come before it.

    Attributes:
        id: its name.
        kind: of work; see `worker.perform`.
        title: for people.
        configs: of the runs that it is about; all kinds but "fleet" have one.
        needs: ids of the tasks that come before it.
        leases: what nobody else may work on meanwhile; its id by default.
    """

    id: str
    kind: str
    title: str
    configs: tuple[dict[str, Any], ...] = ()
    needs: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()

    @property
    def locks(self) -> tuple[str, ...]:
        """The names of its leases."""
        return self.leases or (self.id,)


Report = Callable[[Task, dict[str, Any]], None]  # (task, event)
State = Callable[[Task], str]  # "done", "failed" or anything else, as it is on disk


def run(
    tasks: Sequence[Task],
    *,
    root: Path,
    workers: int,
    report: Report,
    state: State = lambda task: "pending",
) -> None:
    """Runs all tasks, each when what it needs is done; reports every event.

    A failed task stops none but those that need it, which are reported as skipped. The workers end
    with this call, however it ends: where this process is asked to end (SIGTERM), they write a
    checkpoint first.

    Args:
        tasks: in the order of preference.
        root: the directory of the study.
        workers: number of processes; on the CPU, one a core, each with one thread, since models as
            small as the testbed's gain nothing from a second one.
        report: called in this thread with events: progress (what, done, total), warning (message),
            done, elsewhere (done by another process), failed (message, lasting, trace), again
            (message), skipped (message).
        state: how far a task is on disk, where other processes may have done it.
    """
    events: queue.Queue[tuple[Worker, dict[str, Any]]] = queue.Queue()
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    # With fewer workers than cores the system may place them; so several commands don't collide.
    cores = cores if 1 < len(cores) <= workers else []
    crew = [Worker(i, root, cores, events) for i in range(min(workers, len(tasks)))]
    schedule = _Schedule(tasks)
    with Leases(root / "leases") as leases:
        try:
            while not schedule.finished():
                _give(crew, schedule, leases, state, report)
                if all(worker.task is None for worker in crew) and schedule.stuck():
                    break  # what is left needs something that failed
                with contextlib.suppress(queue.Empty):
                    _hear(*events.get(timeout=POLL), schedule, leases, report)
                _withdraw(crew, schedule, leases, report)
            for task in schedule.left():
                report(task, {"event": "skipped", "message": "something that it needs has failed"})
        except SystemExit:
            dismiss(crew)
            raise
        finally:
            for worker in crew:
                worker.stop()


def _give(crew, schedule: "_Schedule", leases: Leases, state: State, report: Report) -> None:
    """Gives every idle worker a task that is ready and that no other process is at."""
    for worker in crew:
        for task in schedule.ready() if worker.idle else ():
            if not leases.take(*task.locks):
                continue
            outcome = state(task)
            if outcome in ("done", "failed"):  # by another process, since the tasks were listed
                leases.release(*task.locks)
                schedule.take(task)
                schedule.ended(task, outcome)
                message = "it failed before, or in another process: see its FAILED.json"
                report(task, {"event": "elsewhere"} if outcome == "done" else _failure(message))
                continue
            schedule.take(task)
            worker.give(task)
            break


def _hear(
    worker: Worker, event: dict[str, Any], schedule: "_Schedule", leases: Leases, report: Report
) -> None:
    """Takes note of what a worker says, or of its death."""
    if event["event"] == "died":
        worker.restart()
        if worker.task is None:
            return
        event = schedule.died(worker.task, event)
    task = worker.task
    if task is None or event.get("task", task.id) != task.id:
        return  # a last word on what was taken from it
    if event["event"] in ("done", "failed", "again"):
        worker.task = None
        schedule.ended(task, event["event"])
        report(task, event)  # before the lease ends: what is noted on disk is then complete
        leases.release(*task.locks)
    else:
        report(task, event)


def _withdraw(crew, schedule: "_Schedule", leases: Leases, report: Report) -> None:
    """Stops the workers whose task another process has taken over (this one was suspended)."""
    lost = leases.lost()
    for worker in crew:
        if worker.task and lost.intersection(worker.task.locks):
            task, worker.task = worker.task, None
            worker.kill()
            leases.release(*task.locks)
            schedule.ended(task, "again")
            message = "another process has taken it over; this one must have been suspended"
            report(task, {"event": "again", "message": message})


def _failure(message: str) -> dict[str, Any]:
    """Returns the event of a task that failed for a reason that may pass."""
    return {"event": "failed", "message": message, "lasting": False, "trace": ""}


class _Schedule:
    """Which tasks are waiting, done or failed."""

    def __init__(self, tasks: Iterable[Task]):
        self._waiting = {task.id: task for task in tasks}
        self._unfinished = set(self._waiting)
        self._failed: set[str] = set()
        self._running: dict[str, Task] = {}
        self._deaths: dict[str, int] = {}

    def finished(self) -> bool:
        return not self._waiting and not self._running

    def ready(self) -> list[Task]:
        """Returns the waiting tasks of which all needs are done, in their order."""
        return [t for t in self._waiting.values() if not self._unfinished.intersection(t.needs)]

    def stuck(self) -> bool:
        """Tells whether none of the waiting tasks can ever begin."""
        hopeless = set(self._failed)
        for _ in range(len(self._waiting)):
            more = {t.id for t in self._waiting.values() if hopeless.intersection(t.needs)}
            if more <= hopeless:
                break
            hopeless |= more
        return set(self._waiting) <= hopeless

    def take(self, task: Task) -> None:
        self._running[task.id] = self._waiting.pop(task.id)

    def ended(self, task: Task, event: str) -> None:
        del self._running[task.id]
        if event == "done":
            self._unfinished.discard(task.id)
        elif event == "again":
            self._waiting = {task.id: task, **self._waiting}
        else:
            self._failed.add(task.id)

    def died(self, task: Task, event: dict[str, Any]) -> dict[str, Any]:
        """Turns the death of a task's worker into another try, or into a failure."""
        self._deaths[task.id] = self._deaths.get(task.id, 0) + 1
        message = f"its worker ended with exit code {event['code']}; see {event['log']}"
        if self._deaths[task.id] < MAX_DEATHS:
            return {"event": "again", "message": message}
        return _failure(message)

    def left(self) -> list[Task]:
        return list(self._waiting.values())
