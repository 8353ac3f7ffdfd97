"""From weights to examples: keep or drop by a hash of the uid, or resample to a given size."""

import hashlib
from collections.abc import Sequence

import numpy as np

from m4jax.errors import InputError

PERSON = b"m4jax"  # BLAKE2b's personalisation, padded with zeros to 16 bytes


def uniform(uids: Sequence[str] | Sequence[int] | np.ndarray, *, seed: int) -> np.ndarray:
    """Returns a number in [0, 1) for each uid, the same on any machine.

    It is ⌊h / 2¹¹⌋ · 2⁻⁵³, where h is the 8-byte BLAKE2b digest of the uid, read as a little-endian
    unsigned integer. The key is the seed as 8 bytes, little-endian; the personalisation is the five
    bytes `m4jax`; there is no salt. A text uid is hashed as its UTF-8 bytes, a whole number as its
    decimal digits in ASCII (with a leading `-` if it is negative), so that 7 and "7" agree.

    Args:
        uids: [n] text or whole numbers.
        seed: 0 to 2⁶⁴ − 1; numbers of different seeds are independent.

    Returns:
        [n], independent of the order of the uids and of each other.

    Raises:
        InputError: if the seed is out of range, or a uid is neither text nor a whole number.
    """
    check_seed(seed)
    keyed = hashlib.blake2b(digest_size=8, key=int(seed).to_bytes(8, "little"), person=PERSON)
    digests = bytearray()
    for uid in _plain(uids):
        hashed = keyed.copy()
        try:
            hashed.update(str(uid).encode())
        except UnicodeEncodeError:
            raise InputError(f"uids: {uid!r} is no text: half a surrogate pair") from None
        digests += hashed.digest()
    # 53 bits are what a float64 holds exactly, in any language.
    return (np.frombuffer(bytes(digests), "<u8") >> np.uint64(11)) * 2.0**-53


def keep(
    uids: Sequence[str] | Sequence[int] | np.ndarray, weights: np.ndarray, *, seed: int
) -> np.ndarray:
    """Returns which examples to keep: each with probability q, decided by its uid alone.

    An example is kept if `uniform(uid) < q`. So it gets the same answer on any machine and in any
    order or chunk, and with the same seed a larger q never drops what a smaller one keeps.

    Args:
        uids: [n] text or whole numbers.
        weights: [n] q in [0, 1].
        seed: see `uniform`.

    Returns:
        [n] bool.

    Raises:
        InputError: if the weights are not as above.
    """
    weights = np.asarray(weights, float)
    if weights.shape != (len(uids),) or not ((weights >= 0) & (weights <= 1)).all():
        raise InputError(f"expected {len(uids):,} weights in [0, 1], one for each uid")
    return uniform(uids, seed=seed) < weights


def resample(
    uids: Sequence[str] | Sequence[int] | np.ndarray,
    weights: np.ndarray,
    *,
    size: int,
    seed: int,
) -> np.ndarray:
    """Returns rows that make a data set of the given size, each drawn in proportion to its weight.

    Systematic sampling: example i comes ⌊e⌋ or ⌈e⌉ times, with e = size · q_i / Σ q, and e times on
    average. So none comes twice as long as size ≤ Σ q / max q, and the total is exact. The examples
    are lined up by `uniform`, so that the draw doesn't depend on their order.

    Args:
        uids: [n] text or whole numbers.
        weights: [n] q ≥ 0, not all 0.
        size: number of rows to return.
        seed: see `uniform`.

    Returns:
        [size] indices, ascending; an example that comes several times is repeated.

    Raises:
        InputError: if the weights or the size are not as above.
    """
    weights = np.asarray(weights, float)
    with np.errstate(over="ignore"):
        right = np.isfinite(weights.sum()) and (weights >= 0).all() and weights.any()
    if weights.shape != (len(uids),) or not right:
        raise InputError(
            f"expected {len(uids):,} weights of at least 0, one for each uid, not all of them 0, "
            "and with a finite sum"
        )
    if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 0:
        raise InputError(f"size: expected at least 0, a whole number, got {size!r}")
    order = np.argsort(uniform(uids, seed=seed), kind="stable")
    places = np.cumsum(weights[order])
    places = places / places[-1] * size  # in this order of operations the last is exactly `size`
    (offset,) = uniform([""], seed=seed)
    # Example i takes the whole numbers k with places[i−1] ≤ k + offset < places[i].
    ends = np.clip(np.ceil(places - offset), 0, size).astype(int)
    return np.sort(np.repeat(order, np.diff(ends, prepend=0)))


def check_seed(seed: int, what: str = "seed") -> None:
    """Raises `InputError` unless it is a whole number from 0 to 2⁶⁴ − 1; `what` it is called."""
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**64:
        raise InputError(f"{what}: expected 0 to 2**64 - 1, a whole number, got {seed!r}")


def _plain(uids: Sequence[str] | Sequence[int] | np.ndarray) -> list[str] | list[int]:
    """Returns the uids as a list, after a look at their types."""
    if isinstance(uids, str | bytes):
        raise InputError(f"uids: expected a list of them, got a single one: {uids!r}")
    if isinstance(uids, np.ndarray) and uids.dtype.kind not in "iuUTO":
        raise InputError(f"uids: expected text or whole numbers, got an array of {uids.dtype}")
    found = uids.tolist() if isinstance(uids, np.ndarray) else list(uids)
    for kind in set(map(type, found)):
        if not issubclass(kind, str | int | np.integer) or kind is bool:
            wrong = next(uid for uid in found if type(uid) is kind)
            raise InputError(f"uids: expected text or whole numbers, got {wrong!r}")
    return found
