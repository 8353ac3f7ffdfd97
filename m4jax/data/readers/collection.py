"""What every reader gives: examples with a uid, captions and further fields, perhaps a picture."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol, runtime_checkable

import pyarrow as pa

from m4jax.errors import InputError

UID, CAPTIONS = "uid", "captions"  # columns of every block


class NoSplitError(InputError):
    """A split was asked for of what has none at all."""


@runtime_checkable
class Collection(Protocol):
    """Examples as somebody keeps them; row i of every block and picture is example i.

    Attributes:
        kind: of the reader, "folder" say.
        name: how to call it in an error: its path.
        columns: names of the fields beside uid, captions and picture, in their order.
        has_pictures: whether `picture` gives any.
        random_access: whether pictures can be asked for in any order at the same cost; of parquet
            they come row group by row group.
        left_out: what of it can't be read -> why; such members are no examples.
        identity: a hash of the contents that examples follow from; paths do not count.
    """

    kind: ClassVar[str]
    name: str
    columns: tuple[str, ...]
    has_pictures: bool
    random_access: bool
    left_out: Mapping[str, str]
    identity: str

    def __len__(self) -> int:
        """Returns the number of examples."""

    def blocks(self, rows: int = 1 << 14) -> Iterator[pa.Table]:
        """Yields all examples in order, without pictures, at most `rows` at a time.

        The columns are uid (string), captions (a list of strings, empty where there is none that is
        text) and those of `columns`, as they stand there.
        """

    def picture(self, row: int) -> bytes:
        """Returns the bytes of the picture's file.

        Raises:
            InputError: if it can't be read, with its name.
        """
