"""Runs of a grid that share their first steps (`training.forks`): who leaves them to whom."""

import dataclasses
import functools
from collections.abc import Sequence

from m4jax.grid.pool import Task
from m4jax.run.config import RunConfig, from_json
from m4jax.training.forks import last_shared, plain


def in_order(tasks: Sequence[Task]) -> list[Task]:
    """Returns the tasks with the runs that leave their states before those that may take them.

    A run then needs the one that leaves it the most steps, so that no two workers take the same
    ones. Runs from which none of the others takes any are not asked to leave them.
    """
    configs = {task.id: from_json(task.configs[0]) for task in tasks if task.kind == "run"}
    if not any(config.train.share_at for config in configs.values()):
        return list(tasks)
    found = begun(list(configs.values()))
    runs = [task for task in tasks if task.kind == "run"]
    runs.sort(key=lambda task: _rank(configs[task.id]))
    givers = {giver for giver, _ in found.values()}
    for i, task in enumerate(runs):
        if task.id in found:
            runs[i] = task = dataclasses.replace(task, needs=(*task.needs, found[task.id][0]))
        if task.id not in givers:
            runs[i] = dataclasses.replace(task, configs=(_keeping(configs[task.id]).to_json(),))
    left = iter(runs)
    return [next(left) if task.kind == "run" else task for task in tasks]


def _keeping(config: RunConfig) -> RunConfig:
    """Returns the run as one that leaves no states."""
    return dataclasses.replace(config, train=dataclasses.replace(config.train, share_at=None))


def begun(configs: Sequence[RunConfig]) -> dict[str, tuple[str, int]]:
    """Returns run id ↦ (id of the run at whose state it begins, step), of runs that do so.

    Those that leave states come before those that take them: runs of fewer stages first, and of as
    many the ones without a restart.
    """
    alike: dict[str, list[RunConfig]] = {}
    found = {}
    for config in sorted(configs, key=_rank):
        before = alike.setdefault(_name(config), [])
        steps = [shared_steps(giver, config) for giver in before]
        if any(steps):
            found[config.id] = before[steps.index(max(steps))].id, max(steps)
        before.append(config)
    return found


def shared_steps(giver: RunConfig, taker: RunConfig) -> int:
    """Returns how many steps of a run another one can begin with; 0 if none.

    Both are alike in what `_name` tells. A run whose bias is tracked takes all its steps.
    """
    if taker.track:
        return 0
    ours, theirs = (dict(_versions(config)) for config in (giver, taker))
    last, now = min(last_shared(giver.train), last_shared(taker.train)), (None, None)
    for start in sorted(ours | theirs):
        now = ours.get(start, now[0]), theirs.get(start, now[1])
        if now[0] != now[1]:
            last = min(last, start)
            break
    return max((step for step in giver.train.share_at or () if step <= last), default=0)


@functools.cache
def _versions(config: RunConfig) -> list[tuple[int, str | None]]:
    """Returns from which step on which weights act, as `run.train.stages` has them."""
    if config.balance is None:
        return [(0, config.weights_id)]
    others = dataclasses.replace(config, balance=None, during=()).weights_id
    acting = config.balanced_steps
    before = [(0, others)] if acting.start > 0 else []
    after = [(acting.stop, others)] if acting.stop < config.train.steps else []
    return [*before, (acting.start, config.weights_id), *after]


def _rank(config: RunConfig) -> tuple[int, bool]:
    return len(_versions(config)), config.train.restart_at is not None


@functools.cache
def _name(config: RunConfig) -> str:
    """Returns what two runs with the same first steps have in common, besides their data."""
    train = plain(config.train, checkpoint_every=1)
    data = {"filter": None, "balance": None, "during": ()}
    return dataclasses.replace(config, train=train, **data).id
