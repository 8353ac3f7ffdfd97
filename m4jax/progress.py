"""What a person sees while work goes on: bars on a terminal, else a line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich import progress as bars
from rich.console import Console

Progress = Callable[[str, int, int], None]  # (what, done, total)

QUIET_SECONDS = 15.0  # between two lines where there is no terminal


class Task(Protocol):
    """What is shown: its id, and its title for people."""

    id: str
    title: str


class Display:
    """Shows the events of a pool's tasks.

    Args:
        console: where to.
        shares: task id -> its share of the whole work (any unit).
    """

    def __init__(self, console: Console, shares: dict[str, float]):
        self._console, self._shares = console, shares
        self._done = dict.fromkeys(shares, 0.0)
        self._bars: dict[str, int] = {}
        self._spoken = time.monotonic()
        self._progress = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=28),
            bars.TaskProgressColumn(),
            bars.TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("[bold]everything", total=sum(shares.values()) or 1)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the bars inside the block."""
        with self._progress:
            yield

    def show(self, task: Task, event: dict[str, Any]) -> None:
        """Shows an event."""
        kind = event["event"]
        if kind == "progress":
            self._move(task, event)
        elif kind == "warning":
            self._console.print(f"[yellow]warning[/] {task.title}: {event['message']}")
        else:
            self._end(task, event)
        self._progress.update(self._all, completed=sum(self._done.values()))
        self._speak()

    def _move(self, task: Task, event: dict[str, Any]) -> None:
        if task.id not in self._bars:
            self._bars[task.id] = self._progress.add_task(task.title)
        description = f"{task.title}: {event['what']}"
        bar = {"description": description, "completed": event["done"], "total": event["total"]}
        self._progress.update(self._bars[task.id], **bar)
        if event["what"] in ("train", "compose pictures"):  # the long part of a task
            self._done[task.id] = 0.95 * self._shares[task.id] * event["done"] / event["total"]

    def _end(self, task: Task, event: dict[str, Any]) -> None:
        if task.id in self._bars:
            self._progress.remove_task(self._bars.pop(task.id))
        if event["event"] in ("done", "elsewhere"):
            self._done[task.id] = self._shares[task.id]
            where = " (by another process)" if event["event"] == "elsewhere" else ""
            self._console.print(f"[green]done[/] {task.title}{where}")
        else:
            self._console.print(f"[red]{event['event']}[/] {task.title}: {event['message']}")

    def _speak(self) -> None:
        """Says how far things are, where there are no bars."""
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken > QUIET_SECONDS:
            self._spoken = now
            share = sum(self._done.values()) / (sum(self._shares.values()) or 1)
            self._console.print(f"{share:.0%} of the work done")
