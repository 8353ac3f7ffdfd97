"""What a run is made of, told by contents: a run goes on as what it was, or not at all.

Every checkpoint holds the identity of its run, a JSON value:

    settings     the fields of `TrainConfig` that steps depend on
    model        the fields of its `Variant`
    pictures     how many of which size, and digests of them
    captions     of token ids and of which captions are equal
    annotation   of attributes, labels and target, which the log's bias of the stream is measured by
    stages       where each starts, and of the weights of its examples
    start        of the parameters that it started from; "random"
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import numpy as np

from m4jax import files
from m4jax.data.encoded import EncodedPictures
from m4jax.errors import InputError
from m4jax.training.config import TrainConfig, TrainData
from m4jax.training.mesh import checksums

IN_FULL = 2**28  # bytes of decoded pictures up to which all of them are hashed; 0.3 s
SOME = 2**26  # bytes that are hashed of more than that, in rows that lie evenly
ROWS = 32  # pictures that are hashed wherever they lie, also encoded on disk
RANDOM = "random"
# Of a model, what the shapes of parameters don't show: with another of them they are another model.
UNSEEN = ("heads", "text_heads", "pooling", "text_pooling", "text_mask", "activation",
          "text_activation", "norm_epsilon", "pixel_mean", "pixel_std")  # fmt: skip
# Fields of a model that came later: left out where they are None, as older runs have them.
LATER = ("mlp_width", "text_mlp_width", "text_activation")
# They change how a run is carried out, not what comes of it.
FREE = ("input_workers", "checkpoint_every", "share_at")
# What acts late in a run; left out where it is None, as older runs have it.
LATE = ("restart_at", "restart_peak", "average")


def of(
    config: TrainConfig, data: TrainData, model: nn.Module, *, pictures: Any = None
) -> dict[str, Any]:
    """Returns the identity of a run that starts at random, as JSON.

    Args:
        config: the settings.
        data: the examples.
        model: a two-tower model.
        pictures: what `pictures_of` says of the data's, if that is known.
    """
    settings = {k: v for k, v in dataclasses.asdict(config).items() if k not in FREE}
    settings = {k: v for k, v in settings.items() if v is not None or k not in LATE}
    fields = dataclasses.asdict(model.variant)
    fields = {k: v for k, v in fields.items() if v is not None or k not in LATER}
    return {
        "settings": settings,
        "model": {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()},
        "pictures": pictures or pictures_of(data.images),
        "captions": {
            "tokens": _digest(data.tokens.astype(np.int64)),
            "equal": _digest(data.caption_id.astype(np.int64)),
        },
        "annotation": {
            name: _digest(np.asarray(getattr(data, name), np.float64))
            for name in ("attributes", "labels", "target")
        },
        "stages": [
            [stage.start, "equal" if stage.weights is None else _digest_of_weights(stage.weights)]
            for stage in data.stages
        ],
        "start": RANDOM,
    }


def pictures_of(images: np.ndarray | EncodedPictures) -> dict[str, Any]:
    """Returns what tells pictures [n, h, w, 3] from others.

    `rows` is a digest of 32 of them, evenly spaced, for pictures in memory and on disk alike. `all`
    is one of all pictures in memory, up to 256 MB; beyond that, of 64 MB of rows, evenly spaced: a
    change of a few others goes unnoticed there. None: they are on disk.
    """
    n, in_memory = len(images), isinstance(images, np.ndarray)
    found = {"shape": list(images.shape), "rows": _digest(images[_spread(n, ROWS)]), "all": None}
    if in_memory and images.nbytes <= IN_FULL:
        found["all"] = _digest(images)
    elif in_memory:
        found["all"] = _digest(images[_spread(n, max(SOME // images[0].nbytes, 1))])
    return found


def start_of(params: Any) -> str:
    """Returns a digest of parameters to start from, the same on any number of devices."""
    return files.digest(checksums(params), 16)


def check_same(before: Mapping[str, Any] | None, now: Mapping[str, Any], run_dir: Any) -> None:
    """Raises `InputError`, naming all that differs, unless a checkpoint's identity is the run's."""
    if not isinstance(before, Mapping) or before.keys() != now.keys():
        raise InputError(
            f"{run_dir} has a checkpoint of an earlier version, which does not say what its run "
            "was made of; delete it, or use another directory"
        )
    differing = [line for part in now for line in _differing(part, before[part], now[part])]
    if differing:
        lines = "".join(f"\n  {line}" for line in differing)
        raise InputError(
            f"{run_dir} holds another run; go on with what it was started with, or choose another "
            f"directory. What differs:{lines}"
        )


def check_model(before: Mapping[str, Any], model: nn.Module, path: Any) -> None:
    """Raises `InputError` if a model computes otherwise than the one whose fields are `before`.

    Args:
        before: the fields of the `Variant` that the parameters of `path` were trained with.
        model: to which they are to be given.
        path: of the run or the exported model.
    """
    now = dataclasses.asdict(model.variant)
    for name in UNSEEN:
        values = [list(x) if isinstance(x, tuple) else x for x in (before.get(name), now[name])]
        if values[0] != values[1]:
            raise InputError(
                f"{path} is a model with {name} {values[0]}, this one has {values[1]}: the "
                "parameters would mean something else"
            )


def _differing(part: str, before: Any, now: Any) -> list[str]:
    """Returns a line for each difference in a part of two identities."""
    if before == now:
        return []
    if part == "pictures":
        return _differing_pictures(before, now)
    if part == "stages":
        starts, today = ([start for start, _ in stages] for stages in (before, now))
        if starts != today:
            return [f"stages: they started at steps {starts} → {today}"]
        return ["stages: other weights of the examples"]
    if part == "start":
        return [f"parameters to start from: {before} → {now}"]
    names = [name for name in before | now if before.get(name) != now.get(name)]
    if part in ("captions", "annotation"):  # known by digests, which say nothing to a reader
        return [f"{part}: other {name}" for name in names]
    return [f"{part}: {name}: {before.get(name)} → {now.get(name)}" for name in names]


def _differing_pictures(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if before["shape"] != now["shape"]:
        return [f"pictures: {before['shape']} → {now['shape']}"]
    if before["all"] and now["all"]:
        return ["pictures: other ones"] if before["all"] != now["all"] else []
    return ["pictures: other ones"] if before["rows"] != now["rows"] else []


def _spread(n: int, count: int) -> np.ndarray:
    """Returns up to `count` of the rows 0 to n − 1, evenly spaced, both ends among them."""
    return np.unique(np.linspace(0, n - 1, min(n, count)).round().astype(np.int64))


def _digest_of_weights(weights: Any) -> str:
    weights = np.asarray(weights, np.float64)
    return _digest(weights / weights.sum())  # as they act


def _digest(array: np.ndarray) -> str:
    found = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    found.update(np.ascontiguousarray(array))
    return found.hexdigest()[:16]
