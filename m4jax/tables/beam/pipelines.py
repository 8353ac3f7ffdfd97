"""Running pipelines: each tells what it did in records of JSON, faults among them.

What a user can mend is told by a record, not raised: a runner would try again, and end in a page of
its own.
"""

import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from m4jax import limits
from m4jax.errors import InputError
from m4jax.tables.beam import storage

# Without unsafe triggers allowed (there are none), Beam would first look for another runner, Prism,
# on the net.
LOCAL = ("--runner=DirectRunner", "--allow_unsafe_triggers")
QUIET = ("--default_sdk_harness_log_level=ERROR",)
FAULT, TOLD = "fault", "told"

Record = dict[str, Any]


def local_options(workers: int = 0, *, processes: bool = False) -> tuple[str, ...]:
    """Returns the options for this machine.

    Args:
        workers: 0: one a core.
        processes: one for each worker, which costs their start: where the work is Python's. DuckDB
            and Arrow leave threads the room.
    """
    workers = workers or limits.cores()
    mode = "multi_processing" if processes else "multi_threading"
    mode = mode if workers > 1 else "in_memory"
    return (*LOCAL, *QUIET, f"--direct_num_workers={workers}", f"--direct_running_mode={mode}")


def run(
    options: Sequence[str],
    folder: str,
    build: Callable[[beam.Pipeline], beam.PCollection],
    key: str = "piece",
) -> list[Record]:
    """Runs a pipeline and returns the records that it tells, in the order of their `key`.

    Args:
        options: of Beam.
        folder: where workers write.
        build: adds the steps, and returns the collection of records as JSON text.
        key: of the records.

    Raises:
        InputError: if the options can't be used, or for the first record that tells a fault.
    """
    path = storage.join(folder, "told.jsonl")
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    logging.getLogger("apache_beam.options").setLevel(logging.WARNING)  # flags that nobody knows
    try:
        made = beam.Pipeline(options=PipelineOptions(list(options)))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"config.beam_options: {reason}") from None
    with made as pipeline:
        told = build(pipeline) | "Gather" >> beam.combiners.ToList()
        told | "Tell" >> beam.Map(_write, path)
    with storage.open_file(path) as file:
        records = [json.loads(line) for line in file]
    storage.remove([path])
    records.sort(key=lambda record: record[key])
    for record in records:
        if FAULT in record:
            raise InputError(record[FAULT])
    return records


def spread(pipeline: beam.Pipeline, items: Iterable[str]) -> beam.PCollection:
    """Returns the collection of the items, spread over the workers."""
    return pipeline | "Items" >> beam.Create(list(items)) | "Spread" >> beam.Reshuffle()


def keyed(collection: beam.PCollection) -> beam.PCollection:
    """Returns a collection of (whole number, bytes), known as one to every runner."""
    return collection | "Keyed" >> beam.Map(_same).with_output_types(tuple[int, bytes])


def _same(item: tuple[int, bytes]) -> tuple[int, bytes]:
    return item


def _write(lines: list[str], path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder) / "told.jsonl"
        local.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        storage.put(local, path)
