"""A weight for every example by many workers: each piece of the table becomes a file of weights.

The solved patterns are a file, which every worker reads once: as a side input they would pass
through the runner, and they may be millions. In the same pass the certificate's numbers are found
again from the weights that were written, and uids that come twice.
"""

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa

from m4jax.balance import Spec
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.tables import assignment, queries, selection, solving, sql, table, verification
from m4jax.tables.beam import folding, pipelines, storage
from m4jax.tables.beam.folding import connected, over, packed, unpacked
from m4jax.tables.beam.looking import Looked, Piece
from m4jax.tables.job import Job
from m4jax.tables.table import Table

UIDS, TWICE = "uids", "twice"
OF_A_BUCKET = 2_000_000  # uids that are compared at once, about


@dataclasses.dataclass(frozen=True)
class Solved:
    """What was solved, as workers need it.

    Attributes:
        job: what is balanced; its columns are known.
        spec: of the problem.
        solution: on disk.
        path: of the patterns with their weights, where workers see it.
        sha256: of that file.
    """

    job: Job
    spec: Spec
    solution: solving.DiskSolution
    path: str
    sha256: str


def assign(
    options: Sequence[str], folder: str, table: Looked, solved: Solved
) -> list[pipelines.Record]:
    """Writes `weights-00000-of-…` to `folder`; returns a record for each: what it holds.

    Raises:
        InputError: if an example is like none of the patterns, or uids are missing or come twice.
    """
    pieces = table.pieces()
    bare = folding.bare(table)
    config = solved.job.config
    buckets = max(1, len(table) // OF_A_BUCKET) if config.check_uids else 0
    work = AssignPiece(bare, folder, len(pieces), buckets, solved)

    def build(pipeline: beam.Pipeline) -> beam.PCollection:
        texts = pipelines.spread(pipeline, [piece.text() for piece in pieces])
        done = texts | "Assign" >> beam.ParDo(work).with_outputs(UIDS, main=pipelines.TOLD)
        if not config.check_uids:
            return done[pipelines.TOLD]
        several = (
            pipelines.keyed(done[UIDS])
            | "Uids" >> beam.GroupByKey()
            | "Compare" >> beam.FlatMap(twice, config.memory_limit)
        )
        return (done[pipelines.TOLD], several) | beam.Flatten()

    records = pipelines.run(options, folder, build)
    several = [x[TWICE] for x in records if TWICE in x]
    records = [x for x in records if TWICE not in x]
    if config.check_uids:
        missing = sum(x["missing"] for x in records)
        assignment.refuse_uids(table.columns.uid, missing, several and several[0])
    return records


class AssignPiece(beam.DoFn):
    """Writes the weights of pieces: what there was is told, uids go on by bucket."""

    def __init__(self, table: Table, folder: str, pieces: int, buckets: int, solved: Solved):
        self._table, self._folder, self._pieces = table, folder, pieces
        self._buckets, self._solved = buckets, solved
        self._connection = None

    def setup(self) -> None:
        """Begins a worker's work; the patterns are read with the first piece."""
        self._stack = contextlib.ExitStack()
        self._scratch = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))

    def teardown(self) -> None:
        """Ends it."""
        self._stack.close()

    def process(self, text: str) -> Iterator[Any]:
        """Yields a record of a piece, and its uids by bucket."""
        piece = Piece.parse(text)
        try:
            with sql.told(1, self._solved.job.config.memory_limit):
                weights = self._weights(piece)
                assignment.refuse_strays(weights)
                yield json.dumps({"piece": piece.index} | self._write(piece, weights))
                for uids in self._uids(weights):
                    yield beam.pvalue.TaggedOutput(UIDS, uids)
        except InputError as error:
            yield json.dumps({"piece": piece.index, pipelines.FAULT: str(error)})

    def _weights(self, piece: Piece) -> pa.Table:
        """Returns (uid, weight) of the examples, in their order."""
        solved, columns = self._solved, self._table.columns
        if columns.utility_levels:
            job, spec, solution = solved.job, solved.spec, solved.solution
            blocks = _blocks(piece, self._table)
            return pa.concat_tables(solving.weighed(job, spec, solution, x) for x in blocks)
        query = queries.weights(self._table)
        return over(self._connected(), piece, columns, query).to_arrow_table()

    def _connected(self) -> sql.Connection:
        if self._connection is None:
            solved, spill = self._solved, self._scratch / "spill"
            limit = solved.job.config.memory_limit
            self._connection = sql.opened(spill, threads=1, memory_limit=limit)
            self._stack.callback(self._connection.close)
            patterns = storage.get(solved.path, self._scratch / "solved.parquet", solved.sha256)
            self._connection.execute(queries.solved(patterns))
        return self._connection

    def _write(self, piece: Piece, weights: pa.Table) -> dict[str, Any]:
        """Writes the weights, reads them again, and returns what they are."""
        job, local = self._solved.job, self._scratch / "weights.parquet"
        with parquet.writer(local, weights.schema) as writer:
            writer.write_table(weights.combine_chunks(), row_group_size=assignment.ROW_GROUP)
        tally = verification.Tally(self._solved.spec)
        blocks, dropped = _blocks(piece, self._table), self._solved.solution.dropped
        for _ in verification.tallied(job, tally, blocks, local, dropped):
            pass
        if tally.rows != piece.rows or len(weights) != piece.rows:
            raise InputError(f"weights for {len(weights):,} of {piece.rows:,} examples; run again")
        facts = {"name": self._name("weights", piece), "rows": piece.rows, "tally": tally.state()}
        facts["sha256"] = storage.put(local, storage.join(self._folder, facts["name"]))
        facts["missing"] = weights["uid"].null_count
        if job.config.selection_seed is not None:
            facts |= self._keep(piece, weights)
        return facts

    def _keep(self, piece: Piece, weights: pa.Table) -> dict[str, Any]:
        """Writes who is kept."""
        uids, seed = weights["uid"], self._solved.job.config.selection_seed
        mask = selection.keep(uids.to_pylist(), weights["weight"].to_numpy(), seed=seed)
        kept, name = weights.select(["uid"]).filter(pa.array(mask)), self._name("kept", piece)
        local = self._scratch / "kept.parquet"
        parquet.write(kept.combine_chunks(), local)
        sha256 = storage.put(local, storage.join(self._folder, name))
        return {"kept": {"name": name, "rows": len(kept), "sha256": sha256}}

    def _name(self, kind: str, piece: Piece) -> str:
        return f"{kind}-{piece.index:05d}-of-{self._pieces:05d}.parquet"

    def _uids(self, weights: pa.Table) -> Iterator[tuple[int, bytes]]:
        """Yields the uids, by a hash of theirs."""
        if not self._buckets:
            return
        with connected(self._solved.job.config.memory_limit) as connection:
            connection.register("weights", weights)
            query = queries.uids_in_buckets("weights", self._buckets)
            found = connection.sql(query).to_arrow_table()
        for bucket, uids in zip(found["bucket"].to_pylist(), found["uids"], strict=True):
            yield bucket, packed(pa.table({"uid": uids.values}))


def _blocks(piece: Piece, of: Table) -> Iterator[table.Rows]:
    """Yields the examples of a piece, as pyarrow reads them."""
    for batch in piece.batches(list(of.columns.read())):
        yield table.rows_of(pa.Table.from_batches([batch]), of.columns)


def twice(item: tuple[int, Iterable[bytes]], memory_limit: str) -> Iterator[str]:
    """Yields a record of a uid that comes several times, if there is one."""
    _, parts = item
    uids = pa.concat_tables(map(unpacked, parts))
    with connected(memory_limit) as connection:
        connection.register("uids", uids)
        for found in connection.execute(queries.uid_twice("uids")).fetchall():
            yield json.dumps({"piece": -1, TWICE: found})
