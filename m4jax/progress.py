"""What a person sees while work goes on: bars on a terminal, else a line now and then."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import progress as bars
from rich.console import Console

from m4jax.terminal import plain, text

Progress = Callable[[str, int, int], None]  # (what, done, total)

QUIET_SECONDS = 15.0  # between two lines where there is no terminal
LONG = ("train", "compose pictures", "read captions")  # how the long parts of tasks begin


class Display:
    """Shows the events of tasks.

    Args:
        console: where to.
        shares: task -> its share of the whole work (any unit).
        titles: task -> what it is called; by default as it is.
    """

    def __init__(
        self, console: Console, shares: Mapping[str, float], titles: Mapping[str, str] | None = None
    ):
        self._console, self._shares = console, shares
        self._titles = {task: plain((titles or {}).get(task, task)) for task in shares}
        self._done = dict.fromkeys(shares, 0.0)
        self._bars: dict[str, int] = {}
        self._spoken = time.monotonic()
        self._progress = bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=28),
            bars.TaskProgressColumn(),
            bars.TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._all = self._progress.add_task("everything", total=sum(shares.values()) or 1)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Shows the bars inside the block."""
        with self._progress:
            yield

    def show(self, task: str, event: Mapping[str, Any]) -> None:
        """Shows an event of a task; `pool.run` has the list of them."""
        kind, title = event["event"], self._titles[task]
        if kind == "progress":
            self._move(task, event)
        elif kind == "warning":
            self._say("warning", "yellow", f"{title}: {event['message']}")
        else:
            self._end(task, event)
        self._progress.update(self._all, completed=sum(self._done.values()))
        self._speak()

    def _move(self, task: str, event: Mapping[str, Any]) -> None:
        title = self._titles[task]
        if task not in self._bars:
            self._bars[task] = self._progress.add_task(title)
        description = f"{title}: {plain(event['what'])}"
        bar = {"description": description, "completed": event["done"], "total": event["total"]}
        self._progress.update(self._bars[task], **bar)
        if event["what"].startswith(LONG):
            self._done[task] = 0.95 * self._shares[task] * event["done"] / event["total"]

    def _end(self, task: str, event: Mapping[str, Any]) -> None:
        kind, title = event["event"], self._titles[task]
        if task in self._bars:
            self._progress.remove_task(self._bars.pop(task))
        if kind in ("done", "elsewhere"):
            self._done[task] = self._shares[task]
            where = " (by another process)" if kind == "elsewhere" else ""
            self._say("done", "green", f"{title}{where}")
        else:
            self._say(kind, "red", f"{title}: {event['message']}")

    def _say(self, word: str, color: str, rest: str) -> None:
        self._console.print(text((word, color), f" {rest}", lines=True))

    def _speak(self) -> None:
        """Says how far things are, where there are no bars."""
        now = time.monotonic()
        if not self._console.is_terminal and now - self._spoken > QUIET_SECONDS:
            self._spoken = now
            share = sum(self._done.values()) / (sum(self._shares.values()) or 1)
            self._console.print(f"{share:.0%} of the work done")


def run_stages(console: Console, stages: Mapping[str, Callable[[Progress], None]]) -> None:
    """Carries out named stages, one after another, in this process; each has a bar."""
    display = Display(console, dict.fromkeys(stages, 1.0))
    with display.live():
        for name, stage in stages.items():

            def progress(what: str, done: int, total: int, name: str = name) -> None:
                event = {"event": "progress", "what": what, "done": done, "total": total}
                display.show(name, event)

            stage(progress)
            display.show(name, {"event": "done"})
