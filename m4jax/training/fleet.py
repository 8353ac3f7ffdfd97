"""Fleets: many models of one shape, trained in one program."""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from m4jax import files, stopping
from m4jax.errors import NonFiniteError
from m4jax.training import identity
from m4jax.training.checkpoint import Checkpoints, alone
from m4jax.training.config import TrainConfig, schedule, tokens_for_model
from m4jax.training.log import Journal, fetch
from m4jax.training.members import FAILED, OWN, Member, check_members, failure_of
from m4jax.training.mesh import like, make_mesh, replicated, split_rows, state_shardings
from m4jax.training.program import shared
from m4jax.training.step import (
    Batch,
    TrainState,
    averaged,
    finished,
    init_state,
    make_optimizer,
    make_train_step,
    with_average,
)


def train_fleet(
    members: Sequence[Member],
    *,
    model: nn.Module,
    on_progress: Callable[[int, dict[str, Any]], None] | None = None,
    on_checkpoint: Callable[[int, int, Any], None] | None = None,
) -> list[Any]:
    """Trains a model for each member, all at once, and returns their parameters.

    The states are stacked and the step is mapped over them; pictures and tokens stay on the device,
    and the steps between two records or checkpoints are one `lax.scan`. Every member draws the
    examples that it would draw alone, and leaves the files that it would leave alone: its results
    equal those of `train` to rounding, and `train`, `load_params` and evaluation go on with them.

    Interrupted, the same call goes on from the newest step of which all members have a sound
    checkpoint; the result then equals that of an uninterrupted fleet bit for bit.

    Args:
        members: at least one.
        model: of all.
        on_progress: called with a member's number and each record of its `metrics.jsonl`.
        on_checkpoint: called with a member's number, the step and its parameters, as by `train`.

    Returns:
        The parameters of each member after the last step; in place of them a `NonFiniteError` where
        the loss became infinite or NaN. Such a member stops, `FAILED.json` in its directory says
        why, and the others go on as if it had not been there.

    Raises:
        InputError: if the members don't belong together, or for what `train` raises it for.
        OSError: if a directory can't be written.
    """
    mesh = make_mesh(jax.local_devices())
    check_members(members, model)
    results: list[Any] = [failure_of(member) for member in members]
    alive = [k for k, failure in enumerate(results) if failure is None]
    while alive:
        fleet = _Fleet(
            [members[k] for k in alive],
            model,
            mesh,
            [on_progress and functools.partial(on_progress, k) for k in alive],
            [on_checkpoint and functools.partial(on_checkpoint, k) for k in alive],
        )
        with stopping.later(), ExitStack() as stack:
            finished = fleet.run(stack)
        for k, result in zip(alive, finished, strict=True):
            results[k] = result
        # A fleet ends early where a member fails; the others go on without it.
        alive = [k for k in alive if results[k] is None]
    return results


class _Fleet:
    """Members that train together until all are done or one has failed."""

    def __init__(self, members, model, mesh, on_progress, on_checkpoint):
        self._members, self._model, self._on_checkpoint = members, model, on_checkpoint
        self._config, data = members[0].config, members[0].data
        pictures = identity.pictures_of(data.images)  # once: they share them
        self._journals = [
            Journal(
                member.config,
                member.data,
                Path(member.run_dir),
                call,
                identity.of(member.config, member.data, model, pictures=pictures),
            )
            for member, call in zip(members, on_progress, strict=True)
        ]
        self._whole = replicated(mesh)
        self._spread = split_rows(mesh) if len(members) % mesh.size == 0 else self._whole
        tokens = tokens_for_model(data, trimmed=model.variant.text_mask != "none")
        self._resident = jax.device_put((np.asarray(data.images), tokens), self._whole)
        peaks = np.array([member.config.learning_rate for member in members], np.float32)
        self._peaks = jax.device_put(peaks, self._spread)
        program = _program(shared(self._config, **dict.fromkeys(OWN, 1)), model, self._spread)
        self._abstract, self._init, self._advance = program

    def run(self, stack: ExitStack) -> list[Any]:
        """Returns for each member its parameters, its `NonFiniteError`, or None: to be gone on."""
        for member in self._members:
            stack.enter_context(alone(member.run_dir))
        checkpoints = [
            stack.enter_context(Checkpoints(Path(member.run_dir) / "checkpoints"))
            for member in self._members
        ]
        states, step = self._begin(checkpoints)
        config, flying, failures = self._config, None, []
        length = math.gcd(config.log_every, config.checkpoint_every, config.steps)
        while step < config.steps and not any(failures):
            drawn = self._draw(step, length)
            on_device = jax.device_put(drawn, self._whole)
            with jax.transfer_guard("disallow"):
                states, metrics = self._advance(states, on_device, self._peaks, *self._resident)
            # While the device computes, the steps before are recorded and the next ones drawn.
            landed, flying = flying, (step, drawn, metrics)
            failures = self._record(*landed) if landed else []
            step += length
            due = step == config.steps or step % config.checkpoint_every == 0
            stop = step < config.steps and stopping.asked()
            if due or stop:
                if not any(failures):
                    failures, flying = self._record(*flying), None
                if not any(failures):
                    self._save(jax.device_get(states), step, checkpoints, measured=due)
            if stop and not any(failures):
                raise stopping.Terminated
        if any(failures):
            return failures
        return [_member(finished(states).params, k) for k in range(len(self._members))]

    def _save(
        self, states: TrainState, step: int, checkpoints: list[Checkpoints], *, measured: bool
    ) -> None:
        for k, (journal, kept) in enumerate(zip(self._journals, checkpoints, strict=True)):
            if measured and self._on_checkpoint[k]:
                self._on_checkpoint[k](step, _member(states.params, k))
            state = _member(states, k)
            state = finished(state) if step == self._config.steps else state
            kept.save(state, journal.position(step))

    def _begin(self, checkpoints: list[Checkpoints]) -> tuple[TrainState, int]:
        """Returns the stacked states of the newest step that all members have, and that step."""
        restored = _common(checkpoints, self._abstract, [j.check for j in self._journals])
        if restored is None:
            seeds = np.array([m.config.seed for m in self._members], np.uint32)
            states, positions = self._init(seeds), [None] * len(self._members)
        else:
            states, positions = zip(*restored, strict=True)
            stacked = jax.tree.map(lambda *x: np.stack(x), *jax.device_get(states))
            states = jax.device_put(stacked, self._spread)
        steps = [j.open(position) for j, position in zip(self._journals, positions, strict=True)]
        return states, steps[0]

    def _draw(self, step: int, length: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the examples [S, K, B] of the next steps and their weights in the loss."""
        steps, draws = range(step, step + length), [journal.draw for journal in self._journals]
        rows = np.array([[draw.indices(s) for draw in draws] for s in steps], np.int32)
        if self._config.weighting != "loss":
            return rows, None
        return rows, np.array(
            [
                [draw.factor(s, row) for draw, row in zip(draws, members, strict=True)]
                for s, members in zip(steps, rows, strict=True)
            ]
        )

    def _record(
        self, step: int, drawn: tuple[np.ndarray, Any], metrics: dict[str, jax.Array]
    ) -> list[NonFiniteError | None]:
        """Takes note of the steps after `step`; returns the failure of each member, if any.

        A failure is marked in the member's directory.
        """
        metrics, rows = jax.device_get(metrics), drawn[0]
        failures: list[NonFiniteError | None] = [None] * len(self._members)
        for k, journal in enumerate(self._journals):
            try:
                for s, examples in enumerate(rows[:, k]):
                    values = {name: float(x[s, k]) for name, x in metrics.items()}
                    journal.add(step + s + 1, examples, values)
                fetch(journal.pending, step + len(rows))  # checks what is in no record yet
            except NonFiniteError as error:
                failures[k] = error
                failure = {"step": step + len(rows), "message": str(error)}
                files.write_sealed(Path(self._members[k].run_dir) / FAILED, failure)
        return failures


class _Program(NamedTuple):
    """The compiled functions of fleets; seeds and learning rates are arguments."""

    abstract: TrainState  # shapes of a member's state
    init: Callable[[np.ndarray], TrainState]  # seeds [K] ↦ stacked states
    advance: Callable[..., tuple[TrainState, Any]]  # see `chunk`


@functools.lru_cache(maxsize=4)
def _program(config: TrainConfig, model: nn.Module, spread: jax.sharding.Sharding) -> _Program:
    optimizer = make_optimizer(config, schedule(config))

    def init(seed):
        return with_average(init_state(model, optimizer, seed=seed), config)

    shapes = jax.eval_shape(init, 0)
    here = make_mesh(jax.local_devices()[:1])
    return _Program(
        abstract=like(shapes, state_shardings(shapes, here)),
        init=jax.jit(lambda seeds: jax.lax.map(init, seeds), out_shardings=spread),
        advance=jax.jit(chunk(config, model), donate_argnums=0, out_shardings=(spread, None)),
    )


def chunk(config: TrainConfig, model: nn.Module) -> Callable[..., tuple[TrainState, Any]]:
    """Returns a function that takes several steps of K models.

    It maps (stacked states, (examples int [S, K, B], weights [S, K, B] or None), peak learning
    rates [K], images uint8 [n, h, w, 3], tokens [n, L]) to the states after S steps and their
    metrics [S, K].
    """
    unit = schedule(dataclasses.replace(config, learning_rate=1.0, restart_peak=None))

    def rate(peak, count):
        if config.restart_peak is not None:  # the same for all members
            peak = jnp.where(count < config.restart_at, peak, config.restart_peak)
        return peak * unit(count)

    def one(state, rows, factor, peak, images, tokens):
        optimizer = make_optimizer(config, lambda count: rate(peak, count))
        step = make_train_step(config, model, optimizer)
        state, metrics = step(state, Batch(images[rows], tokens[rows], factor))
        return averaged(state, config), metrics

    def steps(states, drawn, peaks, images, tokens):
        weighted = 0 if drawn[1] is not None else None
        many = jax.vmap(one, in_axes=(0, 0, weighted, 0, None, None))
        return jax.lax.scan(lambda s, x: many(s, *x, peaks, images, tokens), states, drawn)

    return steps


def _common(
    checkpoints: list[Checkpoints], abstract: Any, checks: list[Callable]
) -> list[tuple[Any, Any]] | None:
    """Returns every member's (state, position) at the newest step that all can restore, or None."""
    newest = None
    while True:
        restored = [
            kept.restore_latest(abstract, at_most=newest, check=check)
            for kept, check in zip(checkpoints, checks, strict=True)
        ]
        if any(x is None for x in restored):
            return None
        steps = {position["step"] for _, position in restored}
        if len(steps) == 1:
            return restored
        newest = min(steps)


def _member(stacked: Any, k: int) -> Any:
    return jax.tree.map(lambda x: x[k], stacked)
