"""Pictures that stay encoded on disk and are decoded batch by batch, with grain."""

import functools
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import grain.python as grain
import numpy as np
from absl import flags
from PIL import Image, UnidentifiedImageError

from m4jax.errors import InputError

THREADS = 16  # that read and decode, in each process


class Records(Protocol):
    """Random access to records, as `tfds.data_source` and grain's sources of array_record give."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Mapping[str, Any]: ...


class EncodedPictures:
    """Pictures of records, decoded on demand; to training it looks like uint8 [n, r, r, 3].

    A picture of another size is scaled (bicubic) so that its shorter side has `resolution` pixels,
    and cut to the square in its middle.

    Args:
        records: each with the bytes of a PNG or JPEG file in `field`; made, for a TFDS dataset, by
            `builder.as_data_source(split, decoders={field: tfds.decode.SkipDecoding()})`.
        resolution: r, in pixels.
        field: of a record.
    """

    def __init__(self, records: Records, *, resolution: int, field: str = "image"):
        self._records, self._side, self._field = records, resolution, field
        self.shape = (len(records), resolution, resolution, 3)
        self.dtype, self.ndim = np.dtype(np.uint8), 4

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
            InputError: naming the row of a picture that can't be read.
        """
        pictures = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for picture, row in zip(pictures, rows, strict=True):
            content = self._records[int(row)][self._field]
            try:
                with Image.open(io.BytesIO(content)) as image:
                    picture[:] = self._fit(image.convert("RGB"))
            except (UnidentifiedImageError, OSError) as error:
                raise InputError(f"picture {row}: not a readable image ({error})") from None
        return pictures

    def _fit(self, image: Image.Image) -> Image.Image:
        side, shorter = self._side, min(image.size)
        if image.size == (side, side):
            return image
        width, height = (round(x * side / shorter) for x in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - side) // 2, (height - side) // 2
        return image.crop((left, top, left + side, top + side))


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
