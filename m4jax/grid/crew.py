"""The worker processes of a pool: started, given tasks, heard and ended."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from m4jax import stopping

PATIENCE = 6.0  # seconds that the workers have to end in order


class Worker:
    """A worker process, and the thread that hears it.

    Args:
        index: its number.
        root: the directory of the study.
        cores: those that the workers are placed on, one each; none: the system places them.
        events: where (worker, event) is put: what it says, or "died" with `code` and `log`.
    """

    def __init__(self, index: int, root: Path, cores: list[int], events: queue.Queue):
        self.task: Any = None  # what it is at, a `pool.Task`
        self._dying = False
        self._root, self._events = root, events
        self._core = cores[index % len(cores)] if cores else None
        self._log = root / "logs" / f"worker-{index}.log"
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._process: subprocess.Popen | None = None
        self.restart()

    @property
    def idle(self) -> bool:
        """Whether it can be given a task."""
        return self.task is None and not self._dying

    def restart(self) -> None:
        """Starts the process (again)."""
        self._dying = False
        if self._process:
            _reap(self._process)
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "m4jax.grid.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(self._root),
                start_new_session=True,  # Ctrl-C is for the parent, which then ends its workers
            )
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def give(self, task: Any) -> None:
        """Sends a task."""
        self.task = task
        line = {
            "task": task.id,
            "kind": task.kind,
            "root": str(self._root),
            "locks": task.locks,
            "configs": task.configs,
        }
        with contextlib.suppress(BrokenPipeError):  # it has died: the listener says so
            self._process.stdin.write(json.dumps(line).encode() + b"\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """Ends what it does; its death is heard, and it is started again."""
        self._dying = True
        self._process.kill()

    def ask_to_end(self) -> None:
        """Lets it end in order: training writes a checkpoint before."""
        self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Waits for it to end by itself, up to so many seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0.0))

    def stop(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        process.kill()  # nothing is lost: all writes are atomic, and all work can be resumed
        _reap(process)

    def _listen(self, process: subprocess.Popen) -> None:
        with process.stdout as lines:
            for line in lines:
                self._events.put((self, json.loads(line)))
        code = process.wait()
        if process is self._process:
            self._events.put((self, {"event": "died", "code": code, "log": str(self._log)}))


def dismiss(crew: Sequence[Worker]) -> None:
    """Asks all workers to end, and waits up to `PATIENCE` seconds until they have."""
    until = time.monotonic() + PATIENCE
    with stopping.saving():
        for worker in crew:
            worker.ask_to_end()
        for worker in crew:
            worker.wait(until - time.monotonic())


def _reap(process: subprocess.Popen) -> None:
    """Waits for a process that has ended and closes what leads to it."""
    process.wait()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()


def _environment(root: Path) -> dict[str, str]:
    """Returns a worker's environment: one thread a process, compiled programs shared on disk.

    One thread, whatever the machine and however many workers there are: how sums are split over
    threads decides their last digits, so that the results would depend on the number of workers.
    """
    flags = "--xla_cpu_multi_thread_eigen=false"
    return os.environ | {
        "XLA_FLAGS": f"{flags} {os.environ.get('XLA_FLAGS', '')}",
        "OMP_NUM_THREADS": "1",
        "NPROC": "1",  # XLA's other pool, which would be as large as the cores that it may use
        # All runs of a study compile the same few programs; compiling takes 10 s, loading none.
        "JAX_COMPILATION_CACHE_DIR": str(root / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "PYTHONUNBUFFERED": "1",
    }
