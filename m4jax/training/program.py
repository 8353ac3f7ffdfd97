"""The compiled functions of a run: how it begins, its step, and the mean of its parameters."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh

from m4jax.errors import InputError
from m4jax.training.config import TrainConfig, schedule
from m4jax.training.identity import LATE
from m4jax.training.mesh import like, place, replicated, split_rows, state_shardings
from m4jax.training.step import (
    Batch,
    TrainState,
    init_state,
    make_optimizer,
    make_train_step,
    mean_with,
    new_state,
    with_average,
)


class Programs:
    """The programs of one run, by step.

    The first steps are taken by the very program of a run without restart and average: so their
    results are the same bits, and runs may share them (see `forks`). The mean is taken beside it.

    Args:
        config: of the run.
        model: a two-tower model.
        mesh: on which it is trained.
    """

    def __init__(self, config: TrainConfig, model: nn.Module, mesh: Mesh):
        self.mesh, self._config = mesh, config
        self._first = _program(shared(config, seed=0, **dict.fromkeys(LATE)), model, mesh)
        self._after = self._first
        if config.restart_at is not None:
            self._after = _program(shared(config, seed=0, average=None), model, mesh)
        self.trimmed, self.place = self._first.trimmed, self._first.place
        self.unaveraged = self._first.abstract

    @property
    def abstract(self) -> TrainState:
        """Shapes, types and shardings of the run's state."""
        first = self.unaveraged
        return first if self._config.average is None else first._replace(average=first.params)

    def begin(self, params: Any | None) -> TrainState:
        """Returns the state before the first step, of random parameters if none are given."""
        return with_average(self._first.begin(self._config.seed, params), self._config)

    def step(
        self, state: TrainState, batch: Batch, step: int
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        """Takes the step number `step` (the first is 1); what it returns may be on its way."""
        config, mean = self._config, state.average
        late = config.restart_at is not None and step > config.restart_at
        program = self._after if late else self._first
        state, metrics = program.step(state._replace(average=None), batch)
        k = step - (config.steps - config.average) if config.average else 0
        if k > 0:
            mean = program.settled(_mean_with(mean, state.params, np.float32(k)))
        return state._replace(average=mean), metrics


_mean_with = jax.jit(mean_with, donate_argnums=0)


class _Program:
    """The compiled functions of runs that differ in nothing but the seed: how they begin, the step.

    `abstract` has the shapes, types and shardings of their state.
    """

    def __init__(self, config: TrainConfig, model: nn.Module, mesh: Mesh):
        self.mesh = mesh
        self.trimmed = model.variant.text_mask != "none"  # otherwise padding is attended to
        optimizer = make_optimizer(config, schedule(config))

        def init(seed):
            return init_state(model, optimizer, seed=seed)

        def start(params, seed):
            return new_state(params, optimizer, seed=seed)

        shapes = jax.eval_shape(init, np.uint32(0))
        self._shardings = state_shardings(shapes, mesh)
        self.abstract = like(shapes, self._shardings)
        # They run once: compiling them fast is worth more than running them fast.
        options = {
            "out_shardings": self._shardings,
            "compiler_options": {"xla_backend_optimization_level": 0},
        }
        self._init, self._start = jax.jit(init, **options), jax.jit(start, **options)
        self._step = jax.jit(
            make_train_step(config, model, optimizer, mesh),
            donate_argnums=0,
            in_shardings=(self._shardings, split_rows(mesh)),
            out_shardings=(self._shardings, replicated(mesh)),
        )

    def place(self, params: Any) -> Any:
        """Returns parameters to start from on the mesh; see `train`."""
        _check_same_model(params, self.abstract.params)
        return place(params, self._shardings.params)

    def begin(self, seed: int, params: Any | None) -> TrainState:
        """Returns the state before the first step, of random parameters if none are given."""
        if params is None:
            return self._init(np.uint32(seed))
        return self._start(params, np.uint32(seed))

    def step(self, state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        """Takes a step; what it returns may still be on its way."""
        with jax.transfer_guard("disallow"):
            state, metrics = self._step(state, batch)
        self.settled(metrics)
        return state, metrics

    def settled(self, result: Any) -> Any:
        """Returns a result, on simulated devices once it is there: they hang with two under way."""
        if self.mesh.size > 1 and self.mesh.devices.flat[0].platform == "cpu":
            jax.block_until_ready(result)
        return result


_program = functools.lru_cache(maxsize=8)(_Program)  # a grid's worker trains many runs of a shape


def shared(config: TrainConfig, **fixed: Any) -> TrainConfig:
    """Returns the configuration of a compiled program, equal for all runs that may share it."""
    free = {"log_every": 1, "checkpoint_every": 1, "input_workers": 0, "share_at": None}
    return dataclasses.replace(config, **free, **fixed)


def _check_same_model(params: Any, abstract: Any) -> None:
    """Raises `InputError` if the `params` to start from are not those of the model."""
    given, expected = (
        {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(x)}
        for x in (params, abstract)
    )
    for name in sorted(given.keys() | expected.keys()):
        shapes = [tuple(x[name].shape) if name in x else "nothing" for x in (expected, given)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"init: the model has {shapes[0]} at {name}, given was {shapes[1]}; use "
                "parameters of the same model"
            )
