"""Pictures with captions from what people have, or any TFDS dataset, annotated by their words.

`DIR/pairs/<id>/` holds what is read of the training split once: `train.parquet` (uid, caption,
"man" and other attributes, a column for each label; `experiments.balance` takes it as it is),
`vocabulary.txt` and, written last, `manifest.json`. The pictures stay where they are, but those of
parquet, which can't be reached in any order: they are copied to `pictures.tar`.
"""

import collections
import dataclasses
import functools
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.data import collected, prepared, tokenizers
from m4jax.data.annotation import load_lexicon, with_article
from m4jax.data.collected import CollectedRecords, Opened
from m4jax.data.encoded import EncodedPictures, Records, unreadable
from m4jax.data.evaluation_sets import caption_of, class_names, evaluation_split
from m4jax.data.examples import Splits, Tokenizer, Training
from m4jax.data.text import words as text_words
from m4jax.errors import InputError
from m4jax.files import parquet
from m4jax.progress import Progress

ROWS = 1 << 14  # of the table that are held while it is written
EVALUATION = ("faces", "objects", "scenes")
PLAIN = ("split", "image", "caption", "resolution", "skip")  # fields that are what they say


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Where the pairs come from, and the pictures that models are evaluated on.

    A dataset is anything that `readers.open_collection` opens: a folder, shards, parquet, a folder
    of Hugging Face's; or the name of one that TFDS has prepared ("coco_captions", looked up in
    TFDS_DATA_DIR) or its directory, in array_record files. A field within another one is written
    with a stroke, "captions/text"; of several captions the first is taken. Datasets, lexicon and
    tokenizer are known by their contents: edited in place, prepared anew or moved, they are what
    they hold.
    The evaluation sets may be () to be left out. The methods are those of `Source`.
    """

    kind: ClassVar[str] = "pairs"
    composed: ClassVar[int] = 0
    looked_at: ClassVar[tuple[str, ...]] = EVALUATION

    dataset: str = "coco_captions"  # a path or pattern of files; a name, looked up in TFDS_DATA_DIR
    split: str = "train"  # "train[:10%]" for a part
    image: str = "image"  # field of the picture; left so, it is found by itself but in TFDS
    caption: str = "captions/text"  # field of the caption, likewise; of several captions the first
    resolution: int = 224  # pixels a side, scaled and cut, see `EncodedPictures`
    lexicon: str = "en_v2"  # words by which captions are annotated, or a .json file
    check_language: bool = True  # whether to refuse captions in another language than its own
    # "words" (the most frequent of the captions), "clip:FILE", "siglip:FILE" or "siglip2:FILE": its
    # tokenizer.json, OpenAI's bpe_simple_vocab_16e6.txt.gz or SigLIP's SentencePiece model
    tokenizer: str = "words"
    skip: int = 0  # examples that can't be read and are left out; more are refused, with their rows
    # (dataset, split, image field, field that is true for men, or "gender=Male")
    faces: tuple[str, ...] = ("celeb_a", "test", "image", "attributes/Male")
    # (dataset, split, image field, class field): pictures without persons
    objects: tuple[str, ...] = ("oxford_iiit_pet", "test", "image", "label")
    # (dataset, split, image field, caption field): pairs for retrieval
    scenes: tuple[str, ...] = ("coco_captions", "test", "image", "captions/text")

    def __post_init__(self):
        load_lexicon(self.lexicon)  # raises if there is none of this name
        if self.resolution < 1:
            raise InputError(f"pairs.resolution: expected at least 1, got {self.resolution}")
        if self.skip < 0:
            raise InputError(f"pairs.skip: expected at least 0, got {self.skip}")
        tokenizers.check_name(self.tokenizer, "pairs.tokenizer")
        for name in EVALUATION:
            if len(getattr(self, name)) not in (0, 4):
                raise InputError(
                    f"pairs.{name}: expected (dataset, split, image field, field) or (), got "
                    f"{getattr(self, name)}"
                )

    @property
    def facts(self) -> dict[str, Any]:
        """All that the training pairs follow from, with contents in place of names."""
        return {
            "dataset": collected.identity(self.dataset, self.split, self.image, self.caption),
            "lexicon": load_lexicon(self.lexicon).digest,
            "tokenizer": tokenizers.identity(self.tokenizer),
            **{name: getattr(self, name) for name in PLAIN},
        }

    @property
    def id(self) -> str:
        """A hash of all that the files in the directory follow from: of contents, not of names."""
        return files.digest(self.facts)

    @property
    def looked_at_id(self) -> str:
        """A hash of what the evaluation sets follow from, by contents."""
        sets = {name: getattr(self, name) for name in self.looked_at if getattr(self, name)}
        contents = {
            name: collected.identity(dataset, split, image, field if name == "scenes" else "")
            for name, (dataset, split, image, field) in sets.items()
        }
        fields = {name: fields for name, (_, *fields) in sets.items()}
        return files.digest([contents, fields, self.resolution, self.skip])

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return tokenizers.size(self.tokenizer)

    def first(self, examples: int) -> "Pairs":
        """Returns the first pairs of the same split."""
        return dataclasses.replace(self, split=f"{self.split.partition('[')[0]}[:{examples}]")

    def directory(self, data_dir: str | os.PathLike) -> Path:
        """Returns where the files of the pairs lie."""
        return Path(data_dir) / "pairs" / self.id

    def is_prepared(self, data_dir: str | os.PathLike) -> bool:
        """Tells whether `prepare` has finished."""
        return (self.directory(data_dir) / files.MANIFEST).exists()

    def prepare(self, data_dir: str | os.PathLike, progress: Progress | None = None) -> None:
        """Reads and annotates the training captions, unless that is done.

        Memory: 16,384 pairs at a time, and the words. An interrupted preparation starts again.

        Raises:
            InputError: if the dataset or a field of it is not there.
        """
        if self.is_prepared(data_dir):
            return
        with files.new_directory(self.directory(data_dir)) as folder:
            facts = {"pairs": dataclasses.asdict(self), "contents": self.facts}
            opened = _open(self)
            counts, left_out = _write_table(self, opened, folder / "train.parquet", progress)
            facts |= {"left_out": left_out} | collected.keep_pictures(opened, left_out, folder)
            text = "".join(f"{word}\n" for word in tokenizers.vocabulary(counts))
            files.write_text(folder / "vocabulary.txt", text)
            files.write_manifest(folder, **facts)

    def read(self, data_dir: str | os.PathLike) -> tuple[pa.Table, EncodedPictures]:
        """Returns the table of the training pairs, and their pictures.

        Raises:
            InputError: if they are not prepared, or a file is damaged.
        """
        folder = self.directory(data_dir)
        table = parquet.read(files.intact(folder, "train.parquet"))
        manifest = files.read_sealed(folder / files.MANIFEST)
        records, image = _records(self, folder, manifest)
        left_out = [] if manifest.get("pictures") else [int(x) for x in manifest["left_out"]]
        rows = np.setdiff1d(np.arange(len(records)), left_out)
        if len(rows) != len(table) or len(records) != len(table) + len(left_out):
            raise InputError(
                f"{self.dataset}, {self.split}: {len(records):,} pairs, but "
                f"{len(table) + len(left_out):,} when it was prepared; delete {folder} and run "
                "again"
            )
        return table, EncodedPictures(records, resolution=self.resolution, field=image, rows=rows)

    def train(self, data_dir: str | os.PathLike, in_memory_gb: float = math.inf) -> Training:
        """Opens the training pairs; their pictures are decoded on demand."""
        del in_memory_gb  # photographs are never decoded as a whole
        table, images = self.read(data_dir)
        captions = table["caption"].combine_chunks().dictionary_encode()
        if isinstance(captions, pa.ChunkedArray):
            captions = captions.unify_dictionaries().combine_chunks()
        return Training(
            images=images,
            uids=table["uid"].to_numpy(),
            texts=captions.dictionary.to_pylist(),
            caption_id=captions.indices.to_numpy(),
            annotate=functools.partial(load_lexicon(self.lexicon).read, table),
        )

    def evaluation(
        self,
        data_dir: str | os.PathLike = "",
        in_memory_gb: float = math.inf,
        scaling: Mapping[str, Any] | None = None,
    ) -> Splits:
        """Opens the evaluation splits that are named, their pictures decoded.

        `scaling`: how pictures become squares, see `EncodedPictures`.
        """
        del data_dir, in_memory_gb
        splits: Splits = {}
        for name in EVALUATION:
            if not getattr(self, name):
                continue
            splits[name] = evaluation_split(
                name, getattr(self, name), self.resolution, self.skip, scaling
            )
        return splits

    def classes(self) -> tuple[str, dict[str, str]] | None:
        """Returns the name of the dataset of objects, and its classes with their phrases.

        None: there is no such dataset, or it does not name its classes.
        """
        if not self.objects:
            return None
        dataset = self.objects[0]
        names = class_names(self.objects)
        if names is None:
            return None
        phrases = {name: with_article(name.replace("_", " ").lower()) for name in names}
        return Path(dataset).name, phrases

    def open_tokenizer(self, data_dir: str | os.PathLike, context_length: int) -> Tokenizer:
        """Returns the tokenizer of the captions."""
        if self.tokenizer != tokenizers.WORDS:
            return tokenizers.open_named(self.tokenizer, context_length)
        path = files.intact(self.directory(data_dir), "vocabulary.txt")
        words = path.read_text(encoding="utf-8").split("\n")[:-1]
        return tokenizers.WordTokenizer(words, context_length=context_length)


def _open(pairs: Pairs) -> Opened:
    """Opens the training pairs, of a collection or of TFDS."""
    where = (pairs.dataset, pairs.split, pairs.image)
    if collected.is_collection(pairs.dataset):
        return collected.open_pairs(*where, pairs.caption)
    prefix = prepared.builder(pairs.dataset).info.full_name
    records, caption = prepared.Records(*where), (pairs.caption, pairs.dataset)
    prepared.feature(pairs.dataset, pairs.caption)  # raises if there is none
    return Opened(
        records=records,
        image=pairs.image,
        check=lambda record: caption_of(record, *caption),
        text=lambda row: caption_of(records[row], *caption),
        uid=lambda row: f"{prefix}/{pairs.split}/{row:010d}",
    )


def _records(pairs: Pairs, folder: Path, manifest: Mapping[str, Any]) -> tuple[Records, str]:
    """Returns the records of the training pairs, and the field of their pictures."""
    where = (pairs.dataset, pairs.split, pairs.image)
    if mark := manifest.get("pictures"):
        return collected.kept_pictures(folder, mark), "image"
    if collected.is_collection(pairs.dataset):
        return CollectedRecords(*collected.open_part(*where, pairs.caption)), "image"
    return prepared.Records(*where), pairs.image


def _write_table(
    pairs: Pairs, opened: Opened, path: Path, progress: Progress | None
) -> tuple[collections.Counter, dict[int, str]]:
    """Writes uid, caption and annotation of every pair that can be read.

    Returns how often each word occurs, and row ↦ reason of the pairs that are left out.
    """
    words, lexicon = collections.Counter(), load_lexicon(pairs.lexicon)
    columns = dict.fromkeys((*lexicon.attribute_names, *lexicon.label_columns), pa.bool_())
    schema = pa.schema({"uid": pa.string(), "caption": pa.string()} | columns)
    records, what = opened.records, f"pairs: {pairs.dataset} {pairs.split}"
    left_out = unreadable(
        records, field=opened.image, skip=pairs.skip, progress=progress, what=what,
        check=opened.check,
    )  # fmt: skip
    if len(left_out) == len(records):
        reason = next(iter(left_out.values()), "it is empty")
        raise InputError(f"{what}: nothing can be read; the first: {reason}")
    prepared.tell_left_out(what, left_out)
    with parquet.writer(path, schema) as writer:
        for start in range(0, len(records), ROWS):
            stop = min(start + ROWS, len(records))
            rows = [row for row in range(start, stop) if row not in left_out]
            texts = [opened.text(row) for row in rows]
            for text in texts:
                words.update(text_words(text))
            if pairs.check_language and lexicon.language and start == 0:
                lexicon.language.check(texts, unless="pairs.check_language=False")
            attributes, labels = lexicon.annotate(texts)
            block = [
                pa.array([opened.uid(row) for row in rows]),
                pa.array(texts),
                *(pa.array(column == 1, mask=column < 0) for column in attributes.T),
                *(pa.array(column) for column in labels.T),
            ]
            writer.write_table(pa.table(block, schema=schema))
            if progress:
                progress("read captions", stop, len(records))
    return words, left_out
