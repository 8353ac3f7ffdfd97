"""A worker process: takes tasks as JSON lines from its input, reports on its output.

Each line is {"task", "kind", "root", "locks", "configs"}; the answers are {"task",
"event", ...} with the events progress, warning, done, failed. The worker ends when its input does,
also in the middle of a task: a worker never outlives the process that started it. At SIGTERM it
ends within seconds; training writes a checkpoint before.
"""

import contextlib
import json
import os
import queue
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from m4jax import files, stopping
from m4jax.errors import NonFiniteError, explain
from m4jax.progress import Progress


def main() -> None:
    """Serves tasks until the input ends."""
    # The events need standard output for themselves; whatever libraries print goes to the log.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tasks: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_listen, args=(tasks,), daemon=True).start()
    with stopping.on_sigterm():
        while True:
            _serve(tasks.get(), events)


def perform(task: Mapping[str, Any], progress: Progress) -> None:
    """Does a task, holding its locks; its kind is one of `work.TASKS`, "fleet" or "rate"."""
    # Imports take seconds: here, so that the worker hears and answers before.
    from m4jax.grid import cost
    from m4jax.run import work
    from m4jax.run.config import from_json
    from m4jax.run.state import Layout

    layout, kind = Layout(Path(task["root"])), task["kind"]
    configs = [from_json(value) for value in task["configs"]]
    with contextlib.ExitStack() as stack:
        # A worker of a killed study may live on for a moment: its files are waited for.
        for name in sorted(task["locks"]):
            stack.enter_context(files.locked(layout.root / "locks" / name))
        if kind == "fleet":
            work.run_fleet(configs, layout, progress)
        else:
            one = cost.measure_rate if kind == "rate" else work.TASKS[kind]
            one(*configs, layout, progress)


def _listen(tasks: queue.Queue) -> None:
    for line in sys.stdin:
        tasks.put(json.loads(line))
    os._exit(0)


def _serve(task: dict[str, Any], events: TextIO) -> None:
    def report(event: str, **values) -> None:
        events.write(json.dumps({"task": task["task"], "event": event, **values}) + "\n")
        events.flush()

    def progress(what: str, done: int, total: int) -> None:
        report("progress", what=what, done=done, total=total)

    def warn(message, category, *position) -> None:
        print(f"{category.__name__}: {message}", file=sys.stderr, flush=True)
        if category.__module__.startswith("m4jax"):  # those of libraries are for the log alone
            report("warning", message=str(message))

    warnings.showwarning = warn
    try:
        progress("start", 0, 1)
        perform(task, progress)
        report("done")
    except Exception as error:
        told, trace = explain(error), traceback.format_exc()
        lasting = told is None or isinstance(error, NonFiniteError)
        message = told or f"{type(error).__name__}: {error}"
        report("failed", message=message, lasting=lasting, trace=trace)
        with contextlib.suppress(OSError):  # the log may lie on the disk that is full
            print(trace, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
