"""Tasks done by worker processes under a display: what every command with many runs does."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from m4jax.grid import pool, tasks
from m4jax.progress import Display
from m4jax.run.state import Layout


class Failure(NamedTuple):
    """A task that failed, or that was passed over since one that it needs did."""

    title: str
    message: str


def work(
    todo: Sequence[pool.Task],
    layout: Layout,
    workers: int,
    console: Console,
    *,
    on_failure: Callable[[pool.Task, dict[str, Any]], None] = lambda task, event: None,
) -> list[Failure]:
    """Does the tasks, each after those that it needs, and shows how far they are.

    Args:
        todo: as `tasks.pending` gives them.
        layout: where everything lies.
        workers: number of worker processes.
        console: where progress is shown.
        on_failure: called with a task that failed and the event that says why.

    Returns:
        What failed or was passed over.
    """
    failures: list[Failure] = []
    shares = {task.id: tasks.share(task) for task in todo}
    display = Display(console, shares, {task.id: task.title for task in todo})

    def report(task: pool.Task, event: dict[str, Any]) -> None:
        if event["event"] in ("failed", "skipped"):
            failures.append(Failure(task.title, event["message"]))
        if event["event"] == "failed":
            on_failure(task, event)
        display.show(task.id, event)

    if todo:
        with display.live():
            pool.run(
                todo,
                root=layout.root,
                workers=workers,
                report=report,
                state=functools.partial(tasks.state_of, layout=layout),
            )
    return failures
