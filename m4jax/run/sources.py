"""Where the pictures of a run come from: a world of the testbed, or pairs of a TFDS dataset.

All that a study has to know of its data is asked here, by `of(config)`.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from m4jax import balance
from m4jax.data import annotate, pairs, testbed, tokenizer, world
from m4jax.data.annotate import Annotation
from m4jax.data.encoded import EncodedPictures
from m4jax.data.pairs import Pairs
from m4jax.data.world import World
from m4jax.errors import InputError
from m4jax.evaluation.prompts import Prompts
from m4jax.progress import Progress
from m4jax.run import shots
from m4jax.run.config import RunConfig

Splits = dict[str, dict[str, Any]]
Tokenizer = Callable[[list[str]], np.ndarray]


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
    wrong: Callable[[], np.ndarray] | None

    def __len__(self) -> int:
        return len(self.images)


class Source(Protocol):
    """What a study asks of its data."""

    id: str
    resolution: int
    vocab_size: int
    composed: int  # training pictures that preparing has to compose

    def changes(self, examples: int) -> dict[str, Any]:
        """Returns the fields of a `RunConfig` that make this source a small one of its kind."""

    def is_prepared(self, data_dir: Path) -> bool:
        """Tells whether `prepare` has finished."""

    def prepare(self, data_dir: Path, progress: Progress | None = None) -> None:
        """Prepares the data unless they are there."""

    def uids(self, data_dir: Path) -> np.ndarray:
        """Returns the uids [n] of the training pairs."""

    def train(self, data_dir: Path, in_memory_gb: float = math.inf) -> Training:
        """Opens the training pairs."""

    def evaluation(self, data_dir: Path, in_memory_gb: float = math.inf) -> Splits:
        """Opens the evaluation splits, as `evaluation.evaluate` takes them."""

    def prompts(self, prompts: Prompts) -> Prompts:
        """Returns the prompts that fit the evaluation splits."""

    def tokenizer(self, data_dir: Path, context_length: int) -> Tokenizer:
        """Returns the tokenizer of the captions."""


def of(config: RunConfig) -> Source:
    """Returns the source of a run's data."""
    return TestbedSource(config.world) if config.pairs is None else PairsSource(config.pairs)


def association(source: Source, data_dir: Path, prompts: Prompts) -> np.ndarray:
    """Returns the association [c] of the data, before any weights, with each occupation.

    Raises:
        InputError: if these are not the prompts' occupations.
    """
    names, found = _association(source, data_dir)
    if names != tuple(prompts.occupation):
        raise InputError(
            f"the data know the occupations {', '.join(names)}; the prompts {prompts.version} "
            f"name others, or in another order: {', '.join(prompts.occupation)}"
        )
    return found


@functools.cache  # asked for at every checkpoint of a run whose bias is tracked
def _association(source: Source, data_dir: Path) -> tuple[tuple[str, ...], np.ndarray]:
    notes = source.train(data_dir).annotate(("occupations",))
    return notes.label_names, balance.bias(notes.attributes, notes.labels).association[0]


@dataclasses.dataclass(frozen=True)
class TestbedSource:
    """A world of the testbed."""

    __test__ = False  # no test, whatever pytest makes of the name

    world: World

    @property
    def id(self) -> str:
        """The world's name."""
        return self.world.id

    @property
    def resolution(self) -> int:
        """Pixels a side."""
        return self.world.resolution

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return len(tokenizer.emoji_scenes_words())

    @property
    def composed(self) -> int:
        """All training pictures are composed."""
        return self.world.examples

    def changes(self, examples: int) -> dict[str, Any]:
        """Returns a world like this one with so many examples."""
        return {"world": dataclasses.replace(self.world, examples=examples)}

    def is_prepared(self, data_dir: Path) -> bool:
        """Tells whether the world is prepared."""
        return testbed.is_prepared(self.world, data_dir)

    def prepare(self, data_dir: Path, progress: Progress | None = None) -> None:
        """Prepares the world."""
        testbed.prepare(self.world, data_dir, progress)

    def uids(self, data_dir: Path) -> np.ndarray:
        """Returns the uids of the training split."""
        return testbed.load(self.world, "train", data_dir).columns["uid"]

    def train(self, data_dir: Path, in_memory_gb: float = math.inf) -> Training:
        """Opens the training split."""
        split = testbed.load(self.world, "train", data_dir, in_memory_gb=in_memory_gb)
        texts, caption_id = np.unique(split.columns["caption"].astype(str), return_inverse=True)
        return Training(
            images=split.images,
            uids=split.columns["uid"],
            texts=texts.tolist(),
            caption_id=caption_id,
            annotate=functools.partial(annotate.annotate, split.columns),
            wrong=functools.partial(world.wrong_captions, self.world),
        )

    def evaluation(self, data_dir: Path, in_memory_gb: float = math.inf) -> Splits:
        """Opens the evaluation splits, and the shots of the linear probes."""
        splits: Splits = {}
        for name in ("faces", "workers", "objects", "scenes", "shift"):
            split = testbed.load(self.world, name, data_dir)
            columns = split.columns
            # Pictures of one drawing, in other skin tones or places, are not independent of each
            # other: they are resampled together. A pair counts to its thing.
            person, thing = columns["person_drawing"], columns["thing_drawing"]
            group = np.where(thing >= 0, thing, person)
            splits[name] = {"images": split.images, "group": group}
            splits[name] |= {key: columns[key] for key in ("gender", "occupation", "thing")}
            splits[name]["captions"] = columns["caption"].tolist()
        train = testbed.load(self.world, "train", data_dir, in_memory_gb=in_memory_gb)
        return splits | {"shots": shots.choose(train)}

    def prompts(self, prompts: Prompts) -> Prompts:
        """Returns the prompts: they were written for the testbed."""
        return prompts

    def tokenizer(self, data_dir: Path, context_length: int) -> Tokenizer:
        """Returns the tokenizer of the testbed's words."""
        del data_dir  # the vocabulary comes with the package
        words = tokenizer.emoji_scenes_words()
        return tokenizer.WordTokenizer(words, context_length=context_length)


@dataclasses.dataclass(frozen=True)
class PairsSource:
    """Pairs of a TFDS dataset; what the captions don't say is not known of them."""

    pairs: Pairs

    composed = 0

    @property
    def id(self) -> str:
        """The name of the pairs."""
        return self.pairs.id

    @property
    def resolution(self) -> int:
        """Pixels a side."""
        return self.pairs.resolution

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.pairs.vocab_size

    def changes(self, examples: int) -> dict[str, Any]:
        """Returns the first pairs of the same split."""
        split = f"{self.pairs.split.partition('[')[0]}[:{examples}]"
        return {"pairs": dataclasses.replace(self.pairs, split=split)}

    def is_prepared(self, data_dir: Path) -> bool:
        """Tells whether the captions are annotated."""
        return pairs.is_prepared(self.pairs, data_dir)

    def prepare(self, data_dir: Path, progress: Progress | None = None) -> None:
        """Annotates the captions."""
        pairs.prepare(self.pairs, data_dir, progress)

    def uids(self, data_dir: Path) -> np.ndarray:
        """Returns the uids of the training pairs."""
        return self.train(data_dir).uids

    def train(self, data_dir: Path, in_memory_gb: float = math.inf) -> Training:
        """Opens the training pairs; their pictures are decoded on demand."""
        del in_memory_gb  # photographs are never decoded as a whole
        table, images = pairs.read(self.pairs, data_dir)
        captions = table["caption"].combine_chunks().dictionary_encode()
        if isinstance(captions, pa.ChunkedArray):
            captions = captions.unify_dictionaries().combine_chunks()
        return Training(
            images=images,
            uids=table["uid"].to_numpy(),
            texts=captions.dictionary.to_pylist(),
            caption_id=captions.indices.to_numpy(),
            annotate=functools.partial(pairs.annotate, self.pairs, table),
            wrong=None,
        )

    def evaluation(self, data_dir: Path, in_memory_gb: float = math.inf) -> Splits:
        """Opens the evaluation splits that are named."""
        del data_dir, in_memory_gb
        return pairs.evaluation(self.pairs)

    def prompts(self, prompts: Prompts) -> Prompts:
        """Returns the prompts with the classes of the dataset of objects as things."""
        classes = pairs.classes(self.pairs)
        if classes is None:
            return prompts
        name = f"{prompts.version}+{Path(self.pairs.objects[0]).name}"
        return dataclasses.replace(prompts, version=name, thing=classes)

    def tokenizer(self, data_dir: Path, context_length: int) -> Tokenizer:
        """Returns the tokenizer."""
        return pairs.tokenizer(self.pairs, data_dir, context_length=context_length)
