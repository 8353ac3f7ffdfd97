"""The same pictures with captions in every form in which people keep them."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from PIL import Image

from m4jax.files import parquet


class Example(NamedTuple):
    key: str
    picture: bytes
    captions: list[str]
    fields: dict


def examples(number=40, seed=0, several=False):
    """Returns small pictures with a caption, or one to three, of men and women at work."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(number):
        content = io.BytesIO()
        noise = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).save(content, "PNG")
        person, job = ("man", "woman")[i % 2], ("nurse", "chef", "farmer")[i % 3]
        said = [f"a {person} who is a {job}", f"a {job}, café №{i}", "somebody at work"]
        count = 1 + i % 3 if several else 1
        fields = {"number": i, "share": i / 4, "job": job}
        found.append(Example(f"p{i:03d}", content.getvalue(), said[:count], fields))
    return found


def write_folder(folder, found, suffix="png"):
    """Writes pictures with .txt and .json beside."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for one in found:
        path = Path(folder, one.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{path}.{suffix}").write_bytes(one.picture)
        Path(f"{path}.txt").write_text(f"{one.captions[0]}\n", encoding="utf-8")
        Path(f"{path}.json").write_text(json.dumps(one.fields), encoding="utf-8")
    return str(folder)


def write_table(folder, found, kind="csv"):
    """Writes pictures and a table with a row for each caption."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    rows = [
        {"image": f"{one.key}.png", "caption": text} | one.fields
        for one in found
        for text in one.captions
    ]
    for one in found:
        Path(folder, f"{one.key}.png").write_bytes(one.picture)
    path = Path(folder, f"captions.{kind}")
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def members(one, suffix="png"):
    """Returns the members of an example in a shard, by their suffixes."""
    fields = json.dumps(one.fields).encode()
    return {suffix: one.picture, "txt": one.captions[0].encode(), "json": fields}


def write_tar(path, entries, format=tarfile.GNU_FORMAT):
    """Writes a tar file of names and contents."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format) as archive:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return str(path)


def write_shards(folder, found, size=15, **options):
    """Writes shards of so many examples; returns the pattern that stands for them."""
    for start in range(0, len(found), size):
        entries = [
            (f"{one.key}.{suffix}", content)
            for one in found[start : start + size]
            for suffix, content in members(one).items()
        ]
        write_tar(Path(folder, f"{start // size:05d}.tar"), entries, **options)
    return f"{folder}/{{00000..{(len(found) - 1) // size:05d}}}.tar"


def write_parquet(path, found, picture="bytes", **options):
    """Writes a parquet file; pictures as bytes, as Hugging Face's struct, or as paths."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    kept = [one.picture for one in found]
    if picture == "struct":
        kept = [{"bytes": x, "path": f"{one.key}.png"} for x, one in zip(kept, found, strict=True)]
    if picture == "paths":
        for one in found:
            Path(path).with_name(f"{one.key}.png").write_bytes(one.picture)
        kept = [f"{one.key}.png" for one in found]
    captions = [one.captions for one in found]
    columns = {"image": kept, "caption": captions}
    columns |= {name: [one.fields[name] for one in found] for name in found[0].fields}
    parquet.write(pa.table(columns), path, **options)
    return str(path)


def write_coco(folder, found):
    """Writes COCO's JSON beside a folder of its pictures."""
    pictures = Path(folder, "pictures")
    pictures.mkdir(parents=True)
    images, annotations = [], []
    for number, one in enumerate(found):
        (pictures / f"{one.key}.png").write_bytes(one.picture)
        images.append({"id": 7 * number, "file_name": f"{one.key}.png"} | one.fields)
        annotations += [{"image_id": 7 * number, "caption": text} for text in one.captions]
    content = {"images": images, "annotations": annotations[::-1]}
    content["annotations"].sort(key=lambda x: x["image_id"] % 5)
    content["annotations"].reverse()
    path = Path(folder, "annotations.json")
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def read(collection, rows=16):
    """Returns the table of a collection."""
    return pa.concat_tables(list(collection.blocks(rows)))
