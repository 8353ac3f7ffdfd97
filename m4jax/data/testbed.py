"""Prepares the testbed once and opens its splits as arrays, memory-mapped.

`DIR/emoji_scenes/<world>/` is the TFDS dataset; `DIR/arrays/<world>/` holds each split decoded:
`<split>.npy` (uint8 [n, r, r, 3]), `<split>.parquet` (the columns) and, written last,
`manifest.json` with their sizes and SHA-256.
"""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m4jax import files
from m4jax.data import splits
from m4jax.data.encoded import EncodedPictures
from m4jax.data.knobs import Knobs
from m4jax.errors import InputError
from m4jax.progress import Progress


@dataclasses.dataclass(frozen=True)
class Split:
    """A split.

    Attributes:
        images: uint8 [n, r, r, 3], mapped into memory or encoded on disk.
        columns: name -> [n].
    """

    images: np.ndarray | EncodedPictures
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)


def directory(world: Knobs, data_dir: str | os.PathLike) -> Path:
    """Returns where the arrays of a world lie."""
    return Path(data_dir) / "arrays" / world.id


def is_prepared(world: Knobs, data_dir: str | os.PathLike) -> bool:
    """Tells whether `prepare` has finished for this world."""
    return (directory(world, data_dir) / "manifest.json").exists()


def prepare(world: Knobs, data_dir: str | os.PathLike, progress: Progress | None = None) -> Path:
    """Prepares a world's dataset and its arrays unless they are there; returns their directory.

    An interrupted preparation leaves nothing that counts: it starts again.
    """
    target = directory(world, data_dir)
    if is_prepared(world, data_dir):
        return target
    from m4jax.data import emoji_scenes  # here: importing TFDS takes seconds, opening needs none

    builder = emoji_scenes.builder(world, data_dir)
    emoji_scenes.prepare(builder, progress)
    with files.new_directory(target) as folder:
        for split in (splits.TRAIN, *splits.EVALUATION):
            _decode(builder, split, folder, progress)
        files.write_manifest(folder, world=dataclasses.asdict(world))
    return target


def load(
    world: Knobs, split: str, data_dir: str | os.PathLike, *, in_memory_gb: float = math.inf
) -> Split:
    """Opens a prepared split after comparing its files with the manifest.

    Args:
        world: which one.
        split: its name.
        data_dir: where it was prepared.
        in_memory_gb: gigabytes; if the decoded pictures take more, they are decoded on demand.

    Raises:
        InputError: if the split is not prepared, or a file is missing or damaged.
    """
    folder = directory(world, data_dir)
    images = f"{split}.npy"
    sizes = files.read_json(folder / files.MANIFEST)["files"]
    if images not in sizes:
        raise InputError(f"no split {split!r} in {folder}")
    encoded = sizes[images]["bytes"] > in_memory_gb * 1e9
    table = pq.read_table(files.intact(folder, f"{split}.parquet"))
    if encoded:
        from m4jax.data import emoji_scenes

        pictures = emoji_scenes.encoded(world, split, data_dir)
    else:
        pictures = np.load(files.intact(folder, images), mmap_mode="r", allow_pickle=False)
    return Split(
        images=pictures,
        columns={name: table[name].to_numpy() for name in table.column_names},
    )


def _decode(builder, split: str, folder: Path, progress: Progress | None) -> None:
    """Decodes a split of the TFDS dataset into `folder`."""
    source = builder.as_data_source(split)
    side = builder.builder_config.world.resolution
    shape, rows = (len(source), side, side, 3), []
    # Written in sequence, not through a memory map: a full disk is then an error, not a SIGBUS.
    with open(folder / f"{split}.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for i, example in enumerate(source):
            file.write(example.pop("image").tobytes())
            rows.append({name: _plain(value) for name, value in example.items()})
            if progress and i % 500 == 0:
                progress(f"decode {split}", i, len(source))
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")


def _plain(value: bytes | np.integer) -> str | int:
    return value.decode() if isinstance(value, bytes) else int(value)
