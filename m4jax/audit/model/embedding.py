"""What a model sees: pictures and texts of an audit embedded, kept on disk, and taken up again.

Embeddings lie in the workdir by the identities of model and pictures, in files of 1,024 pictures
each with their checksums. A killed audit goes on after the last of them; another audit of the same
pictures and model makes none.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageFilter

from m4jax import files, models
from m4jax.audit.model import own_run
from m4jax.audit.model.measuring import Embedded
from m4jax.data import pictures, tokenizers
from m4jax.data.examples import Tokenizer
from m4jax.data.readers.collection import Collection
from m4jax.errors import DamagedError, InputError
from m4jax.evaluation.measures.pictures import Texts
from m4jax.files import parquet
from m4jax.models import Opened
from m4jax.progress import Progress
from m4jax.training.embed import Embedder

LENGTHS = (16, 32, 48)  # tokens at which short texts are embedded
VERSION = 1  # to be raised with every change of how a picture or a text is embedded
ROWS = 1024  # pictures of a file
TEXTS, SECONDS = 256, 60  # texts that are embedded at once; between two times that they are saved
EDGES = "edges"  # in place of a folder of blurred pictures: all but the middle is blurred
Part = tuple[range, np.ndarray, dict[int, str]]  # rows, embeddings, row -> why it has none
KEPT = (0.6, 0.8)  # width and height of the ellipse that stays, as shares of the picture's
BLUR = 1 / 16  # radius of the blur, as a share of the picture's side


@dataclasses.dataclass
class Model:
    """A model that embeds an audit's pictures and texts.

    Args:
        opened: the model.
        folder: where embeddings are kept.
        tokenizer: "KIND:FILE"; "": the model's own.
        batch_size: of pictures and of texts.
        tell: prints a line.
        progress: told how many texts are embedded; None: nobody is.
        words: the tokenizer, where it has no name: that of a run of ours.
    """

    opened: Opened
    folder: Path
    tokenizer: str = ""
    batch_size: int = 32
    tell: Callable[[str], None] = print
    progress: Progress | None = None
    words: Tokenizer | None = None

    def __post_init__(self):
        self._embedder = Embedder(self.opened.module, self.opened.params,
                                  batch_size=self.batch_size)  # fmt: skip
        name = self.tokenizer or self.opened.tokenizer
        self._tokenizer = tokenizers.open_named(name, self.opened.context) if name else self.words

    @property
    def identity(self) -> str:
        """A hash of the model and of its tokenizer."""
        own = tokenizers.identity(self.tokenizer) if self.tokenizer else ""
        return files.digest([self.opened.identity, own, VERSION], 64)

    @property
    def parameters(self) -> int:
        """How many numbers the model has."""
        return sum(int(np.size(x)) for x in jax.tree.leaves(self.opened.params))

    def texts(self) -> Texts | None:
        """Returns what embeds texts, each once, also over audits; None: no tokenizer, no texts."""
        if self._tokenizer is None:
            return None
        path = self.folder / f"texts-{self.identity[:16]}.parquet"
        return Texts(_Kept(path, self), self._embedder.logit_scale)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the embeddings [k, d] of texts.

        Where no token sees a later one, what pads a text does not matter: short texts, which most
        are, go through the tower at a short length of their own.
        """
        tokens = self._tokenizer(list(texts))
        v = self.opened.module.variant
        if v.text_mask != "causal" or v.text_pooling != "last":
            return self._embedder.tokens(tokens)
        used = (tokens != 0).cumsum(1).argmax(1) + 1
        lengths = [length for length in LENGTHS if length < v.context] + [v.context]
        fit = np.searchsorted(lengths, used)
        found = np.zeros((len(texts), v.embed), np.float32)
        for place in np.unique(fit).tolist():
            rows = np.flatnonzero(fit == place)
            cut = tokens[rows, : lengths[place]]
            for start in range(0, len(rows), self.batch_size):
                part = cut[start : start + self.batch_size]
                padded = np.pad(part, ((0, self.batch_size - len(part)), (0, 0)))
                values = np.asarray(self._tower(self.opened.params, padded))
                found[rows[start : start + len(part)]] = values[: len(part)]
        return found

    @functools.cached_property
    def _tower(self) -> Callable[[Any, np.ndarray], jax.Array]:
        """The text tower, compiled for each length."""
        module = self.opened.module

        def embed(params: Any, tokens: jax.Array) -> jax.Array:
            return module.apply({"params": params}, tokens, method="encode_text")[0]

        return jax.jit(embed)

    def pictures(
        self, collection: Collection, progress: Progress, change: str = ""
    ) -> tuple[Embedded, dict[int, str]]:
        """Returns the embeddings of a collection's pictures, and row -> why it can't be read.

        Args:
            collection: with pictures.
            progress: told how many are embedded.
            change: "edges": all but the middle of each picture is blurred; "": none.

        Raises:
            InputError: if there are no pictures, or not one can be read.
        """
        if not collection.has_pictures:
            raise InputError(f"{collection.name}: no pictures for a model to look at")
        name = files.digest([self.identity, collection.identity, change], 16)
        parts = [
            self._part(collection, range(start, min(start + ROWS, len(collection))),
                       self.folder / name / f"{start:09d}.parquet", change, progress)
            for start in range(0, len(collection), ROWS)
        ]  # fmt: skip
        faults = {row: why for _, _, some in parts for row, why in some.items()}
        good = np.array([row not in faults for row in range(len(collection))], bool)
        if not good.any():
            raise InputError(
                f"{collection.name}: not one picture can be read; the first: {faults[0]}"
            )
        values = np.concatenate([part[1] for part in parts])[good]
        return Embedded(np.flatnonzero(good), values), faults

    def _part(
        self, collection: Collection, rows: range, path: Path, change: str, progress: Progress
    ) -> Part:
        """Returns up to `ROWS` pictures, from disk if they are there."""
        if path.exists():
            try:
                found = _read(path)
                progress("embed pictures", rows.stop, len(collection))
                return found
            except DamagedError as error:
                self.tell(f"{error}: made again")
        values = np.zeros((len(rows), self.opened.module.variant.embed), np.float32)
        faults: dict[int, str] = {}
        for start in range(rows.start, rows.stop, self.batch_size):
            batch = range(start, min(start + self.batch_size, rows.stop))
            squares = {}
            for row in batch:
                try:
                    squares[row] = self._square(collection.picture(row), change)
                except InputError as error:
                    faults[row] = str(error)
            if squares:
                found = self._embedder.images(np.stack(list(squares.values())))
                values[[row - rows.start for row in squares]] = found
            progress("embed pictures", batch.stop, len(collection))
        _write(path, rows, values, faults)
        return rows, values, faults

    def _square(self, content: bytes, change: str) -> np.ndarray:
        scaling = self.opened.scaling
        found = pictures.read(content, scaling.size, **scaling.options)
        return blurred_edges(found) if change == EDGES else found


class _Kept:
    """Embeds texts of a model, and keeps their embeddings in a file."""

    def __init__(self, path: Path, model: Model):
        self._path, self._model, self._found = path, model, {}
        try:
            table = parquet.read(path) if path.exists() else None
        except DamagedError as error:
            model.tell(f"{error}: made again")
            table = None
        if table is not None:
            values = _matrix(table["embedding"].combine_chunks(), len(table))
            self._found = dict(zip(table["text"].to_pylist(), values, strict=True))

    def __call__(self, texts: list[str]) -> np.ndarray:
        new = [text for text in texts if text not in self._found]
        saved = time.monotonic()
        for start in range(0, len(new), TEXTS):
            part = new[start : start + TEXTS]
            self._found |= dict(zip(part, self._model.embed_texts(part), strict=True))
            done = start + len(part)
            if self._model.progress is not None:
                self._model.progress("embed texts", done, len(new))
            if done == len(new) or time.monotonic() - saved > SECONDS:
                self._save()
                saved = time.monotonic()
        return np.stack([self._found[text] for text in texts])

    def _save(self) -> None:
        values = np.stack(list(self._found.values())).astype(np.float32)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
        table = pa.table({"text": list(self._found), "embedding": lists})
        with files.atomic(self._path) as temporary:
            parquet.write(table, temporary)


def blurred_edges(picture: np.ndarray) -> np.ndarray:
    """Returns a picture of which all but an ellipse in the middle is blurred.

    It knows nothing of what is shown: who stands at the side is blurred, and what is behind a
    person in the middle is not. Gaussian, of a radius of 1/16 of the side; the ellipse is 60% of
    the width and 80% of the height.

    Args:
        picture: uint8 [h, w, 3].
    """
    height, width = picture.shape[:2]
    image = Image.fromarray(picture)
    mask = Image.new("L", (width, height), 0)
    x, y = (1 - KEPT[0]) / 2 * width, (1 - KEPT[1]) / 2 * height
    ImageDraw.Draw(mask).ellipse((x, y, width - x, height - y), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(width / 64))
    far = image.filter(ImageFilter.GaussianBlur(BLUR * min(height, width)))
    return np.asarray(Image.composite(image, far, mask))


def open_model(
    path: str, folder: Path, *, tokenizer: str, batch_size: int, tell: Callable[[str], None]
) -> Model:
    """Opens a model; raises `InputError` for what can't be read."""
    if tokenizer:
        tokenizers.check_name(tokenizer, "config.tokenizer")
    if own_run.is_run(path) and not tokenizer:
        opened, words = own_run.open_run(path)
        return Model(opened, folder, "", batch_size, tell, words=words)
    opened = models.open_folder(path)
    if tokenizer:  # what the folder lacks has come from elsewhere
        notes = tuple(x for x in opened.notes if not x.startswith(models.folders.pieces.NONE))
        opened = dataclasses.replace(opened, notes=notes)
    return Model(opened, folder, tokenizer, batch_size, tell)


def _write(path: Path, rows: range, values: np.ndarray, faults: dict[int, str]) -> None:
    """Writes embeddings [n, d] of pictures; those of `faults`, row -> why, have none."""
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), values.shape[1], mask=pa.array([row in faults for row in rows])
    )
    told = pa.array([faults.get(row) for row in rows], pa.string())
    table = pa.table({"row": pa.array(rows, pa.int64()), "embedding": lists, "fault": told})
    with files.atomic(path) as temporary:
        parquet.write(table, temporary)


def _read(path: Path) -> tuple[range, np.ndarray, dict[int, str]]:
    """Returns what `_write` wrote; raises `DamagedError` if it is not that."""
    table = parquet.read(path)
    try:
        rows = table["row"].to_pylist()
        faults = {x: y for x, y in zip(rows, table["fault"].to_pylist(), strict=True) if y}
        column = table["embedding"].combine_chunks()
        values = column.fill_null([0.0] * column.type.list_size) if column.null_count else column
        return range(rows[0], rows[-1] + 1), _matrix(values, len(rows)), faults
    except (LookupError, ValueError, AttributeError, pa.ArrowException) as error:
        raise DamagedError(f"{path}: damaged ({error})") from None


def _matrix(column: pa.Array, n: int) -> np.ndarray:
    return column.flatten().to_numpy(zero_copy_only=False).reshape(n, -1)
