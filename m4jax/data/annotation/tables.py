"""Files of captions made a table that `experiments.balance` takes, and what was found in them."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax.data import captions, readers
from m4jax.data.annotation.inputs import check_uids, is_collection, matching, prefixes
from m4jax.data.annotation.lexicon import Lexicon
from m4jax.data.annotation.reading import load_lexicon
from m4jax.data.text import decoded
from m4jax.errors import InputError, nearest
from m4jax.files import atomic, parquet
from m4jax.progress import Progress

ROWS = 1 << 14  # that are held at once
TOLD = 20  # rows left out that are told by name
Block = tuple[list[str], list[list[str]]]  # uids, and the captions of each: at least one
LOCAL, BEAM = ENGINES = ("local", "beam")


@dataclasses.dataclass(frozen=True)
class AnnotateConfig:
    """Which captions are annotated and how."""

    # Paths or patterns of csv, tsv, txt, json, jsonl, parquet (.gz), read row by row; or of
    # pictures with captions: folders, tar shards, parquet with pictures, folders of Hugging Face's
    files: tuple[str, ...] = ()
    caption: str = "caption"  # column or field; "0", "1", …: of a csv or tsv without a head
    uid: str = ""  # column or field; "": the file's name and the row's number, or that of `readers`
    image: str = ""  # field or suffix of the picture, where several may be it
    split: str = ""  # of folders that have several
    lexicon: str = "en_v2"  # words by which captions are annotated, or a .json file
    check_language: bool = True  # whether to refuse captions that are not in the lexicon's language
    # What does it: "local", this process, or "beam", many machines (Apache Beam: Dataflow, Flink,
    # Spark, or this machine); see m4jax/tables/beam/README.md.
    engine: str = "local"
    beam_options: tuple[str, ...] = ()  # of Beam, as in ("--runner=FlinkRunner",); (): this machine
    beam_folder: str = ""  # where Beam's workers write, as in "gs://bucket/x"; "": the workdir

    def __post_init__(self):
        if self.engine not in ENGINES:
            hint = nearest(self.engine, ENGINES)
            raise InputError(f"config.engine: unknown {self.engine!r}; {hint}")
        if self.engine != BEAM and (self.beam_options or self.beam_folder):
            raise InputError(f"config.beam_options, config.beam_folder: for config.engine={BEAM}")
        if isinstance(self.files, str) or not self.files:
            raise InputError(
                f"config.files: expected paths or patterns, as in ('a.csv',), got {self.files!r}"
            )
        load_lexicon(self.lexicon)  # raises if there is none of this name


@dataclasses.dataclass
class Found:
    """What was found in the captions.

    Attributes:
        captions: how many were annotated.
        values: name of a value of an attribute ("age: other" where several attributes have a value
            "other") -> in how many captions it alone is named.
        several: attribute -> in how many captions several of its values are.
        labels: name of a label's column -> in how many captions it is named.
        vetoes: words that vetoes kept from naming anything -> in how many captions.
        left_out: how many rows are left out.
        reasons: the first of them, and why.
    """

    captions: int = 0
    values: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    several: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    labels: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    vetoes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    left_out: int = 0
    reasons: list[str] = dataclasses.field(default_factory=list)

    def add(self, lexicon: Lexicon, mentions: np.ndarray, vetoes: collections.Counter) -> None:
        """Counts the captions of a block; the arrays are those of `Lexicon.mentions`."""
        named, start = mentions > 0, 0
        self.captions += len(named)
        every = [value for values in lexicon.attributes.values() for value in values]
        for attribute, values in lexicon.attributes.items():
            block = named[:, start : start + len(values)]
            alone = block & (block.sum(1, keepdims=True) == 1)
            names = [x if every.count(x) == 1 else f"{attribute}: {x}" for x in values]
            self.values.update(dict(zip(names, alone.sum(0).tolist(), strict=True)))
            self.several[attribute] += int((block.sum(1) > 1).sum())
            start += len(values)
        labels = named[:, start:].sum(0).tolist()
        self.labels.update(dict(zip(lexicon.label_columns, labels, strict=True)))
        self.vetoes.update(vetoes)

    def facts(self) -> dict[str, Any]:
        """Returns it all as plain values."""
        return {name: dict(x) if isinstance(x, dict) else x for name, x in vars(self).items()}

    def merge(self, facts: Mapping[str, Any]) -> None:
        """Adds what was found in other captions, as `facts` has it."""
        self.captions += facts["captions"]
        self.left_out += facts["left_out"]
        for name in ("values", "several", "labels", "vetoes"):
            getattr(self, name).update(facts[name])
        self.reasons = [*self.reasons, *facts["reasons"]][:TOLD]

    def leave_out(self, where: str, reason: str) -> None:
        """Counts a row that is no text."""
        self.left_out += 1
        if len(self.reasons) < TOLD:
            self.reasons.append(f"{where}: {reason}")


def annotate_files(
    config: AnnotateConfig, path: str | os.PathLike, progress: Progress | None = None
) -> Found:
    """Writes uid, caption, attributes and labels of every caption to a parquet file, atomically.

    The columns are those of `Lexicon`, true or false, an attribute NULL where it is unknown. Rows
    without a text are left out. Memory: 16,384 captions at a time. A row of a captions file is an
    example; of a collection several captions of a picture are one, see `write_blocks`.

    Raises:
        InputError: if a file can't be read, has no captions, or is in another language, or if two
            pictures have one uid.
    """
    found = Found()
    with atomic(path) as temporary:
        write_blocks(config, _blocks(config, found), temporary, found, progress)
        check_any(config, found)
        if any(is_collection(path) for path in matching(config.files)):
            check_uids(temporary, ", ".join(config.files))
    return found


def write_blocks(
    config: AnnotateConfig,
    blocks: Iterable[Block],
    path: str | os.PathLike,
    found: Found,
    progress: Progress | None = None,
) -> None:
    """Writes the table of blocks of uids and captions, and counts in `found` what they name.

    The captions of an example are read as one text: a label is there if any of them names it, an
    attribute is known if one of them names a value and none names another. The first is written.
    """
    lexicon = load_lexicon(config.lexicon)
    columns = (*lexicon.attribute_names, *lexicon.label_columns)
    schema = pa.schema(
        {"uid": pa.string(), "caption": pa.string()} | dict.fromkeys(columns, pa.bool_())
    )
    with parquet.writer(path, schema) as writer:
        for uids, texts in blocks:
            mentions, vetoes = lexicon.mentions([text for several in texts for text in several])
            starts = np.cumsum([0, *map(len, texts[:-1])])
            mentions = np.maximum.reduceat(mentions, starts, axis=0)
            found.add(lexicon, mentions, vetoes)
            attributes, labels = lexicon.summarize(mentions)
            block = [
                pa.array(uids),
                pa.array([several[0] for several in texts]),
                *(pa.array(column == 1, mask=column < 0) for column in attributes.T),
                *(pa.array(column) for column in labels.T),
            ]
            writer.write_table(pa.table(block, schema=schema))
            if progress:
                progress("annotated captions", found.captions, 0)


def check_any(config: AnnotateConfig, found: Found) -> None:
    """Raises `InputError` if there was no caption."""
    if not found.captions:
        told = "; ".join(found.reasons[:3]) or "they are empty"
        raise InputError(f"no captions in {', '.join(config.files)}: {told}")


def _blocks(config: AnnotateConfig, found: Found) -> Iterator[Block]:
    """Yields uids and texts of all files; counts in `found` the rows that are none."""
    paths = matching(config.files)
    for path, prefix in zip(paths, prefixes(paths), strict=True):
        if is_collection(path):
            yield from _collected(config, path, found)
        else:
            rows = captions.read(path, caption=config.caption, uid=config.uid)
            yield from blocks_of(config, rows, path, prefix, found)


def _collected(config: AnnotateConfig, path: str, found: Found) -> Iterator[Block]:
    """Yields uids and texts of a collection, see `readers`; counts the examples without a text."""
    caption = "" if config.caption == AnnotateConfig.caption else config.caption
    names = {"image": config.image, "caption": caption, "uid": config.uid}
    collection = readers.open_collection(path, split=config.split, **names)
    for name, reason in collection.left_out.items():
        found.leave_out(f"{path}: {name}", reason)
    first = True
    for block in collection.blocks(ROWS):
        pairs = zip(block["uid"].to_pylist(), block["captions"].to_pylist(), strict=True)
        names, texts = [], []
        for name, told in pairs:
            if told:
                names.append(name)
                texts.append(told)
            else:
                found.leave_out(f"{path}: {name}", "no caption")
        if first:
            _check_language(config, path, [text for told in texts for text in told])
            first = False
        if names:
            yield names, texts


def blocks_of(
    config: AnnotateConfig,
    rows: Iterator[tuple[str, Any]],
    file: str,
    prefix: str,
    found: Found,
    *,
    start: int = 0,
) -> Iterator[Block]:
    """Yields uids and texts of a file, one each; counts in `found` the rows that are none.

    Args:
        config: of what to read.
        rows: uid and caption of each, as `captions.read` yields them.
        file: what to call it.
        prefix: what makes its rows' numbers unique.
        found: what was found so far.
        start: the number of the first row; where it is 0, the language is checked.

    Raises:
        InputError: if they are in another language.
    """
    rows, first = _texts(rows, file, found, start), start == 0
    while block := list(itertools.islice(rows, ROWS)):
        uids, texts = zip(*block, strict=True)
        if first:
            _check_language(config, file, texts)
        first = False
        uids = [uid if config.uid else f"{prefix}{uid}" for uid in uids]
        yield uids, [[text] for text in texts]


def _check_language(config: AnnotateConfig, file: str, texts: Sequence[str]) -> None:
    language = load_lexicon(config.lexicon).language if config.check_language else None
    if language and texts:
        try:
            language.check(texts, unless="config.check_language=False")
        except InputError as error:
            raise InputError(f"{file}: {error}") from None


def _texts(
    rows: Iterator[tuple[str, Any]], file: str, found: Found, start: int
) -> Iterator[tuple[str, str]]:
    for number, (uid, value) in enumerate(rows, start):
        try:
            text = decoded(value)
        except ValueError as error:
            found.leave_out(f"{file}, row {number:,}", str(error))
        else:
            yield uid, text
