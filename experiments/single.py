"""One arrow of the way alone: what the commands train, balance and evaluate have in common."""

from pathlib import Path

from rich.console import Console

from experiments import command
from m4jax.grid import pool
from m4jax.progress import Display
from m4jax.run import work as tasks
from m4jax.run.config import RunConfig, run_config
from m4jax.run.layout import Layout


def run(console: Console, *names: str) -> tuple[RunConfig, Layout]:
    """Carries out tasks of `tasks.TASKS` for one run, in this process; returns what and where."""
    config, layout = run_config(command.config()), Layout(Path(command.WORKDIR.value).absolute())
    display = Display(console, dict.fromkeys(names, 1.0))
    with display.live():
        for name in names:
            task = pool.Task(name, name, name)

            def progress(what: str, done: int, total: int, task: pool.Task = task) -> None:
                event = {"event": "progress", "what": what, "done": done, "total": total}
                display.show(task, event)

            tasks.TASKS[name](config, layout, progress)
            display.show(task, {"event": "done"})
    return config, layout
