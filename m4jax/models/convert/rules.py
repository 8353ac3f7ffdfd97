"""A format as a table of rules, each used in both directions."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from m4jax.errors import InputError, nearest

Tensors = dict[str, np.ndarray]


class Codec(NamedTuple):
    """How one parameter of ours corresponds to the tensors of a peer.

    Attributes:
        decode: maps the peer's arrays, in the order of the rule's names, to ours.
        encode: maps ours and the peer's shapes to the peer's arrays; its inverse.
        shapes: maps our shape to the shapes of the peer's arrays.
    """

    decode: Callable[[list[np.ndarray]], np.ndarray]
    encode: Callable[[np.ndarray, list[tuple[int, ...]]], list[np.ndarray]]
    shapes: Callable[[tuple[int, ...]], list[tuple[int, ...]]]


class Rule(NamedTuple):
    """One parameter of ours and its counterparts.

    Attributes:
        ours: its path, "image/patches/kernel" say.
        theirs: names of the peer's tensors; "{layer}" stands for the number of a layer, and our
            parameter then has the layers on its first axis.
        codec: of one layer, or of the whole.
    """

    ours: str
    theirs: tuple[str, ...]
    codec: Codec


def reshaped(
    shape: Callable[[tuple[int, ...]], tuple[int, ...]],
    back: Callable[[np.ndarray], np.ndarray] = lambda array: array,
) -> Codec:
    """Returns the codec of a tensor that has the same numbers in another shape.

    Args:
        shape: maps our shape to the peer's.
        back: maps the peer's array to ours; a change of shape alone `decode` does itself.
    """
    return Codec(
        lambda arrays: back(arrays[0]),
        lambda ours, shapes: [ours.reshape(shapes[0])],
        lambda ours: [shape(ours)],
    )


same = reshaped(lambda shape: shape)
vector = reshaped(lambda shape: (shape[-1],))  # ours has leading axes of size 1
one_number = reshaped(lambda shape: (1,))  # ours is a scalar
with_leading_one = reshaped(lambda shape: (1, *shape))
transposed = Codec(
    lambda arrays: arrays[0].T, lambda ours, shapes: [ours.T], lambda shape: [shape[::-1]]
)


def convolution(patch_size: int) -> Codec:
    """Returns the codec of torch's kernel [D, 3, p, p] of patches, ours being [p·p·3, D]."""

    def encode(ours, shapes):
        grid = ours.reshape(patch_size, patch_size, 3, -1)
        return [grid.transpose(3, 2, 0, 1)]

    return Codec(
        lambda arrays: arrays[0].transpose(2, 3, 1, 0).reshape(-1, arrays[0].shape[0]),
        encode,
        lambda shape: [(shape[1], 3, patch_size, patch_size)],
    )


def parts(shares: int | tuple[int, ...], part: Codec, *, axis: int = -1) -> Codec:
    """Returns the codec of tensors that stand beside one another in ours.

    Args:
        shares: number of tensors, all of one size; or their sizes, in units of their greatest
            common divisor.
        part: codec of each tensor.
        axis: of ours, along which they stand.
    """
    shares = (1,) * shares if isinstance(shares, int) else shares
    ends = np.cumsum(shares)[:-1]

    def split(shape):
        unit = shape[axis] // sum(shares)
        wholes = [list(shape) for _ in shares]
        for whole, share in zip(wholes, shares, strict=True):
            whole[axis] = unit * share
        return [part.shapes(tuple(whole))[0] for whole in wholes]

    def encode(ours, shapes):
        pieces = np.split(ours, ends * (ours.shape[axis] // sum(shares)), axis=axis)
        return [part.encode(x, [s])[0] for x, s in zip(pieces, shapes, strict=True)]

    return Codec(
        lambda arrays: np.concatenate([part.decode([x]) for x in arrays], axis=axis),
        encode,
        split,
    )


def decode(rules: Iterable[Rule], tensors: Mapping[str, np.ndarray], shapes: Tensors) -> Tensors:
    """Returns our parameters, path ↦ array, from a peer's tensors.

    Args:
        rules: of the format.
        tensors: name ↦ array; all are used.
        shapes: path ↦ array or shape-bearing leaf of every parameter of the model.

    Raises:
        InputError: if a tensor is missing, left over, or of another shape.
    """
    used, params = set(), {}
    for rule in rules:
        leaf = shapes[rule.ours]
        stacked = "{layer}" in rule.theirs[0]
        inner = leaf.shape[1:] if stacked else leaf.shape
        layers = []
        for names in _names(rule, leaf.shape[0] if stacked else 1):
            arrays = [_take(tensors, name) for name in names]
            expected = rule.codec.shapes(inner)
            for name, array, shape in zip(names, arrays, expected, strict=True):
                if array.size == 1 == math.prod(shape):  # a scalar, saved as [] or as [1]
                    continue
                if array.shape != tuple(shape):
                    raise InputError(
                        f"tensor {name!r}: expected shape {tuple(shape)}, got {array.shape}; the "
                        "file is of another model"
                    )
            used.update(names)
            layers.append(rule.codec.decode(arrays).reshape(inner))
        params[rule.ours] = np.stack(layers) if stacked else layers[0]
    surplus = sorted(set(tensors) - used)
    if surplus:
        raise InputError(
            f"{len(surplus)} tensors that the model has no place for, {surplus[0]!r} for example; "
            "the file is of another model"
        )
    return params


def encode(rules: Iterable[Rule], params: Tensors) -> Tensors:
    """Returns the peer's tensors, name ↦ array, from our parameters, path ↦ array."""
    tensors = {}
    for rule in rules:
        ours = params[rule.ours]
        layers = ours if "{layer}" in rule.theirs[0] else ours[None]
        for names, layer in zip(_names(rule, len(layers)), layers, strict=True):
            arrays = rule.codec.encode(layer, rule.codec.shapes(layer.shape))
            tensors |= {n: np.array(x, order="C") for n, x in zip(names, arrays, strict=True)}
    return tensors


def _names(rule: Rule, layers: int) -> list[list[str]]:
    return [[name.format(layer=i) for name in rule.theirs] for i in range(layers)]


def _take(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in tensors:
        raise InputError(f"tensor {name!r} is missing; {nearest(name, list(tensors))}")
    return tensors[name]
