"""Features by look-up: attributes take few patterns, and eight labels of 0 or 1 are one byte.

A byte with its pattern is a word: what eight labels add to a score is a number in a table of
256 P, and sums over the examples are counts of words. One pass reads a byte or two where the
labels as numbers would be 64.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy import sparse

from m4jax.balance.constraints.features import Recipe

MOST_PATTERNS = 128  # of attributes; with more, features are made as they are
BYTE = 256
BITS = np.unpackbits(np.arange(BYTE, dtype=np.uint8)[:, None], axis=1, bitorder="little")
TABLE = BITS.astype(float)  # [256, 8]
CHUNK = 16_384  # rows at a time: a few vectors of them stay in a core's cache
GRAM_CHUNK = 1_024  # rows at a time in Gram matrices: their numbers stay in the cache
GATHER = np.uint64(0x0102_0408_1020_4080)


@dataclasses.dataclass(frozen=True, eq=False)
class Codes:
    """Sides and parts of examples by look-up.

    Attributes:
        patterns: `[P, G]` the sides that there are.
        pattern: `[p]` which of them are an example's.
        parts: `[p, R]` Y.
        words: each `[p]`, 256 · pattern + byte.
        bits: `[8 W]` the parts in the words' bytes, one after the other; −1: none.
        rest: the parts that are no bits.
        numbers: `[p, len(rest)]` these.
    """

    patterns: np.ndarray
    pattern: np.ndarray
    parts: np.ndarray
    words: tuple[np.ndarray, ...]
    bits: np.ndarray
    rest: np.ndarray
    numbers: np.ndarray

    @property
    def sides(self) -> np.ndarray:
        """S `[p, G]`."""
        return self.patterns[self.pattern]

    def chosen(self, rows: np.ndarray) -> "Codes":
        """Returns the codes of some examples."""
        words = tuple(word[rows] for word in self.words)
        found = {name: getattr(self, name)[rows] for name in ("pattern", "parts", "numbers")}
        return dataclasses.replace(self, words=words, **found)

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """Returns Σ weights · features `[p]` for weights `[G, R]`."""
        tables = self._tables(self.patterns @ weights)
        total, more = np.empty(len(self.pattern)), np.empty(min(CHUNK, len(self.pattern)))
        for rows in chunks(len(total)):
            here = total[rows]
            np.take(tables[0], self.words[0][rows], out=here, mode="clip")
            for table, word in zip(tables[1:], self.words[1:], strict=True):
                here += np.take(table, word[rows], out=more[: len(here)], mode="clip")
        if len(self.rest):
            by_side = self.numbers @ weights[:, self.rest].T
            total += np.einsum("pg,pg->p", by_side, self.sides)
        return total

    def sums(self, mass: np.ndarray) -> np.ndarray:
        """Returns Σ mass Y by pattern `[P, R]`."""
        count = len(self.patterns)
        total = np.zeros((len(self.words), count * BYTE))
        for rows in chunks(len(mass)):
            for word, counted in zip(self.words, total, strict=True):
                counted += np.bincount(word[rows], mass[rows], count * BYTE)
        bytes_ = total.reshape(-1, count, BYTE)
        result = np.zeros((count, self.parts.shape[1]))
        by_bit = (bytes_ @ TABLE).transpose(1, 0, 2).reshape(count, -1)
        used = self.bits >= 0
        result[:, self.bits[used]] = by_bit[:, used]
        for p in range(count) if len(self.rest) else ():
            result[p, self.rest] = (mass * (self.pattern == p)) @ self.numbers
        return result

    def products(self, change: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Yields patterns and Σ change y yᵀ `[R, R]` over their rows; those of 0 cost nothing."""
        chosen = np.flatnonzero(change)
        pattern = self.pattern[chosen]
        chosen = chosen[np.argsort(pattern, kind="stable")]
        ends = np.cumsum(np.bincount(pattern, minlength=len(self.patterns)))
        factor = change[chosen]
        size = np.abs(factor)
        # Sums of a few million zeros and ones are exact in single precision.
        unit = size[0] if len(size) and size.min() == size.max() and not len(self.rest) else None
        factor = factor if unit is None else np.sign(factor).astype(np.float32)
        for p, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            if begin == end:
                continue
            total = np.zeros((self.parts.shape[1],) * 2)
            for start in range(begin, end, GRAM_CHUNK):
                rows = slice(start, min(start + GRAM_CHUNK, end))
                parts = np.take(self.parts, chosen[rows], axis=0).astype(factor.dtype)
                total += parts.T @ (factor[rows, None] * parts)
            yield p, total if unit is None else unit * total

    def _tables(self, weights: np.ndarray) -> np.ndarray:
        """Returns what a word of each kind adds `[W, 256 P]`, for weights `[P, R]`."""
        used = self.bits >= 0
        by_bit = np.zeros((len(weights), len(self.bits)))
        by_bit[:, used] = weights[:, self.bits[used]]
        by_word = by_bit.reshape(len(weights), -1, 8).transpose(1, 0, 2)
        return (by_word @ TABLE.T).reshape(len(by_word), -1)


def chunks(size: int) -> Iterator[slice]:
    """Yields pieces of vectors, the same ones whatever the machine."""
    for start in range(0, size, CHUNK):
        yield slice(start, min(start + CHUNK, size))


def encode(recipe: Recipe, attributes: np.ndarray, parts: np.ndarray) -> Codes | None:
    """Returns the codes of examples, or None where attributes take more than a few patterns.

    Args:
        recipe: of the features.
        attributes: `[p, m]`, NaN where unknown.
        parts: `[p, R]` Y, dense.
    """
    found = _patterns(attributes)
    if found is None:
        return None
    first, pattern = found
    bits, rest, ones = np.arange(parts.shape[1]), np.zeros(0, int), parts
    if parts.dtype != np.uint8:
        whole = _whole(parts)
        bits, rest = np.flatnonzero(whole), np.flatnonzero(~whole)
        ones = parts[:, bits].astype(bool)
    words = tuple(_words(ones, pattern))
    bits = np.append(bits, np.full(8 * len(words) - len(bits), -1))
    sides = recipe.side_values(attributes[first])
    return Codes(sides, pattern, parts, words, bits, rest, np.ascontiguousarray(parts[:, rest]))


def _words(ones: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Returns 256 · pattern + byte `[W, p]` for bits `[p, 8 W or less]`, one to a byte."""
    count = -(-ones.shape[1] // 8)
    result = np.empty((count, len(ones)), np.uint16)
    result[:] = pattern.astype(np.uint16) << 8
    for rows in chunks(len(ones)):
        part = ones[rows]
        wide = np.zeros((len(part), 8 * count), np.uint8)
        wide[:, : part.shape[1]] = part
        # A product that brings the lowest bits of eight bytes together in the highest byte.
        packed = (wide.view("<u8") * GATHER) >> np.uint64(56)
        result[:, rows] |= packed.T.astype(np.uint16)
    return result


def _whole(parts: np.ndarray) -> np.ndarray:
    """Returns which columns are all 0 or 1; the first is, as it is all 1."""
    whole = np.ones(parts.shape[1], bool)
    for rows in chunks(len(parts)):
        whole &= (parts[rows] == parts[rows].astype(bool)).all(axis=0)
    return whole


def _patterns(attributes: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns the first example of each pattern, and of each example which one is its own."""
    bits = attributes
    if attributes.dtype.kind == "f":
        known = ~np.isnan(attributes)
        attributes = np.where(known, attributes, 0.0)
        if not np.array_equal(attributes, attributes.astype(bool)):
            return None
        bits = np.concatenate([attributes.astype(bool), known], axis=1)
    packed = np.packbits(bits, axis=1)
    if packed.shape[1] == 1:
        code = packed[:, 0]
        present = np.bincount(code, minlength=BYTE) > 0
        first = np.array([np.argmax(code == value) for value in np.flatnonzero(present)])
        pattern = (np.cumsum(present) - 1).astype(np.uint8)[code]
    else:
        sample = packed[:: max(1, len(packed) // 1000)]
        if len(np.unique(sample, axis=0)) > MOST_PATTERNS:
            return None
        keys = np.ascontiguousarray(packed).view(f"V{packed.shape[1]}").ravel()
        _, first, pattern = np.unique(keys, return_index=True, return_inverse=True)
    return (first, pattern.astype(np.uint8)) if len(first) <= MOST_PATTERNS else None


def by_pattern(codes: Codes, rows: sparse.csr_array) -> tuple[sparse.csr_array, ...]:
    """Returns L for each pattern `[J, R]`: a = L_p y for its examples."""
    entries, (count, width) = rows.tocoo(), (rows.shape[0], codes.parts.shape[1])
    row, (side, part) = entries.coords[0], np.divmod(entries.coords[1], width)
    return tuple(
        sparse.csr_array((entries.data * sides[side], (row, part)), shape=(count, width))
        for sides in codes.patterns
    )
