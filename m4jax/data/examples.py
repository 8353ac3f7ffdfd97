"""What a source of examples gives: training pairs with annotations, and evaluation splits."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from m4jax.data.annotation import Annotation
from m4jax.data.encoded import EncodedPictures
from m4jax.progress import Progress

Splits = dict[str, dict[str, Any]]  # as `evaluation.evaluate` takes them
Tokenizer = Callable[[list[str]], np.ndarray]  # n texts -> int32 [n, L], 0 where padded


@dataclasses.dataclass(frozen=True)
class Training:
    """Training pairs; row i of every array is pair i.

    Attributes:
        images: uint8 [n, r, r, 3], or pictures on disk.
        uids: [n] str.
        texts: the distinct captions.
        caption_id: [n], the place of a pair's caption among them.
        annotate: maps names of label sets to the annotation of all pairs.
        wrong: which captions are known to be wrong, bool [n]; None: nothing is known.
    """

    images: np.ndarray | EncodedPictures
    uids: np.ndarray
    texts: list[str]
    caption_id: np.ndarray
    annotate: Callable[[tuple[str, ...]], Annotation]
    wrong: Callable[[], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.images)


@runtime_checkable
class Source(Protocol):
    """Where the examples of a run come from: a frozen dataclass of plain fields, with defaults.

    A source is one file and one line of the table in `sources.py`. Its fields are the section
    `config.<kind>` of a configuration.

    Attributes:
        kind: its name in the table.
        id: a hash of all that the training pairs follow from, by contents.
        resolution: pixels a side.
        vocab_size: number of token ids.
        composed: training pictures that preparing has to compose; 0 if they exist already.

    A source may also have `looked_at`, a class variable: the names of its fields that are for
    evaluation alone, and `looked_at_id`, which tells the content of the evaluation sets. Neither
    they nor these fields are part of `id`: another evaluation needs no other training. `facts`, a
    mapping, may stand for the other fields in the names of runs: contents in place of paths.
    """

    kind: ClassVar[str]
    id: str
    resolution: int
    vocab_size: int
    composed: int

    def first(self, examples: int) -> "Source":
        """Returns a source like this one with no more than so many training pairs."""

    def is_prepared(self, data_dir: Path) -> bool:
        """Tells whether `prepare` has finished."""

    def prepare(self, data_dir: Path, progress: Progress | None = None) -> None:
        """Prepares the data unless that is done."""

    def train(self, data_dir: Path, in_memory_gb: float = float("inf")) -> Training:
        """Opens the training pairs; pictures that take more than so many GB stay encoded."""

    def evaluation(self, data_dir: Path, in_memory_gb: float = float("inf")) -> Splits:
        """Opens the evaluation splits."""

    def classes(self) -> tuple[str, dict[str, str]] | None:
        """Returns a name and the classes of the split `objects` with their phrases.

        None: they are those of the prompts, or the source does not name them.
        """

    def open_tokenizer(self, data_dir: Path, context_length: int) -> Tokenizer:
        """Returns the tokenizer of the captions."""
