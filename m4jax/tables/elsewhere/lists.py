"""Lists of what is kept: open_clip's csv of files and titles, img2dataset's of addresses, rows."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.readers.collection import CAPTIONS, UID, Collection
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.tables.elsewhere.chosen import WEIGHT, Chosen

FILE, TITLE = "filepath", "title"  # open_clip's own names of the columns
URL, CAPTION = "url", "caption"  # img2dataset's
# What pandas, by which open_clip reads, takes for a missing number: the caption would be "nan".
MISSING = frozenset(
    ["#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
     "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"]
)  # fmt: skip


def write_open_clip(collection: Collection, found: Chosen, path: Path) -> int:
    """Writes a line for each caption of a kept example; returns how many.

    Tab-separated, with a head: filepath (absolute), title, uid and weight; open_clip reads the
    first two (`--train-data FILE --dataset-type csv`). Line ends and tabs in captions become
    spaces; a caption that pandas takes for a missing number ("null") gets a space behind it, which
    tokenizers drop.

    Raises:
        InputError: if the collection's pictures are no files, or no kept example has a caption.
    """
    if not (collection.has_pictures and hasattr(collection, "paths_of_pictures")):
        raise InputError(
            f"{collection.name}: open_clip's csv names files of pictures, and these are in "
            f"{collection.kind}; shards it reads as they are: --config.format=shards"
        )
    paths, written = collection.paths_of_pictures(), 0
    with files.atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, delimiter="\t", lineterminator="\n")
        writer.writerow([FILE, TITLE, UID, WEIGHT])
        for uid, texts, row in _examples(collection, found):
            for text in texts:
                writer.writerow([paths[row], _line(text), uid, repr(float(found.weights[row]))])
                written += 1
        if not written:
            raise InputError(f"{collection.name}: no kept example has a caption")
    return written


def write_addresses(collection: Collection, found: Chosen, path: Path, url: str = "") -> int:
    """Writes img2dataset's list as parquet: url, caption, uid and weight of what is kept.

    `img2dataset --url_list FILE --input_format parquet --url_col url --caption_col caption
    --save_additional_columns '["uid","weight"]'` downloads it; the uid goes on in the JSON of each
    example. Of several captions the first is taken, as img2dataset has one.

    Args:
        collection: with a column of addresses.
        found: who is kept.
        path: where to.
        url: name of the column; "": "url" or "URL".

    Returns:
        How many.

    Raises:
        InputError: if there is no such column.
    """
    names = [url] if url else [x for x in collection.columns if x.lower() == URL]
    if len(names) != 1 or names[0] not in collection.columns:
        raise InputError(
            f"{collection.name}: which column has the addresses of the pictures? Say config.url= "
            f"one of {', '.join(collection.columns) or 'its columns: it has none'}"
        )
    text, number = pa.string(), pa.float64()
    schema = pa.schema([(URL, text), (CAPTION, text), (UID, text), (WEIGHT, number)])
    start = written = 0
    with files.atomic(path) as temporary, parquet.writer(temporary, schema) as writer:
        for block in collection.blocks():
            rows = np.flatnonzero(found.kept[start : start + len(block)])
            chosen = block.take(pa.array(rows))
            captions = [next(iter(x), None) for x in chosen[CAPTIONS].to_pylist()]
            columns = [
                chosen[names[0]].cast(text),
                pa.array(captions, text),
                chosen[UID].cast(text),
                pa.array(found.weights[start + rows], number),
            ]
            writer.write_table(pa.table(columns, schema=schema))
            start, written = start + len(block), written + len(rows)
    return written


def write_rows(collection: Collection, found: Chosen, path: Path) -> int:
    """Writes the numbers of the kept rows, int64, ascending, as .npy; returns how many.

    They are rows of the files, those that can't be read among them: for `datasets.Dataset.select`,
    `torch.utils.data.Subset`, `pandas.DataFrame.iloc`.
    """
    rows = found.rows
    if hasattr(collection, "rows_of_files"):
        rows = collection.rows_of_files()[rows]
    elif collection.left_out:
        raise InputError(
            f"{collection.name}: {len(collection.left_out):,} of it can't be read, so that "
            "rows are counted differently elsewhere; choose another config.format"
        )
    with files.atomic(path) as temporary, open(temporary, "wb") as out:
        np.save(out, rows.astype(np.int64))
    return len(rows)


def _examples(collection: Collection, found: Chosen) -> Iterator[tuple[str, list[str], int]]:
    """Yields uid, captions and row of what is kept."""
    start = 0
    for block in collection.blocks():
        rows = np.flatnonzero(found.kept[start : start + len(block)])
        chosen = block.select([UID, CAPTIONS]).take(pa.array(rows))
        yield from zip(
            chosen[UID].to_pylist(), chosen[CAPTIONS].to_pylist(), (start + rows).tolist(),
            strict=True,
        )  # fmt: skip
        start += len(block)


def _line(text: str) -> str:
    text = " ".join(text.split())
    return f"{text} " if text in MISSING else text
