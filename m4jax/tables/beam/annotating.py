"""Annotating captions by many workers: files of captions in, a table in many files out.

A parquet file is read by several workers, each some of its row groups; any other file by one.
"""

import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam

from m4jax.data import captions
from m4jax.data.annotation import tables as annotation
from m4jax.data.annotation.tables import AnnotateConfig, Found
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.tables.beam import pipelines, storage

ROWS = 200_000  # of a part of a parquet file, unless a row group is larger
NAME = "examples"

Record = pipelines.Record


class Part(NamedTuple):
    """Some of the captions.

    Attributes:
        index: the place among all parts.
        path: of the file.
        prefix: what makes its rows' numbers unique.
        first: the number of the first row.
        groups: first row group, and the one after the last; None: all of the file.
    """

    index: int
    path: str
    prefix: str
    first: int = 0
    groups: tuple[int, int] | None = None


def annotate(
    config: AnnotateConfig, folder: str, options: Sequence[str] = ()
) -> tuple[Found, list[Record]]:
    """Writes `examples-00000-of-…` to a folder; returns what was found, and what each file holds.

    The rows are those of `annotation.tables.annotate_files`, in the same order.

    Raises:
        InputError: as that one does.
    """
    options = options or config.beam_options or pipelines.local_options(processes=True)
    scratch = storage.join(folder, "beam")
    parts = _parts(config, options, scratch)
    storage.remove(storage.matching(folder, f"{NAME}-*-of-*.parquet"))

    def build(pipeline: beam.Pipeline) -> beam.PCollection:
        texts = pipelines.spread(pipeline, map(json.dumps, parts))
        return texts | "Annotate" >> beam.Map(annotate_part, config, folder, len(parts))

    records, found = pipelines.run(options, scratch, build), Found()
    for record in records:
        found.merge(record.pop("found"))
    annotation.check_any(config, found)
    return found, [{name: x[name] for name in ("name", "rows", "sha256")} for x in records]


def _parts(config: AnnotateConfig, options: Sequence[str], scratch: str) -> list[Part]:
    """Returns the parts of all files, in their order."""
    remote = [pattern for pattern in config.files if storage.is_remote(pattern)]
    local = [pattern for pattern in config.files if not storage.is_remote(pattern)]
    paths = annotation.matching(local) + (storage.find(remote) if remote else [])
    prefixes = annotation.prefixes(paths)
    several = [path for path in paths if path.lower().endswith(".parquet")]
    groups: dict[str, list[int]] = {}
    if several:

        def build(pipeline: beam.Pipeline) -> beam.PCollection:
            return pipelines.spread(pipeline, several) | "Look" >> beam.Map(_look)

        records = pipelines.run(options, scratch, build, "path")
        groups = {record["path"]: record["groups"] for record in records}
    found: list[Part] = []
    for path, prefix in zip(paths, prefixes, strict=True):
        if path not in groups:
            found.append(Part(len(found), path, prefix))
            continue
        for start, end, first in _runs(groups[path]):
            found.append(Part(len(found), path, prefix, first, (start, end)))
    return found


def _runs(groups: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yields runs of row groups: the first, the one after the last, the number of the first row."""
    start, size, before = 0, 0, [0, *itertools.accumulate(groups)]
    for number, rows in enumerate(groups):
        if number > start and size + rows > ROWS:
            yield start, number, before[start]
            start, size = number, 0
        size += rows
    yield start, len(groups), before[start]


def _look(path: str) -> str:
    try:
        with storage.open_file(path) as file:
            facts: Record = {"groups": parquet.groups(file)[1]}
    except InputError as error:
        facts = {pipelines.FAULT: str(error)}
    return json.dumps({"path": path} | facts)


def annotate_part(text: str, config: AnnotateConfig, folder: str, parts: int) -> str:
    """Writes the table of a part, and tells what was found."""
    part, found = Part(*json.loads(text)), Found()
    name = f"{NAME}-{part.index:05d}-of-{parts:05d}.parquet"
    with tempfile.TemporaryDirectory() as scratch:
        local = Path(scratch) / "table.parquet"
        try:
            rows = _rows(part, config, Path(scratch))
            blocks = annotation.blocks_of(
                config, rows, part.path, part.prefix, found, start=part.first
            )
            annotation.write_blocks(config, blocks, local, found)
        except InputError as error:
            told = str(error).replace(f"{scratch}/captions/{Path(part.path).name}", part.path)
            return json.dumps({"piece": part.index, pipelines.FAULT: told})
        facts = {"name": name, "rows": found.captions, "found": found.facts()}
        facts["sha256"] = storage.put(local, storage.join(folder, name))
    return json.dumps({"piece": part.index} | facts)


def _rows(part: Part, config: AnnotateConfig, scratch: Path) -> Iterator[tuple[str, Any]]:
    """Yields uid and caption of each row."""
    names = {"caption": config.caption, "uid": config.uid}
    if part.groups is not None:
        with storage.open_file(part.path) as file:
            groups = range(*part.groups)
            yield from captions.read_groups(file, part.path, list(groups), part.first, **names)
        return
    local = Path(part.path)
    if storage.is_remote(part.path):
        local = storage.fetch(part.path, scratch / "captions" / local.name)
    yield from captions.read(local, **names)
