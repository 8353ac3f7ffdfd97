"""Pictures with captions from any TFDS dataset, annotated by the words of the captions.

`DIR/pairs/<id>/` holds what is read of the training split once: `train.parquet` (uid, caption,
man, a column for each label; `experiments.balance` takes it as it is), `vocabulary.txt` and,
written last, `manifest.json`. The pictures stay in the dataset's array_record files.
"""

import collections
import dataclasses
import functools
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m4jax import files
from m4jax.data import lexicon
from m4jax.data.annotate import Annotation, assemble
from m4jax.data.captions import with_article
from m4jax.data.encoded import EncodedPictures
from m4jax.data.examples import Splits, Tokenizer, Training
from m4jax.data.peer_tokenizers import ClipTokenizer, SiglipTokenizer, canonical
from m4jax.data.tokenizer import SPECIAL, WordTokenizer
from m4jax.errors import InputError, nearest
from m4jax.progress import Progress

ROWS = 1 << 14  # of the table that are held while it is written
WORDS = 32_768  # entries of a vocabulary of words, the special ones included
SIZES = {"words": WORDS, "clip": 49_408, "siglip": 32_000}  # kind of tokenizer -> entries
EVALUATION = ("faces", "objects", "scenes")


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Where the pairs come from, and the pictures that models are evaluated on.

    A dataset is a name that `tfds.builder` knows ("coco_captions", looked up in TFDS_DATA_DIR) or
    the directory of a prepared one, in array_record files. A field within another one is written
    with a stroke, "captions/text"; of a list the first entry is taken.
    The evaluation sets may be () to be left out. The methods are those of `Source`.
    """

    kind: ClassVar[str] = "pairs"
    composed: ClassVar[int] = 0

    dataset: str = "coco_captions"  # a name, looked up in TFDS_DATA_DIR, or a directory
    split: str = "train"  # "train[:10%]" for a part
    image: str = "image"  # field of the picture
    caption: str = "captions/text"  # field of the caption; of several the first
    resolution: int = 224  # pixels a side, scaled and cut, see `EncodedPictures`
    lexicon: str = "en_v1"  # words by which captions are annotated, or a .json file
    # "words" (the most frequent of the captions), "clip:FILE" or "siglip:FILE", the tokenizer's own
    tokenizer: str = "words"
    # (dataset, split, image field, field that is true for men)
    faces: tuple[str, ...] = ("celeb_a", "test", "image", "attributes/Male")
    # (dataset, split, image field, class field): pictures without persons
    objects: tuple[str, ...] = ("oxford_iiit_pet", "test", "image", "label")
    # (dataset, split, image field, caption field): pairs for retrieval
    scenes: tuple[str, ...] = ("coco_captions", "test", "image", "captions/text")

    def __post_init__(self):
        lexicon.load(self.lexicon)  # raises if there is none of this name
        if self.resolution < 1:
            raise InputError(f"pairs.resolution: expected at least 1, got {self.resolution}")
        kind, _, file = self.tokenizer.partition(":")
        if kind not in SIZES or bool(file) == (kind == "words"):
            hint = nearest(kind, SIZES)
            raise InputError(
                f"pairs.tokenizer: expected words, clip:FILE or siglip:FILE, got "
                f"{self.tokenizer!r}; {hint}"
            )
        for name in EVALUATION:
            if len(getattr(self, name)) not in (0, 4):
                raise InputError(
                    f"pairs.{name}: expected (dataset, split, image field, field) or (), got "
                    f"{getattr(self, name)}"
                )

    @property
    def id(self) -> str:
        """A hash of all that the files in the directory follow from."""
        return files.digest(dataclasses.asdict(self))

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return SIZES[self.tokenizer.partition(":")[0]]

    def first(self, examples: int) -> "Pairs":
        """Returns the first pairs of the same split."""
        return dataclasses.replace(self, split=f"{self.split.partition('[')[0]}[:{examples}]")

    def is_prepared(self, data_dir: Path) -> bool:
        """Tells whether the captions are annotated."""
        return is_prepared(self, data_dir)

    def prepare(self, data_dir: Path, progress: Progress | None = None) -> None:
        """Annotates the captions."""
        prepare(self, data_dir, progress)

    def uids(self, data_dir: Path) -> np.ndarray:
        """Returns the uids of the training pairs."""
        return self.train(data_dir).uids

    def train(self, data_dir: Path, in_memory_gb: float = math.inf) -> Training:
        """Opens the training pairs; their pictures are decoded on demand."""
        del in_memory_gb  # photographs are never decoded as a whole
        table, images = read(self, data_dir)
        captions = table["caption"].combine_chunks().dictionary_encode()
        if isinstance(captions, pa.ChunkedArray):
            captions = captions.unify_dictionaries().combine_chunks()
        return Training(
            images=images,
            uids=table["uid"].to_numpy(),
            texts=captions.dictionary.to_pylist(),
            caption_id=captions.indices.to_numpy(),
            annotate=functools.partial(annotate, self, table),
        )

    def evaluation(self, data_dir: Path, in_memory_gb: float = math.inf) -> Splits:
        """Opens the evaluation splits that are named, their pictures decoded."""
        del data_dir, in_memory_gb
        return evaluation(self)

    def classes(self) -> tuple[str, dict[str, str]] | None:
        """Returns the name of the dataset of objects, and its classes with their phrases."""
        named = classes(self)
        return named and (Path(self.objects[0]).name, named)

    def open_tokenizer(self, data_dir: Path, context_length: int) -> Tokenizer:
        """Returns the tokenizer of the captions."""
        return tokenizer(self, data_dir, context_length=context_length)


def directory(pairs: Pairs, data_dir: str | os.PathLike) -> Path:
    """Returns where the files of the pairs lie."""
    return Path(data_dir) / "pairs" / pairs.id


def is_prepared(pairs: Pairs, data_dir: str | os.PathLike) -> bool:
    """Tells whether `prepare` has finished."""
    return (directory(pairs, data_dir) / "manifest.json").exists()


def prepare(pairs: Pairs, data_dir: str | os.PathLike, progress: Progress | None = None) -> Path:
    """Reads and annotates the training captions, unless that is done; returns the directory.

    Memory: 16,384 pairs at a time, and the words. An interrupted preparation starts again.

    Raises:
        InputError: if the dataset or a field of it is not there.
    """
    target = directory(pairs, data_dir)
    if is_prepared(pairs, data_dir):
        return target
    with files.new_directory(target) as folder:
        counts = _write_table(pairs, folder / "train.parquet", progress)
        words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
        text = "\n".join([*SPECIAL, *words[: WORDS - len(SPECIAL)]]) + "\n"
        files.write_text(folder / "vocabulary.txt", text)
        files.write_manifest(folder, pairs=dataclasses.asdict(pairs))
    return target


def read(pairs: Pairs, data_dir: str | os.PathLike) -> tuple[pa.Table, EncodedPictures]:
    """Returns the table of the training pairs, and their pictures.

    Raises:
        InputError: if they are not prepared, or a file is damaged.
    """
    table = pq.read_table(files.intact(directory(pairs, data_dir), "train.parquet"))
    records = _records(pairs.dataset, pairs.split, pairs.image)
    if len(records) != len(table):
        raise InputError(
            f"{pairs.dataset}, {pairs.split}: {len(records):,} pairs, but {len(table):,} when it "
            f"was prepared; delete {directory(pairs, data_dir)} and run again"
        )
    return table, EncodedPictures(records, resolution=pairs.resolution, field=pairs.image)


def annotate(pairs: Pairs, table: pa.Table, label_sets: tuple[str, ...]) -> Annotation:
    """Returns the annotation of a table that `read` gave, as `annotate.annotate` does.

    The words of its captions are all that is known of a pair, so that what they leave out counts
    as absent; "man" is unknown where they tell of nobody or of men and women alike.
    """
    known = lexicon.load(pairs.lexicon)
    names = _columns(known)
    man = table["man"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    shown = np.stack([table[name].to_numpy(zero_copy_only=False) for name in names], axis=1)
    parts = np.split(shown.astype(np.float64), [len(known.occupations)], axis=1)
    return assemble(
        man, (parts[0], list(known.occupations)), (parts[1], list(known.things)), label_sets
    )


def tokenizer(pairs: Pairs, data_dir: str | os.PathLike, *, context_length: int):
    """Returns the tokenizer, called with n texts for int32 [n, L]."""
    kind, _, file = pairs.tokenizer.partition(":")
    if kind != "words":
        return {"clip": ClipTokenizer, "siglip": SiglipTokenizer}[kind](
            file, context_length=context_length
        )
    path = files.intact(directory(pairs, data_dir), "vocabulary.txt")
    words = path.read_text(encoding="utf-8").split("\n")[:-1]
    return WordTokenizer(words, context_length=context_length, clean=canonical)


def evaluation(pairs: Pairs) -> dict[str, dict[str, Any]]:
    """Returns the evaluation splits as `evaluation.evaluate` takes them, pictures decoded."""
    splits = {}
    for name in EVALUATION:
        if not getattr(pairs, name):
            continue
        dataset, split, image, field = getattr(pairs, name)
        records = _records(dataset, split, image)
        values = [_value(record, field, dataset) for record in _all(records, f"{dataset} {split}")]
        every = np.arange(len(values))
        pictures = EncodedPictures(records, resolution=pairs.resolution, field=image)
        splits[name] = {"images": pictures[every], "group": every} | _ANSWER[name](values)
    return splits


def classes(pairs: Pairs) -> dict[str, str] | None:
    """Returns the classes of `objects` with their phrases; None: the dataset does not name them."""
    if not pairs.objects:
        return None
    dataset, _, _, field = pairs.objects
    feature = _builder(dataset).info.features
    for name in field.split("/"):
        feature = feature[name]
    names = getattr(feature, "names", None)
    return names and {name: with_article(name.replace("_", " ").lower()) for name in names}


_ANSWER = {
    "faces": lambda values: {"gender": np.array([int(bool(value)) for value in values])},
    "objects": lambda values: {"thing": np.array([int(value) for value in values])},
    "scenes": lambda values: {"captions": [_text(value) for value in values]},
}


def _write_table(pairs: Pairs, path: Path, progress: Progress | None) -> collections.Counter:
    """Writes uid, caption and annotation of every pair; returns how often each word occurs."""
    words, known = collections.Counter(), lexicon.load(pairs.lexicon)
    names = _columns(known)
    columns = {"uid": pa.string(), "caption": pa.string(), "man": pa.bool_()}
    schema = pa.schema(columns | dict.fromkeys(names, pa.bool_()))
    prefix, base = _builder(pairs.dataset).info.full_name, pairs.split
    records = _records(pairs.dataset, pairs.split, pairs.image)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(records), ROWS):
            rows = range(start, min(start + ROWS, len(records)))
            texts = [_text(_value(records[i], pairs.caption, pairs.dataset)) for i in rows]
            for text in texts:
                words.update(canonical(text).split())
            man, shown = known.annotate(texts)
            block = [
                pa.array([f"{prefix}/{base}/{i:010d}" for i in rows]),
                pa.array(texts),
                pa.array(man == 1, mask=man < 0),
                *(pa.array(column) for column in shown.T),
            ]
            writer.write_table(pa.table(block, schema=schema))
            if progress:
                progress("read captions", rows.stop, len(records))
    return words


def _columns(known: lexicon.Lexicon) -> list[str]:
    """Returns the columns of the labels; a word that names an occupation and a thing has two."""
    return [f"occupation: {name}" for name in known.occupations] + [
        f"thing: {name}" for name in known.things
    ]


def _builder(dataset: str):
    import tensorflow_datasets as tfds  # here: importing it takes seconds

    try:
        if Path(dataset).is_dir():
            return tfds.builder_from_directory(dataset)
        return tfds.builder(dataset, data_dir=os.environ.get("TFDS_DATA_DIR"))
    except (tfds.core.DatasetNotFoundError, FileNotFoundError, ValueError) as error:
        told = str(error).split("\n")[0]
        raise InputError(f"pairs: no dataset {dataset!r} in TFDS ({told})") from None


def _records(dataset: str, split: str, image: str):
    """Returns random access to the records of a split, their pictures left encoded."""
    import tensorflow_datasets as tfds

    builder = _builder(dataset)
    if image not in builder.info.features:
        hint = nearest(image, list(builder.info.features))
        raise InputError(f"pairs: {dataset} has no field {image!r}; {hint}")
    try:
        return builder.as_data_source(split, decoders={image: tfds.decode.SkipDecoding()})
    except (AssertionError, FileNotFoundError, NotImplementedError, ValueError) as error:
        told = str(error).split("\n")[0]
        raise InputError(
            f"pairs: {dataset}, split {split!r} can't be read ({told}); prepare the dataset with "
            "tfds.builder(...).download_and_prepare(file_format='array_record')"
        ) from None


def _all(records, what: str) -> Iterator[Mapping[str, Any]]:
    if not len(records):
        raise InputError(f"pairs: {what} has no pictures")
    return (records[i] for i in range(len(records)))


def _value(record: Mapping[str, Any], field: str, dataset: str) -> Any:
    """Returns a field of a record, of a list its first entry."""
    value: Any = record
    for name in field.split("/"):
        if not isinstance(value, Mapping) or name not in value:
            raise InputError(f"pairs: {dataset} has no field {field!r}; it has {sorted(record)}")
        value = value[name]
    if isinstance(value, list | np.ndarray) and np.ndim(value):
        if not len(value):
            raise InputError(f"pairs: {dataset}: an empty list in the field {field!r}")
        value = value[0]
    return value


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
