"""Pictures that come twice: the same file, or nearly the same picture.

Of the same file the SHA-256 of its bytes is equal. Of nearly the same picture the difference hash
is: the picture is shrunk to 9 × 8 grey levels, and each of 64 bits tells whether a level is below
its right neighbour's. Two hashes that differ in `NEAR` bits or fewer are told as near. Source:
N. Krawetz, "Kind of Like That" (2013).

It finds other sizes, other compression, small changes of brightness: of 100 photographs 92 at half
their size, 93 at JPEG quality 30, 86 made a fifth brighter; no two of 400 different ones are nearer
than 13 bits (tests/audit/test_duplicates.py with M4JAX_REAL). It misses crops, rotations, mirror
images, and pictures with a new frame; it takes pictures for near that are plain alike (a white page
with a little on it): those whose grey levels hardly differ get no hash.
"""

import dataclasses
import hashlib
import io
import warnings

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse import csgraph

from m4jax.data.readers.collection import Collection
from m4jax.errors import InputError
from m4jax.progress import Progress
from m4jax.report.page.content import DUPLICATES, Table

NEAR = 3  # bits of 64
PLAIN = 4  # standard deviation of the grey levels (of 255), below which there is no hash
SHOWN = 10  # groups of pictures in a table
_BANDS = NEAR + 1  # of 16 bits: of two hashes NEAR bits apart, one band at least is the same


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """Which pictures come more than once.

    Attributes:
        same: [n] the number of the group of equal files that each belongs to; −1: not read.
        near: [n] the same of nearly equal pictures, equal ones among them.
        unread: how many could not be read or decoded.
        plain: how many were too plain to have a hash.
    """

    same: np.ndarray
    near: np.ndarray
    unread: int
    plain: int

    def table(self, names: np.ndarray) -> Table:
        """Returns what to show: numbers, and the largest groups by uid."""
        rows = []
        for what, groups in (("same file", self.same), ("nearly the same", self.near)):
            several = _several(groups)
            extra = sum(len(x) - 1 for x in several)
            rows.append((what, "all", len(several), extra))
            rows += [
                (what, ", ".join(map(str, names[x][:5])) + (", …" if len(x) > 5 else ""), 1,
                 len(x) - 1)
                for x in several[:SHOWN]
            ]  # fmt: skip
        note = (
            f"Nearly the same: difference hashes at most {NEAR} of 64 bits apart; crops, mirror "
            f"images and rotations are not found. {self.unread:,} pictures could not be read, "
            f"{self.plain:,} are too plain to tell."
        )
        columns = ("kind", "pictures", "groups", "more than one of each")
        return Table(DUPLICATES, "Pictures that come twice", columns, tuple(rows), note=note)


def find(collection: Collection, progress: Progress | None = None) -> Duplicates:
    """Returns which pictures of a collection come more than once, reading each once."""
    n = len(collection)
    digests: dict[bytes, int] = {}
    same = np.full(n, -1)
    hashes, state = np.zeros(n, np.uint64), np.zeros(n, np.int8)  # 0 unread, 1 plain, 2 hashed
    for row in range(n):
        try:
            content = collection.picture(row)
        except InputError:
            continue
        same[row] = digests.setdefault(hashlib.sha256(content).digest(), len(digests))
        found = difference_hash(content)
        if found is not None:
            hashes[row], state[row] = found or 0, 2 if found else 1
        if progress and row % 256 == 0:
            progress("compare pictures", row, n)
    hashed = np.flatnonzero(state == 2)
    near = same.copy()
    near[same >= 0] = _joined(same, hashes, hashed)[same >= 0]
    return Duplicates(same, near, int((state == 0).sum()), int((state == 1).sum()))


def difference_hash(content: bytes) -> int | None:
    """Returns the hash of a picture's file; 0: it is too plain; None: it can't be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd files: they are looked at, not trained on
            with Image.open(io.BytesIO(content)) as picture:
                picture.draft("L", (64, 64))  # a JPEG is decoded at an eighth of its size
                grey = picture.convert("L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    levels = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), np.int16)
    if levels.std() < PLAIN:
        return 0
    bits = np.packbits(levels[:, :-1] < levels[:, 1:])
    return int.from_bytes(bits.tobytes(), "big")


def near_pairs(hashes: np.ndarray) -> np.ndarray:
    """Returns the places [k, 2] of pairs of hashes that differ in at most `NEAR` bits.

    Such hashes agree in one of `NEAR` + 1 bands of bits at least; those that do are compared. Of
    equal hashes the first stands for all, so that many of them cost no more.

    Args:
        hashes: uint64 [n].
    """
    distinct, first, place = np.unique(hashes, return_index=True, return_inverse=True)
    pairs = [np.stack([first[place], np.arange(len(hashes))], axis=1)]
    width = 64 // _BANDS
    for band in range(_BANDS):
        key = (distinct >> np.uint64(width * band)) & np.uint64(2**width - 1)
        order = np.argsort(key, kind="stable")
        pairs.append(first[_alike(distinct, order, key[order])])
    found = np.concatenate(pairs)
    return found[found[:, 0] != found[:, 1]]


def _alike(hashes: np.ndarray, order: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Returns pairs [k, 2] of hashes near each other, among those next to each other by key."""
    found, step = [np.zeros((0, 2), int)], 0
    together = np.arange(len(order))
    while together.size:  # of those that agree so many places on, fewer do one place further
        step += 1
        together = together[together + step < len(order)]
        together = together[keys[together] == keys[together + step]]
        one, two = order[together], order[together + step]
        near = np.bitwise_count(hashes[one] ^ hashes[two]) <= NEAR
        found.append(np.stack([one[near], two[near]], axis=1))
    return np.concatenate(found)


def _joined(same: np.ndarray, hashes: np.ndarray, hashed: np.ndarray) -> np.ndarray:
    """Returns the number of each picture's group of near ones [n]."""
    n = len(same)
    pairs = hashed[near_pairs(hashes[hashed])]
    first = _first(same)
    pairs = np.concatenate([pairs, np.stack([first, np.arange(n)], axis=1)])
    graph = sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return csgraph.connected_components(graph, directed=False)[1]


def _first(groups: np.ndarray) -> np.ndarray:
    """Returns the first row of each row's group; of those in none (−1) itself."""
    _, first, place = np.unique(groups, return_index=True, return_inverse=True)
    return np.where(groups < 0, np.arange(len(groups)), first[place])


def _several(groups: np.ndarray) -> list[np.ndarray]:
    """Returns the rows of each group of two or more, the largest first."""
    rows = np.flatnonzero(groups >= 0)
    order = rows[np.argsort(groups[rows], kind="stable")]
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []
    return sorted((x for x in parts if len(x) > 1), key=lambda x: (-len(x), x[0]))
