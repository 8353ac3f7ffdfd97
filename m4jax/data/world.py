"""The testbed as a source of examples: worlds of known bias, composed of emoji pictures."""

import dataclasses
import functools
import math
from pathlib import Path
from typing import ClassVar

import numpy as np

from m4jax.data import annotate, knobs, shots, testbed
from m4jax.data.examples import Splits, Tokenizer, Training
from m4jax.data.knobs import Knobs
from m4jax.data.splits import EVALUATION, TRAIN
from m4jax.data.tokenizer import WordTokenizer, emoji_scenes_words
from m4jax.progress import Progress


@dataclasses.dataclass(frozen=True)
class World(Knobs):
    """A world of the testbed; its fields are the knobs. The methods are those of `Source`."""

    kind: ClassVar[str] = "world"

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return len(emoji_scenes_words())

    @property
    def composed(self) -> int:
        """All training pictures are composed."""
        return self.examples

    def first(self, examples: int) -> "World":
        """Returns a world like this one with so many examples."""
        return dataclasses.replace(self, examples=examples)

    def is_prepared(self, data_dir: Path) -> bool:
        """Tells whether the world is prepared."""
        return testbed.is_prepared(self, data_dir)

    def prepare(self, data_dir: Path, progress: Progress | None = None) -> None:
        """Prepares the world."""
        testbed.prepare(self, data_dir, progress)

    def uids(self, data_dir: Path) -> np.ndarray:
        """Returns the uids of the training split."""
        return testbed.load(self, TRAIN, data_dir).columns["uid"]

    def train(self, data_dir: Path, in_memory_gb: float = math.inf) -> Training:
        """Opens the training split."""
        split = testbed.load(self, TRAIN, data_dir, in_memory_gb=in_memory_gb)
        texts, caption_id = np.unique(split.columns["caption"].astype(str), return_inverse=True)
        return Training(
            images=split.images,
            uids=split.columns["uid"],
            texts=texts.tolist(),
            caption_id=caption_id,
            annotate=functools.partial(annotate.annotate, split.columns),
            wrong=functools.partial(knobs.wrong_captions, self),
        )

    def evaluation(self, data_dir: Path, in_memory_gb: float = math.inf) -> Splits:
        """Opens the evaluation splits, and the shots of the linear probes."""
        splits: Splits = {}
        for name in EVALUATION:
            split = testbed.load(self, name, data_dir)
            columns = split.columns
            # Pictures of one drawing, in other skin tones or places, are not independent of each
            # other: they are resampled together. A pair counts to its thing.
            person, thing = columns["person_drawing"], columns["thing_drawing"]
            group = np.where(thing >= 0, thing, person)
            splits[name] = {"images": split.images, "group": group}
            splits[name] |= {key: columns[key] for key in ("gender", "occupation", "thing")}
            splits[name]["captions"] = columns["caption"].tolist()
        train = testbed.load(self, TRAIN, data_dir, in_memory_gb=in_memory_gb)
        return splits | {"shots": shots.choose(train)}

    def classes(self) -> None:
        """The prompts were written for the testbed."""

    def open_tokenizer(self, data_dir: Path, context_length: int) -> Tokenizer:
        """Returns the tokenizer of the testbed's words, which come with the package."""
        del data_dir
        return WordTokenizer(emoji_scenes_words(), context_length=context_length)
