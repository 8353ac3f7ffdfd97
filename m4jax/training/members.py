"""The members of a fleet: what they have in common, and the note that one of them failed."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import flax.linen as nn
import jax
import numpy as np

from m4jax import files
from m4jax.errors import InputError, NonFiniteError
from m4jax.training.config import TrainConfig, TrainData, check_fit
from m4jax.training.mesh import make_mesh

FAILED = "FAILED.json"  # in the directory of a member whose loss was not finite
OWN = ("seed", "learning_rate")  # settings that a member has of its own


class Member(NamedTuple):
    """One model of a fleet.

    Attributes:
        config: equal to that of the others but for the seed and the learning rate.
        data: with the pictures and the tokens of the others, and stages of its own.
        run_dir: as for `train`.
    """

    config: TrainConfig
    data: TrainData
    run_dir: str | os.PathLike


def failure_of(member: Member) -> NonFiniteError | None:
    """Returns why a member failed before, or None; a note that is damaged counts for nothing."""
    try:
        return NonFiniteError(files.read_sealed(Path(member.run_dir) / FAILED)["message"])
    except InputError:
        return None


def check_members(members: Sequence[Member], model: nn.Module) -> None:
    """Raises `InputError` if the members can't be trained in one program."""
    if not members:
        raise InputError("a fleet needs at least one member")
    first, one = members[0], make_mesh(jax.local_devices()[:1])
    for k, member in enumerate(members):
        check_fit(member.config, member.data, model, one)
        for field in dataclasses.fields(TrainConfig):
            values = [getattr(x.config, field.name) for x in (first, member)]
            if field.name not in OWN and values[0] != values[1]:
                raise InputError(
                    f"members of a fleet differ in {', '.join(OWN)} and data alone; {field.name} "
                    f"of member {k} is {values[1]}, that of member 0 is {values[0]}"
                )
        for field in ("images", "tokens"):
            if getattr(member.data, field) is not getattr(first.data, field):
                raise InputError(f"member {k} has {field} of its own; a fleet shares one array")
    if not isinstance(first.data.images, np.ndarray):
        raise InputError("a fleet keeps its pictures on the device: decode them into an array")
    folders = [Path(member.run_dir).absolute() for member in members]
    if len(set(folders)) < len(folders):
        raise InputError("every member of a fleet needs a directory of its own")
