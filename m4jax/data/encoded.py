"""Pictures that stay encoded on disk and are decoded batch by batch, with grain."""

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from typing import Any, Protocol

import numpy as np
from absl import flags

from m4jax.data.pictures import decode, read
from m4jax.errors import InputError
from m4jax.progress import Progress

THREADS = 16  # that read and decode, in each process
BLOCK = 1024  # pictures that are decoded at once, and told of


class Records(Protocol):
    """Random access to records, as `tfds.data_source` and grain's sources of array_record give."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Mapping[str, Any]: ...


class EncodedPictures:
    """Pictures of records, decoded on demand; to training it looks like uint8 [n, r, r, 3].

    How a file becomes a picture of r × r pixels: `pictures.read`.

    Args:
        records: each with the bytes of a picture's file in `field`; made, for a TFDS dataset, by
            `builder.as_data_source(split, decoders={field: tfds.decode.SkipDecoding()})`.
        resolution: r, in pixels.
        field: of a record.
        rows: the n records that count, in their order; None: all.
        scaling: how pictures become squares, arguments of `pictures.read` by name; None: its own.
    """

    def __init__(
        self,
        records: Records,
        *,
        resolution: int,
        field: str = "image",
        rows: np.ndarray | None = None,
        scaling: Mapping[str, Any] | None = None,
    ):
        self._scaling = dict(scaling or {})
        self._records, self._side, self._field = records, resolution, field
        self._rows = np.arange(len(records)) if rows is None else np.asarray(rows)
        self.shape = (len(self._rows), resolution, resolution, 3)
        self.dtype, self.ndim = np.dtype(np.uint8), 4

    def scaled(self, scaling: Mapping[str, Any]) -> "EncodedPictures":
        """Returns the same pictures, made squares otherwise; see `scaling` of the class."""
        same = {"resolution": self._side, "field": self._field, "rows": self._rows}
        return EncodedPictures(self._records, **same, scaling=scaling)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Returns the pictures of a slice or of indices, decoded."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        return self.decode(rows)

    def decode(self, rows: np.ndarray) -> np.ndarray:
        """Returns the pictures `rows` [B] as uint8 [B, r, r, 3].

        Raises:
            InputError: naming the record of a picture that can't be read.
        """
        pictures = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for picture, record in zip(pictures, self._rows[rows], strict=True):
            try:
                content = self._records[int(record)][self._field]
                picture[:] = read(content, self._side, **self._scaling)
            except InputError as error:
                raise InputError(f"picture {record}: {error}") from None
        return pictures


def unreadable(
    records: Records,
    *,
    field: str = "image",
    skip: int = 0,
    what: str = "the pictures",
    check: Callable[[Mapping[str, Any]], Any] | None = None,
    progress: Progress | None = None,
) -> dict[int, str]:
    """Returns record ↦ reason of the pictures that can't be read, all being decoded once.

    Args:
        records: see `EncodedPictures`.
        field: of a record.
        skip: how many of them there may be.
        what: how to call them in an error.
        check: raises an `InputError` for a record that can't be read for another reason.
        progress: told of every `BLOCK` pictures.

    Raises:
        InputError: if there are more than `skip`, with their records and reasons.
    """

    def read_one(row: int) -> None:
        record = records[row]
        decode(record[field])
        if check:
            check(record)

    return _failures(read_one, len(records), skip, what, progress)


def read_all(
    records: Records,
    *,
    resolution: int,
    field: str = "image",
    skip: int = 0,
    what: str,
    check: Callable[[Mapping[str, Any]], Any] | None = None,
    scaling: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the records [n] whose pictures can be read, and these, uint8 [n, r, r, 3].

    Args, Raises: see `unreadable` and `EncodedPictures`.
    """
    pictures = np.empty((len(records), resolution, resolution, 3), np.uint8)

    def fill(row: int) -> None:
        record = records[row]
        pictures[row] = read(record[field], resolution, **(scaling or {}))
        if check:
            check(record)

    failures = _failures(fill, len(records), skip, what, None)
    kept = np.setdiff1d(np.arange(len(records)), list(failures))
    return kept, pictures[kept] if failures else pictures


def _failures(
    act: Callable[[int], None], number: int, skip: int, what: str, progress: Progress | None
) -> dict[int, str]:
    """Returns record ↦ message of each `InputError` that `act` raises, in threads."""

    def message(record: int) -> str:
        try:
            act(record)
        except InputError as error:
            return str(error)
        return ""

    found: dict[int, str] = {}
    with futures.ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, number, BLOCK):
            block = range(start, min(start + BLOCK, number))
            messages = zip(block, threads.map(message, block), strict=True)
            found |= {record: told for record, told in messages if told}
            if progress:
                progress("checked pictures", block.stop, number)
            if len(found) > skip:
                raise InputError(_too_many(found, skip, what, block.stop))
    return found


def _too_many(found: Mapping[int, str], skip: int, what: str, seen: int) -> str:
    examples = "; ".join(f"{record}: {told}" for record, told in list(found.items())[:5])
    more = f" and {len(found) - 5:,} more" if len(found) > 5 else ""
    return (
        f"{what}: {len(found):,} of the first {seen:,} can't be read, and {skip:,} may be left out "
        f"(skip); by their records, {examples}{more}"
    )


def decoded(
    pictures: EncodedPictures,
    rows_of_step: Callable[[int], np.ndarray],
    *,
    start: int,
    stop: int,
    workers: int,
) -> Iterator[np.ndarray]:
    """Yields the pictures of steps `start` to `stop` − 1, decoded ahead of time.

    Which pictures make up a step is a function of the step alone, so that the number of workers
    changes nothing but the speed, and any step can be the first one.

    Args:
        pictures: on disk.
        rows_of_step: maps a step to its rows [B]; with workers, a function that can be pickled.
        start: first step.
        stop: the step after the last one.
        workers: processes that decode; 0: threads of this one.
    """
    import grain.python as grain  # which loads JAX: not before pictures are decoded

    steps = grain.MapDataset.range(start, stop)
    read = functools.partial(_decode_step, pictures, rows_of_step)
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=THREADS)
    batches = steps.map(read).to_iter_dataset(options)
    if workers:
        if not flags.FLAGS.is_parsed():  # grain's workers ask for it
            flags.FLAGS.mark_as_parsed()
        batches = batches.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers))
    yield from batches


def _decode_step(
    pictures: EncodedPictures, rows_of_step: Callable[[int], np.ndarray], step: int
) -> np.ndarray:
    return pictures.decode(rows_of_step(step))
