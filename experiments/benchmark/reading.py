"""Jobs: reading the same material with m4jax's readers and with the libraries of its formats."""

import csv
import io
import itertools
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from m4jax import files
from m4jax.data import pictures, readers
from m4jax.files import parquet

SIDES = ("ours", "webdataset", "datasets")
FORMS = {  # -> what else reads it
    "shards": ("webdataset", "datasets"),
    "parquet": ("datasets",),
    "saved": ("datasets",),  # by `save_to_disk`
    "folder": ("datasets",),  # an imagefolder, with metadata.csv
    "captions": ("datasets",),  # csv
}
_MADE = "made.json"
_ROWS = 1 << 12
Example = tuple[str, bytes]  # caption and picture


def material(folder: str, examples: int, side: int, shard: int) -> dict[str, Any]:
    """Makes pictures with captions in all forms, unless that is done.

    Args:
        folder: where.
        examples: n.
        side: of the pictures, in pixels.
        shard: examples of a tar file or a row group.
    """
    base, facts = Path(folder), {"examples": examples, "side": side, "shard": shard}
    if (base / _MADE).exists() and files.read_json(base / _MADE) == facts:
        return facts
    rng = np.random.default_rng(0)
    kept = [_jpeg(rng, side) for _ in range(min(examples, 512))]
    pairs = [(f"a man and a woman, number {i}", kept[i % len(kept)]) for i in range(examples)]
    for name in ("shards", "saved", "folder", "captions"):
        (base / name).mkdir(parents=True, exist_ok=True)
    for start in range(0, examples, shard):
        part = pairs[start : start + shard]
        with open(base / "shards" / f"{start // shard:05d}.tar", "wb") as file:
            file.writelines(_members(part, start))
    table = pa.table({
        "image": pa.array([{"bytes": x, "path": None} for _, x in pairs], _STRUCT),
        "caption": [caption for caption, _ in pairs],
    }).replace_schema_metadata({"huggingface": json.dumps(_INFO)})  # fmt: skip
    parquet.write(table, base / "pairs.parquet", row_group_size=shard)
    with pa.OSFile(str(base / "saved/data-00000-of-00001.arrow"), "wb") as file:  # noqa: SIM117
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=shard)
    files.write_json(base / "saved/dataset_info.json", {"features": _FEATURES})
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    files.write_json(base / "saved/state.json", state | _STATE)
    for name in ("folder/metadata.csv", "captions/captions.csv"):
        with open(base / name, "w", newline="", encoding="utf-8") as file:
            rows = ((f"{i:08d}.jpg", caption) for i, (caption, _) in enumerate(pairs))
            csv.writer(file).writerows([("file_name", "caption"), *rows])
    for i, (_, content) in enumerate(pairs):
        (base / f"folder/{i:08d}.jpg").write_bytes(content)
    files.write_json(base / _MADE, facts)
    return facts


_STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_FEATURES = {"image": {"_type": "Image"}, "caption": {"dtype": "string", "_type": "Value"}}
_INFO = {"info": {"features": _FEATURES}}
_STATE = {
    "_fingerprint": "0", "_format_columns": None, "_format_kwargs": {}, "_format_type": None,
    "_output_all_columns": False, "_split": None,
}  # fmt: skip


def _jpeg(rng: np.random.Generator, side: int) -> bytes:
    """Returns a picture as smooth as photographs are, which compresses like one."""
    coarse = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(content, "JPEG")
    return content.getvalue()


def _members(pairs: list[Example], first: int) -> Iterator[bytes]:
    for number, (caption, picture) in enumerate(pairs, first):
        for suffix, content in (("jpg", picture), ("txt", caption.encode())):
            info = tarfile.TarInfo(f"{number:08d}.{suffix}")
            info.size = len(content)
            yield info.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def read_collection(
    base: str, form: str, side: str, decode: bool, passes: int, repeat: int = 0
) -> dict[str, Any]:
    """Goes over all examples several times: captions, and bytes or decoded pictures.

    Args:
        base: the folder of the material.
        form: of `FORMS`.
        side: who reads, of `SIDES`.
        decode: whether pictures are decoded, by the same function on all sides.
        passes: how often; the fastest counts, and apart from it the first with opening.
        repeat: tells one round from another.
    """
    del repeat
    start = time.perf_counter()
    iterate = _opened(Path(base), form, side)
    opening, spent, count = time.perf_counter() - start, [], 0
    for _ in range(passes):
        start, count = time.perf_counter(), 0
        for _, content in iterate():
            if decode and content:
                pictures.decode(content)
            count += 1
        spent.append(time.perf_counter() - start)
    return {
        "examples": count,
        "examples_per_second": count / min(spent),
        "with_opening": count / (opening + spent[0]),
        "opening_seconds": opening,
    }


def read_at_random(base: str, form: str, side: str, number: int, repeat: int = 0) -> dict[str, Any]:
    """Reaches pictures in any order: their bytes, by the number of the example.

    Args:
        base: the folder of the material.
        form: of `FORMS`.
        side: "ours" or "datasets".
        number: of pictures that are asked for.
        repeat: tells one round from another.
    """
    del repeat
    if side == "ours":
        collection = readers.open_collection(Path(base) / form)
        size, one = len(collection), collection.picture
    else:
        dataset = _undecoded(_library("datasets").load_from_disk(str(Path(base) / form)))
        size = len(dataset)

        def one(row: int) -> bytes:
            return dataset[row]["image"]["bytes"]

    rows = np.random.default_rng(0).integers(size, size=number).tolist()
    start = time.perf_counter()
    total = sum(len(one(row)) for row in rows)
    return {"pictures_per_second": number / (time.perf_counter() - start), "bytes": total}


def _opened(base: Path, form: str, side: str) -> Callable[[], Iterator[Example]]:
    """Returns what goes over the examples once, each time it is called."""
    path = str(
        base / {"parquet": "pairs.parquet", "captions": "captions/captions.csv"}.get(form, form)
    )
    if side == "ours":
        return _ours(readers.open_collection(path))
    if side == "webdataset":
        last = len(list(Path(path).glob("*.tar"))) - 1
        shards = _library("webdataset").WebDataset(
            f"{path}/{{00000..{last:05d}}}.tar", shardshuffle=False
        )
        return lambda: ((one["txt"].decode(), one["jpg"]) for one in shards)
    library = _library("datasets")
    if form == "saved":
        dataset = library.load_from_disk(path)
    else:
        kinds = {"shards": "webdataset", "folder": "imagefolder", "captions": "csv"}
        where = {"data_dir": path} if form == "folder" else {"data_files": path}
        if form == "shards":
            where = {"data_files": sorted(map(str, Path(path).glob("*.tar")))}
        kind = kinds.get(form, form)
        dataset = library.load_dataset(kind, split="train", streaming=True, **where)
    if form == "captions":
        return lambda: ((one["caption"], b"") for one in dataset)
    text, picture = ("txt", "jpg") if form == "shards" else ("caption", "image")
    dataset = _undecoded(dataset, picture)
    return lambda: ((one[text], _bytes(one[picture])) for one in dataset)


def _ours(collection: readers.Collection) -> Callable[[], Iterator[Example]]:
    def iterate() -> Iterator[Example]:
        row = 0
        for block in collection.blocks(_ROWS):
            for captions in block["captions"].to_pylist():
                picture = collection.picture(row) if collection.has_pictures else b""
                yield captions[0], picture
                row += 1

    return iterate


def _undecoded(dataset: Any, column: str = "image") -> Any:
    return dataset.cast_column(column, _library("datasets").Image(decode=False))


def _bytes(picture: dict[str, Any]) -> bytes:
    return picture["bytes"] or Path(picture["path"]).read_bytes()


def _library(name: str) -> Any:
    """Imports a library that is measured beside ours."""
    import importlib

    return importlib.import_module(name)


def tiny_shards(folder: str, pairs: int, shard: int) -> dict[str, Any]:
    """Makes shards of so many tiny pictures with captions, two kilobytes a pair."""
    base = Path(folder)
    base.mkdir(parents=True, exist_ok=True)
    picture = _jpeg(np.random.default_rng(0), 1)[:400]
    for number in range(-(-pairs // shard)):
        path = base / f"{number:05d}.tar"
        if not path.exists():
            first = number * shard
            part = [(f"a man, number {first + i}", picture) for i in range(shard)]
            with files.atomic(path) as temporary, open(temporary, "wb") as file:
                file.writelines(_members(part, first))
    return {"pairs": pairs}


def go_over(base: str, shards: int, side: str) -> dict[str, Any]:
    """Goes over all pairs of some tiny shards: captions and bytes of pictures; see `peak_bytes`."""
    start = time.perf_counter()
    pattern = f"{base}/{{00000..{shards - 1:05d}}}.tar"
    if side == "ours":
        iterate = _ours(readers.open_collection(pattern))
    else:
        dataset = _library("webdataset").WebDataset(pattern, shardshuffle=False)
        iterate = lambda: ((one["txt"].decode(), one["jpg"]) for one in dataset)  # noqa: E731
    opened = time.perf_counter() - start
    count = sum(1 for _ in itertools.chain(iterate()))
    seconds = time.perf_counter() - start
    return {"pairs": count, "seconds": seconds, "opening_seconds": opened}
