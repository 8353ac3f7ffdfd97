"""What is still to be done for the cells of a grid: tasks, and what each of them needs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from m4jax import files
from m4jax.grid.cells import Cell
from m4jax.grid.pool import Task
from m4jax.grid.sharing import in_order
from m4jax.run.config import RunConfig, from_json
from m4jax.run.state import Layout, is_done, state
from m4jax.tables import weights
from m4jax.training.fleet import OWN

# Rough shares of the work, in examples: composing a picture costs about as much as training on one.
EVALUATION_EXAMPLES = 5_000


def pending(cells: Sequence[Cell], layout: Layout, *, fleet: int = 1) -> list[Task]:
    """Returns the tasks that are still to be done, with what each needs.

    Args:
        cells: of the grid.
        layout: where they lie.
        fleet: how many runs of one shape are trained in one program, at most.
    """
    tasks: dict[str, Task] = {}
    for cell in cells:
        # Worlds and weights are also needed to show the results of runs that are done.
        _add(tasks, cell.config, cell.name, layout, wanted=state(cell.config, layout) != "failed")
    # The worlds first: all else waits for them.
    ordered = sorted(tasks.values(), key=lambda task: task.kind != "world")
    # Fleets take every step: what a member begins with, all of them would have to.
    return _in_fleets(ordered, fleet) if fleet > 1 else in_order(ordered)


def state_of(task: Task, layout: Layout) -> str:
    """Returns how far a task is on disk, where another process may have done it."""
    configs = [from_json(value) for value in task.configs]
    if task.kind == "world":
        return "done" if configs[0].source.is_prepared(layout.data) else "pending"
    if task.kind == "weights":
        return "done" if weights.is_intact(layout.weights(configs[0])) else "pending"
    if task.kind not in ("run", "fleet"):
        return "pending"
    states = {state(config, layout) for config in configs}
    return states.pop() if len(states) == 1 else "pending"


def share(task: Task) -> float:
    """Returns a task's share of the work, in examples; for the bars only."""
    config = from_json(task.configs[0])
    if task.kind == "world":
        return config.source.composed + EVALUATION_EXAMPLES
    if task.kind == "weights":
        return EVALUATION_EXAMPLES / 10
    steps = config.train.steps * config.train.batch_size
    return len(task.configs) * (steps + EVALUATION_EXAMPLES)


def fleet_key(config: RunConfig) -> str:
    """Returns what runs that train in one program have in common."""
    train = dataclasses.replace(config.train, share_at=None, **dict.fromkeys(OWN, 1))
    alone = {"filter": None, "balance": None, "during": ()}
    return files.digest(dataclasses.replace(config, train=train, **alone).to_json())


def _add(
    tasks: dict[str, Task], config: RunConfig, name: str, layout: Layout, *, wanted: bool
) -> str | None:
    """Adds the task of a run after those that it needs; returns its id if it is to be done."""
    fields, needs = (config.to_json(),), []
    source = config.source
    if not source.is_prepared(layout.data):
        world = f"world-{source.id}"
        tasks.setdefault(world, Task(world, "world", f"data for {name}", fields))
        needs.append(world)
    if config.weighted and not weights.is_intact(layout.weights(config)):
        needs.append(_add_weights(tasks, config, name, layout, tuple(needs)))
    if not wanted or is_done(config, layout):
        return None
    tasks.setdefault(config.id, Task(config.id, "run", name, fields, tuple(needs)))
    return config.id


def _add_weights(
    tasks: dict[str, Task], config: RunConfig, name: str, layout: Layout, needs: tuple[str, ...]
) -> str:
    """Adds the task of a run's weights, after the run that scores its pairs, if there is one."""
    task = f"weights-{config.weights_id}"
    if task not in tasks:
        if config.scorer and not layout.scores(config.scorer).exists():
            scorer = _add(tasks, config.scorer, f"scorer for {name}", layout, wanted=True)
            needs += (scorer,) if scorer else ()
        fields = (config.to_json(),)
        tasks[task] = Task(task, "weights", f"weights for {name}", fields, needs)
    return task


def _in_fleets(tasks: Sequence[Task], size: int) -> list[Task]:
    """Returns the tasks with runs of one shape put together, `size` at most."""
    groups: dict[tuple, list[Task]] = {}
    for task in tasks:
        key: Any = task.id
        if task.kind == "run" and not task.configs[0]["init_from"]:  # fleets start at random
            # Runs that wait for others to be scored would hold up those that don't.
            later = any(t.id in task.needs and t.kind == "weights" and _scored(t) for t in tasks)
            key = (fleet_key(from_json(task.configs[0])), later)
        groups.setdefault(key, []).append(task)
    joined = []
    for members in groups.values():
        for start in range(0, len(members), size):
            part = members[start : start + size]
            joined.append(_fleet(part) if len(part) > 1 else part[0])
    # Those that needed a member of a fleet now need the fleet.
    fleet_of = {member: task.id for task in joined for member in task.leases}
    return [
        dataclasses.replace(task, needs=tuple(fleet_of.get(need, need) for need in task.needs))
        for task in joined
    ]


def _scored(task: Task) -> bool:
    return from_json(task.configs[0]).scorer is not None


def _fleet(members: Sequence[Task]) -> Task:
    ids = tuple(task.id for task in members)
    needs = dict.fromkeys(need for task in members for need in task.needs)
    return Task(
        id=f"fleet-{files.digest(list(ids))}",
        kind="fleet",
        title=f"{members[0].title} and {len(members) - 1} more",
        configs=tuple(task.configs[0] for task in members),
        needs=tuple(needs),
        leases=ids,
    )
