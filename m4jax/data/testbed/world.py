"""The testbed as a source of examples: worlds of known bias, composed of emoji pictures.

`DIR/arrays/<world>-v2/` holds each split: `<split>.npy` (uint8 [n, r, r, 3]), `<split>.parquet`
(the columns) and, written last, `manifest.json` with their sizes and SHA-256. `emoji_scenes` makes
the same pictures a TFDS dataset, `DIR/emoji_scenes/<world>/`; it is written where it is asked for.
"""

import dataclasses
import functools
import math
import os
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data.annotation import MAN, Annotation, assemble
from m4jax.data.encoded import EncodedPictures
from m4jax.data.examples import Splits, Training
from m4jax.data.testbed import catalog
from m4jax.data.testbed.scenes import Knobs, wrong_captions
from m4jax.data.testbed.splits import EVALUATION, TRAIN, check_size, compose
from m4jax.data.testbed.sprites import load_sprites
from m4jax.data.tokenizers import WordTokenizer
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.progress import Progress

COLUMNS = 2  # version of the splits' columns; those of 1 lacked person_emoji and thing_emoji
SHOTS = 10  # of each class; where the training pictures have fewer, all of them


@dataclasses.dataclass(frozen=True)
class Split:
    """A split.

    Attributes:
        images: uint8 [n, r, r, 3], mapped into memory or encoded on disk.
        columns: name -> [n].
    """

    images: np.ndarray | EncodedPictures
    columns: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.images)


@dataclasses.dataclass(frozen=True)
class World(Knobs):
    """A world of the testbed; its fields are the knobs. The methods are those of `Source`."""

    kind: ClassVar[str] = "world"

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return len(catalog.words())

    @property
    def composed(self) -> int:
        """All training pictures are composed."""
        return self.examples

    def first(self, examples: int) -> "World":
        """Returns a world like this one with so many examples."""
        return dataclasses.replace(self, examples=examples)

    def directory(self, data_dir: str | os.PathLike) -> Path:
        """Returns where the arrays lie; what lacks columns is elsewhere, and made anew."""
        return Path(data_dir) / "arrays" / f"{self.id}-v{COLUMNS}"

    def is_prepared(self, data_dir: str | os.PathLike) -> bool:
        """Tells whether `prepare` has finished."""
        return (self.directory(data_dir) / files.MANIFEST).exists()

    def prepare(self, data_dir: str | os.PathLike, progress: Progress | None = None) -> None:
        """Prepares the arrays unless that is done.

        An interrupted preparation leaves nothing that counts: it starts again, and what is left of
        it is removed.

        Raises:
            InputError: if there would be too many pictures, see `splits.check_size`.
        """
        if self.is_prepared(data_dir):
            return
        check_size(self)
        folder = self.directory(data_dir)
        with files.locked(folder.parent / f".{folder.name}.lock"):
            if self.is_prepared(data_dir):  # by another process, meanwhile
                return
            for path in folder.parent.glob(f".{folder.name}.[0-9]*"):  # nobody else prepares here
                shutil.rmtree(path, ignore_errors=True)
            with files.new_directory(folder) as unfinished:
                for split in (TRAIN, *EVALUATION):
                    _write(self, split, unfinished, progress)
                files.write_manifest(unfinished, world=dataclasses.asdict(self))

    def load_split(
        self, split: str, data_dir: str | os.PathLike, *, in_memory_gb: float = math.inf
    ) -> Split:
        """Opens a prepared split after comparing its files with the manifest.

        Args:
            split: its name.
            data_dir: where it was prepared.
            in_memory_gb: gigabytes; if the decoded pictures take more, they are decoded on demand,
                from the TFDS dataset.

        Raises:
            InputError: if the split is not prepared, or a file is missing or damaged.
        """
        folder, images = self.directory(data_dir), f"{split}.npy"
        sizes = files.read_sealed(folder / files.MANIFEST)["files"]
        if images not in sizes:
            raise InputError(f"no split {split!r} in {folder}")
        table = parquet.read(files.intact(folder, f"{split}.parquet"))
        if sizes[images]["bytes"] > in_memory_gb * 1e9:
            # Here: importing TFDS takes seconds, and nothing else needs it.
            from m4jax.data.testbed import emoji_scenes

            pictures = emoji_scenes.encoded(self, split, data_dir)
        else:
            pictures = np.load(files.intact(folder, images), mmap_mode="r", allow_pickle=False)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return Split(images=pictures, columns=columns)

    def train(self, data_dir: str | os.PathLike, in_memory_gb: float = math.inf) -> Training:
        """Opens the training split."""
        split = self.load_split(TRAIN, data_dir, in_memory_gb=in_memory_gb)
        texts, caption_id = np.unique(split.columns["caption"].astype(str), return_inverse=True)
        return Training(
            images=split.images,
            uids=split.columns["uid"],
            texts=texts.tolist(),
            caption_id=caption_id,
            annotate=functools.partial(annotate, split.columns),
            wrong=functools.partial(wrong_captions, self),
        )

    def evaluation(self, data_dir: str | os.PathLike, in_memory_gb: float = math.inf) -> Splits:
        """Opens the evaluation splits, and the shots of the linear probes."""
        splits: Splits = {}
        for name in EVALUATION:
            split = self.load_split(name, data_dir)
            columns = split.columns
            # Pictures of one emoji, by other vendors, in other skin tones or places, are not
            # independent of each other: they are resampled together. A pair counts to its thing.
            person, thing = columns["person_emoji"], columns["thing_emoji"]
            group = np.where(thing >= 0, thing, person)
            splits[name] = {"images": split.images, "group": group}
            splits[name] |= {key: columns[key] for key in ("gender", "occupation", "thing")}
            splits[name]["captions"] = columns["caption"].tolist()
            # What the captions say: with many pairs one content comes in several wordings.
            said = [columns[f"says_{key}"] for key in ("gender", "occupation", "thing")]
            splits[name]["content"] = np.unique(said, axis=1, return_inverse=True)[1].reshape(-1)
        train = self.load_split(TRAIN, data_dir, in_memory_gb=in_memory_gb)
        return splits | {"shots": choose_shots(train)}

    def classes(self) -> None:
        """The prompts were written for the testbed."""

    def open_tokenizer(self, data_dir: str | os.PathLike, context_length: int) -> WordTokenizer:
        """Returns the tokenizer of the testbed's words, which come with the package."""
        del data_dir
        return WordTokenizer(catalog.words(), context_length=context_length)


def annotate(columns: dict[str, np.ndarray], label_sets: tuple[str, ...]) -> Annotation:
    """Annotates examples with perceived gender and with the labels of the given sets.

    The attribute "man" is 1 or 0 as the picture shows, else as the caption says; NaN where neither
    has a person of known gender. A label is 1 if the picture shows it or the caption names it
    (as in the paper, which detects attributes and labels in both). Both are read from the
    generator's columns: this annotation makes no mistakes, unlike that of web data.

    Args:
        columns: of a testbed split, each [n].
        label_sets: any of "occupations" (22 labels), "any_thing" (one: whether there is a thing)
            and "things" (32 kinds: the proxies).

    Raises:
        InputError: for an unknown label set.
    """
    gender = np.where(columns["gender"] >= 0, columns["gender"], columns["says_gender"])
    man = np.where(gender >= 0, gender, np.nan).astype(np.float64)
    occupations, things = catalog.occupations(), catalog.things()
    return assemble(
        (man[:, None], [MAN]),
        (_either(columns, "occupation", len(occupations)), [job.name for job in occupations]),
        (_either(columns, "thing", len(things)), list(things)),
        label_sets,
    )


def choose_shots(train: Split) -> dict[str, np.ndarray]:
    """Returns the split `shots`, for few-shot probes, as `evaluation.evaluate` takes it.

    10 pictures of each occupation (a worker without a thing) and of each kind of thing (without a
    person), by what they show, not by their captions; the same ones for every run on a world.
    """
    columns, rng = train.columns, np.random.default_rng(0)
    alone = columns["thing"] < 0, columns["gender"] < 0
    classes = ("occupation", len(catalog.occupations())), ("thing", len(catalog.things()))
    rows = []
    for plain, (name, count) in zip(alone, classes, strict=True):
        for k in range(count):
            candidates = np.flatnonzero(plain & (columns[name] == k))
            rows.append(rng.permutation(candidates)[:SHOTS])
    chosen = np.sort(np.concatenate(rows))
    emoji = np.where(alone[1], columns["thing_emoji"], columns["person_emoji"])
    return {
        "images": train.images[chosen],
        "group": emoji[chosen],
        "occupation": np.where(alone[0], columns["occupation"], -1)[chosen],
        "thing": np.where(alone[1], columns["thing"], -1)[chosen],
    }


def _either(columns: dict[str, np.ndarray], name: str, count: int) -> np.ndarray:
    """Returns [n, count]: 1 where the picture shows the label or the caption says it."""
    every = np.arange(count)
    shown = columns[name][:, None] == every
    said = columns[f"says_{name}"][:, None] == every
    return (shown | said).astype(np.float64)


def _write(world: World, split: str, folder: Path, progress: Progress | None) -> None:
    """Composes a split into `folder`."""
    columns, pictures = compose(world, split, load_sprites())
    side, count = world.resolution, len(columns["uid"])
    # Written in sequence, not through a memory map: a full disk is then an error, not a SIGBUS.
    with open(folder / f"{split}.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, side, side, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for i, picture in enumerate(pictures):
            file.write(picture.tobytes())
            if progress and i % 500 == 0:
                progress("compose pictures" if split == TRAIN else f"compose {split}", i, count)
    parquet.write(pa.table(columns), folder / f"{split}.parquet")
