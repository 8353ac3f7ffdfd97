"""One use of weights elsewhere: read, join, write, and what to say to the other code."""

import dataclasses
from pathlib import Path

from m4jax import files
from m4jax.data import readers
from m4jax.data.readers.collection import Collection
from m4jax.errors import InputError
from m4jax.progress import Progress
from m4jax.tables.elsewhere import arrow, chosen, lists, shards
from m4jax.tables.elsewhere.chosen import Chosen, Coverage
from m4jax.tables.elsewhere.config import (
    ADDRESSES,
    DATASETS,
    OPEN_CLIP,
    PARQUET,
    ROWS,
    SHARDS,
    UseConfig,
)

NOTE = "selection.json"  # what was selected, from what, by what
NAMES = {
    OPEN_CLIP: "open_clip.csv",
    ADDRESSES: "img2dataset.parquet",
    DATASETS: "dataset",
    PARQUET: "parquet",
    ROWS: "rows.npy",
}
_ADDRESSES = (
    "--input_format parquet --url_col url --caption_col caption --save_additional_columns "
    """'["uid","weight"]' --output_format webdataset"""
)


@dataclasses.dataclass(frozen=True)
class Used:
    """What was written.

    Attributes:
        format: one of `config.FORMATS`.
        coverage: how weights and examples fit.
        path: of what was written.
        written: number of examples, or of lines for `open_clip`.
        hint: what to say to the other code.
    """

    format: str
    coverage: Coverage
    path: Path
    written: int
    hint: str


def use(config: UseConfig, folder: Path, progress: Progress | None = None) -> Used:
    """Writes what is kept of the data in the form that is asked for.

    Args:
        config: which weights, which data, which form.
        folder: where to; `selection.json` there says at last what was done.
        progress: told of each step.

    Raises:
        InputError: if data and weights don't fit each other, or the data have no such form.
    """
    collection = readers.open_collection(
        config.data,
        image=config.image,
        caption=config.caption,
        uid=config.uid,
        split=config.split,
    )
    weights = chosen.read(config.weights)
    found = chosen.choose(weights, collection, seed=config.seed, leave_out=config.leave_out)
    kind = config.format or _fitting(collection, config)
    (folder / NOTE).unlink(missing_ok=True)
    path, written, hint = _write(kind, collection, found, folder, config, progress)
    facts = {"format": kind, "written": written, "seed": config.seed, "weights": config.weights}
    coverage = dataclasses.asdict(found.coverage)
    left_out = len(collection.left_out)
    files.write_sealed(
        folder / NOTE,
        facts | {"data": collection.identity, "coverage": coverage, "unreadable": left_out},
    )
    return Used(kind, found.coverage, path, written, hint)


def _fitting(collection: Collection, config: UseConfig) -> str:
    """Returns the form that is nearest to what the data are."""
    if config.url:
        return ADDRESSES
    if hasattr(collection, "by_shard"):
        return SHARDS
    if collection.has_pictures and hasattr(collection, "paths_of_pictures"):
        return OPEN_CLIP
    paths = getattr(collection, "paths", ())
    for suffix, kind in ((".arrow", DATASETS), (".parquet", PARQUET)):
        if paths and all(path.endswith(suffix) for path in paths):
            return kind
    return ROWS


def _write(
    kind: str,
    collection: Collection,
    found: Chosen,
    folder: Path,
    config: UseConfig,
    progress: Progress | None,
) -> tuple[Path, int, str]:
    """Returns path, number written, and the hint."""
    if kind == SHARDS:
        if not hasattr(collection, "by_shard"):
            raise InputError(f"{collection.name}: expected tar shards, got {collection.kind}")
        sizes = shards.rewrite(collection, found, folder, progress)
        written = sum(sizes.values())
        return (
            folder,
            written,
            (
                f"--train-data '{folder}/{shards.pattern(list(sizes))}' --dataset-type webdataset "
                f"--train-num-samples {written}"
            ),
        )
    path = folder / NAMES[kind]
    if kind == OPEN_CLIP:
        written = lists.write_open_clip(collection, found, path)
        return path, written, f"--train-data {path} --dataset-type csv"
    if kind == ADDRESSES:
        written = lists.write_addresses(collection, found, path, config.url)
        return path, written, f"img2dataset --url_list {path} {_ADDRESSES}"
    if kind == DATASETS:
        written = arrow.write_dataset(collection, found, path)
        return path, written, f"datasets.load_from_disk({str(path)!r})"
    if kind == PARQUET:
        written, every = arrow.write_parquet(collection, found, path), str(path / "*.parquet")
        return path, written, f'datasets.load_dataset("parquet", data_files={every!r})'
    return (
        path,
        lists.write_rows(collection, found, path),
        f"dataset.select(numpy.load({str(path)!r}))",
    )
