"""One balancing of a table: where each of its files lies, and the problem that it poses."""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m4jax import balance, files, terminal
from m4jax.balance import stream
from m4jax.balance.constraints.intersections import intersect
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.tables import folding, request, sql, subgroups, undecided
from m4jax.tables.columns import Columns
from m4jax.tables.config import DROP, TableConfig
from m4jax.tables.folding import Patterns
from m4jax.tables.table import Rows, Table, open_table

ATTRIBUTES = b"attributes"  # in the schema of `examples.parquet`: how many of the columns they are


@dataclasses.dataclass(frozen=True)
class Job:
    """A configuration and the directory of everything that is written.

    Attributes:
        config: what is balanced and how.
        folder: the directory.
        tell: called with a line about what is damaged and therefore made again.
    """

    config: TableConfig
    folder: Path
    tell: Callable[[str], None] = terminal.complain

    @functools.cached_property
    def columns(self) -> Columns:
        """What the columns mean: as configured, or those of `examples.parquet`."""
        if self.config.files:
            return self.config.meaning
        schema, _ = parquet.schema(self.folder / "examples.parquet")
        # Without the note the table is of a time when there was one attribute.
        names, m = schema.names[1:], int((schema.metadata or {}).get(ATTRIBUTES, 1))
        return Columns(uid="uid", attributes=tuple(names[:m]), labels=tuple(names[m:]))

    @functools.cached_property
    def table(self) -> Table:
        """The examples."""
        paths = self.config.files or (str(self.folder / "examples.parquet"),)
        with self.connect() as connection:
            return open_table(connection, paths, self.columns)

    @functools.cached_property
    def fold_id(self) -> str:
        """The name of the fold of all examples."""
        return self.identify()

    def identify(self) -> str:
        """Returns the name of the fold of all examples, as the files are now."""
        return files.digest(self.table.identity(full=self.config.full_fingerprints))

    @functools.cached_property
    def solution_id(self) -> str:
        """The name of the solution."""
        return files.digest([self.fold_id, self.config.identity])

    @property
    def fold(self) -> Path:
        """The patterns of all examples."""
        return self.folder / "folds" / f"{self.fold_id}.parquet"

    @property
    def solution(self) -> Path:
        """The patterns with their weights; the certificate lies beside it."""
        return self.folder / "solutions" / f"{self.solution_id}.parquet"

    @property
    def frontier(self) -> Path:
        """The bias that is left at each of the configured keep rates."""
        identity = self.config.identity | {"keep_rate": self.config.frontier}
        return self.folder / "frontiers" / f"{files.digest([self.fold_id, identity])}.json"

    @property
    def groups(self) -> Path:
        """The groups that nobody named, if they are asked for."""
        return self.folder / "groups" / f"{files.digest([self.fold_id, self.config.identity])}.json"

    def is_whole(self, path: Path) -> bool:
        """Tells whether a sealed file is there and what was written; tells of one that is not."""
        if not path.with_suffix(".json").exists():
            return False  # not written yet, or not to its end
        try:
            files.sealed_file(path)
        except DamagedError as error:
            self.tell(f"{error.args[0].split(': ')[0]} is damaged: it is made again")
        except InputError:
            self.tell(f"{path} is missing: it is made again")
        else:
            return True
        return False

    @contextlib.contextmanager
    def connect(self) -> Iterator[sql.Connection]:
        """Yields a connection with the configured limits."""
        settings = {"threads": self.config.threads, "memory_limit": self.config.memory_limit}
        with sql.connect(self.folder / "spill", **settings) as connection:
            yield connection

    def patterns(self) -> Patterns:
        """Reads the fold."""
        return folding.load(self.fold, self.columns)

    def problem(self, patterns: Patterns, *, found: bool = True) -> balance.Problem:
        """Returns the problem, without a keep rate if the largest is asked for.

        Groups that nobody named are among the constraints if they are `found` already.

        Where labels that the data can't decide are dropped, their examples count 0 times.
        """
        words = (
            *self.words,
            *(subgroups.words(self.groups) if self.config.subgroups and found else ()),
        )
        problem = self._posed(patterns, patterns.counts, words)
        while self.config.one_sided == DROP:  # what is dropped may leave other labels one-sided
            found = undecided.pairs(problem)
            gone = undecided.members(found, problem.attributes, problem.labels)
            if not problem.counts[gone].any():
                break
            problem = self._posed(patterns, np.where(gone, 0.0, problem.counts), words)
        return problem

    def named(self, problem: balance.Problem) -> int:
        """Returns how many of a problem's constraints in words the user has named, which are first.

        The band's, one for all and for each label of an attribute, and the groups' follow them.
        """
        config, spec = self.config, problem.spec
        band = 0 if config.points is None else spec.eps.size
        return (
            len(spec.moments)
            - band
            - (len(subgroups.words(self.groups)) if config.subgroups else 0)
        )

    def _posed(
        self, patterns: Patterns, counts: np.ndarray, words: tuple[Any, ...]
    ) -> balance.Problem:
        config, eps = self.config, ("eps_representation", "eps_association")
        if not counts.any():
            raise InputError("config.one_sided: no examples are left; set it to 'keep'")
        return request.pose(
            config,
            patterns.attributes,
            patterns.labels,
            target=config.targets,
            utility=patterns.utility,
            counts=counts,
            columns=patterns.numbers,
            attribute_names=self.columns.attributes,
            label_names=self.columns.labels,
            intersections=config.intersections,
            constraints=words,
            penalty=config.enforcement,
            **{name: math.inf for name in eps if getattr(config, name) is None},
        )

    @functools.cached_property
    def words(self) -> tuple[Any, ...]:
        """The constraints in words, the band among them."""
        config = self.config
        if config.points is None:
            return config.words
        try:
            spec = balance.Spec(
                attributes=self.columns.attributes,
                labels=0,
                target=config.targets,
                intersections=config.intersections,
            )
        except balance.ProblemError as error:
            raise InputError(f"balancing: {error}") from None
        target = dict(zip(spec.attribute_names, spec.target[:, 0].tolist(), strict=True))
        band = balance.band(config.points, target=target, least=config.least)
        return (*config.words, band)

    def examples(self, dropped: Sequence[undecided.Pair] = ()) -> Iterator[stream.Block]:
        """Yields the examples themselves, with their intersections, in the table's order."""
        for rows in self.table.blocks():
            yield self.block(rows, dropped)

    def block(self, rows: Rows, dropped: Sequence[undecided.Pair] = ()) -> stream.Block:
        """Returns examples as the solver for streams takes them; those dropped count 0 times."""
        names, intersections = self.columns.attributes, self.config.intersections
        attributes, counts = intersect(rows.attributes, names, intersections), rows.counts
        if dropped:
            gone = undecided.members(dropped, attributes, rows.labels)
            counts = np.where(gone, 0.0, 1.0 if counts is None else counts)
        return stream.Block(attributes, rows.labels, rows.utility, counts, rows.numbers)
