"""The data as balancing takes them: distinct rows of attributes and labels, with counts."""

import dataclasses

import numpy as np
from scipy import sparse

from m4jax.audit.inputs.shown import Shown


@dataclasses.dataclass(frozen=True)
class Patterns:
    """Examples that are alike, once each.

    Attributes:
        codes: int [p, a] of the data's attributes, each value's place among its names.
        attributes: [p, m] 1 or 0, NaN where unknown. An attribute of two values is one column, of
            the second; of more it is a column for each.
        attribute_names: of the columns: "man"; "race: Black".
        owners: of the columns: the attribute that each is of.
        targets: column -> the share that is even: 1/2, or 1 / the number of values.
        labels: uint8 [p, c], of the labels that any example has.
        label_names: of these.
        counts: [p] of examples.
        place: [n] each example's pattern.
        left_out: columns that no weights can balance, since all known examples are alike.
    """

    codes: np.ndarray
    attributes: np.ndarray
    attribute_names: tuple[str, ...]
    owners: tuple[str, ...]
    targets: dict[str, float]
    labels: np.ndarray
    label_names: tuple[str, ...]
    counts: np.ndarray
    place: np.ndarray
    left_out: tuple[str, ...] = ()


def patterns(shown: Shown) -> Patterns:
    """Returns the distinct rows of what is known of the examples."""
    codes = np.stack([x.codes for x in shown.attributes.values()], axis=1).astype(np.int16)
    rows = sparse.csr_array(shown.matrix)
    some = np.diff(rows.indptr) > 0  # of the others, codes are all there is to tell apart
    occurs = np.flatnonzero(np.bincount(rows.indices, minlength=rows.shape[1]))
    bits = np.packbits(rows[some][:, occurs].toarray(), axis=1)
    keys = np.zeros((len(shown), bits.shape[1]), np.uint8)
    keys[some] = bits
    whole = np.concatenate([np.ascontiguousarray(codes).view(np.uint8), keys], axis=1)
    kind = np.dtype((np.void, whole.shape[1]))
    _, first, place = np.unique(
        np.ascontiguousarray(whole).view(kind).ravel(), return_index=True, return_inverse=True
    )
    columns, owners, targets = _columns(shown, codes[first])
    known = ~np.isnan(columns)
    both = (known & (columns < 1)).any(axis=0) & (known & (columns > 0)).any(axis=0)
    names = np.array(list(targets), object)
    labels = rows[first][:, occurs].toarray().astype(np.uint8)
    order = tuple(shown.labels)
    return Patterns(
        codes=codes[first],
        attributes=columns[:, both],
        attribute_names=tuple(names[both]),
        owners=tuple(np.array(owners, object)[both]),
        targets={name: targets[name] for name in names[both]},
        labels=labels,
        label_names=tuple(order[i] for i in occurs),
        counts=np.bincount(place, minlength=len(first)).astype(float),
        place=place,
        left_out=tuple(names[~both]),
    )


def _columns(
    shown: Shown, codes: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], dict[str, float]]:
    """Returns the attributes as balancing has them, whose they are, names and targets."""
    columns, owners, targets = [], [], {}
    for (name, attribute), code in zip(shown.attributes.items(), codes.T, strict=True):
        two = len(attribute.names) == 2
        for value in (1,) if two else range(len(attribute.names)):
            called = attribute.names[value]
            taken = called in targets or called in shown.labels
            called = called if two and not taken else f"{name}: {called}"
            targets[called] = 1 / len(attribute.names)
            owners.append(name)
            columns.append(np.where(code < 0, np.nan, code == value))
    return np.stack(columns, axis=1), tuple(owners), targets
