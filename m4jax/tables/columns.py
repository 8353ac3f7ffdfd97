"""Which columns of a table mean what."""

import dataclasses

from m4jax.errors import InputError

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
UNSIGNED = ("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
BROKEN = ("FLOAT", "DOUBLE")
NUMBERS = ("BOOLEAN", *WHOLE, *UNSIGNED, *BROKEN)


@dataclasses.dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what.

    Attributes:
        uid: text or whole numbers, unique to each example.
        attributes: names of columns with 0 or 1 (bool, int, float), or soft in [0, 1]; NULL and NaN
            stand for unknown.
        labels: the same, but never unknown.
        packed: "" or the one column of unsigned whole numbers whose bit j is the j-th of the
            attributes and labels, attributes first; these are then only names.
        counts: "" or the column that says how often each row counts. Fractions are read to nine
            decimal places, so that a sum doesn't depend on the order of the rows.
        utility: "" or the column with the utility u > 0.
        utility_levels: 0: rows share a pattern only if their utilities are equal; else the number
            of geometric levels to an octave into which utilities are put, the mean of each cell
            kept.
        numbers: names of further columns of finite numbers, tokens say; part of the pattern.

    Raises:
        InputError: if a name is missing or comes twice.
    """

    uid: str
    attributes: tuple[str, ...]
    labels: tuple[str, ...]
    packed: str = ""
    counts: str = ""
    utility: str = ""
    utility_levels: int = 0
    numbers: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.uid or not self.attributes:
            raise InputError("columns: expected a name for uid and at least one attribute")
        names = [*self.attributes, *self.labels]
        every = [*names, *self.numbers]
        twice = [name for name in every if every.count(name) > 1]
        if twice:
            raise InputError(f"columns: {twice[0]!r} comes twice among attributes, labels, columns")
        if self.utility_levels < 0:
            raise InputError(f"utility_levels: expected at least 0, got {self.utility_levels}")
        if self.packed and len(names) > 64:
            raise InputError(f"packed: a column has 64 bits at most, and {len(names)} are named")

    def roles(self) -> dict[str, str]:
        """Returns role -> column, for every column that is read: what queries call them.

        `uid`; `a0`, … (attributes) and `y0`, … (labels), or `bits` (packed); `x0`, … (numbers);
        `times` (counts) and `utility`.
        """
        values = {f"a{i}": name for i, name in enumerate(self.attributes)}
        values |= {f"y{i}": name for i, name in enumerate(self.labels)}
        values = {"bits": self.packed} if self.packed else values
        values |= {f"x{i}": name for i, name in enumerate(self.numbers)}
        numbers = {"times": self.counts, "utility": self.utility}
        return {"uid": self.uid} | values | {role: name for role, name in numbers.items() if name}

    def read(self) -> dict[str, tuple[str, ...]]:
        """Returns column -> the types it may have, for every column that is read."""
        bits = {self.packed: UNSIGNED} if self.packed else {}
        values = {} if self.packed else dict.fromkeys((*self.attributes, *self.labels), NUMBERS)
        values |= dict.fromkeys(self.numbers, NUMBERS)
        numbers = {name: NUMBERS[1:] for name in (self.counts, self.utility) if name}
        return {self.uid: ("VARCHAR", *WHOLE, *UNSIGNED)} | bits | values | numbers
