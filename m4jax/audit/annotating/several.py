"""Examples annotated by their captions, by a model that looks at their pictures, and by columns.

What each tells is kept apart until the end, so that the counts say who told what; then they are
made one, see `data.annotation.union`.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m4jax.audit.annotating import by_source
from m4jax.audit.annotating.config import SeveralConfig
from m4jax.data import readers
from m4jax.data.annotation import inputs, load_lexicon
from m4jax.data.annotation.tables import AnnotateConfig
from m4jax.data.annotation.union import UNKNOWN, Agreement, Part, agreement, united
from m4jax.data.readers.collection import CAPTIONS, UID, Collection
from m4jax.data.readers.uids import check
from m4jax.errors import InputError, nearest
from m4jax.evaluation.measures.pictures import Texts
from m4jax.files import atomic, parquet
from m4jax.progress import Progress

Told = dict[str, dict[str, tuple[int, ...]]]
Embed = Callable[[Collection], tuple[np.ndarray, Sequence[str]]]
WORDS, PICTURES, COLUMNS = SOURCES = ("captions", "pictures", "columns")


@dataclasses.dataclass
class Annotated:
    """What was found.

    Attributes:
        table: uid, caption, and a column for each attribute (true, false or NULL) and label.
        told: who -> column -> in how many examples it tells it: of attributes 1 and 0, of labels.
        told_of_all: the same of what they tell together.
        agreements: attribute -> two of `SOURCES` -> how they go together.
        left_out: what can't be read, a line each.
    """

    table: pa.Table
    told: Told
    told_of_all: dict[str, tuple[int, ...]]
    agreements: dict[str, dict[tuple[str, str], Agreement]]
    left_out: list[str]

    def facts(self) -> dict[str, Any]:
        """Returns what was found, but for the table, as plain values."""
        pairs = {
            name: {" and ".join(pair): dataclasses.asdict(x) for pair, x in found.items()}
            for name, found in self.agreements.items()
        }
        return {"examples": len(self.table), "told": self.told, "told_of_all": self.told_of_all,
                "agreements": pairs, "left_out": self.left_out}  # fmt: skip


def annotate_all(
    config: SeveralConfig, folder: Path, tell: Callable[[str], None], progress: Progress
) -> Annotated:
    """Annotates what a configuration names, by the model that it names.

    Args:
        config: of what, and by what.
        folder: where embeddings of pictures are kept, so that an interrupted run goes on.
        tell: prints a line.
        progress: told how many pictures are embedded.

    Raises:
        InputError: for what can't be read.
    """
    collections = opened(config)
    if not config.model:
        return annotate(config, collections, None, None)
    from m4jax.audit.model import embedding  # which loads JAX: not for columns alone

    looker = embedding.open_model(
        config.model, folder, tokenizer=config.tokenizer, batch_size=config.batch_size, tell=tell
    )
    texts = looker.texts()
    if texts is None:
        raise InputError(
            f"{config.model}: no tokenizer, so that nothing can be asked; name one in "
            "config.tokenizer"
        )

    def embed(collection: Collection) -> tuple[np.ndarray, list[str]]:
        found, faults = looker.pictures(collection, progress)
        whole = np.full((len(collection), found.values.shape[1]), np.nan, np.float32)
        whole[found.rows] = found.values
        return whole, [f"{collection.name}: {why}" for why in faults.values()]

    return annotate(config, collections, embed, texts)


def annotate(
    config: SeveralConfig,
    collections: Sequence[Collection],
    embed: Embed | None,
    texts: Texts | None,
) -> Annotated:
    """Annotates all examples of collections.

    Args:
        config: by what.
        collections: of examples.
        embed: a collection -> the embeddings [n, d] of its pictures, NaN where one can't be read,
            and why; None: no model looks.
        texts: embeds texts with the same model.

    Raises:
        InputError: if a column is missing, captions are in another language, or two examples have
            one uid.
    """
    lexicon = load_lexicon(config.lexicon)
    found: dict[str, list[Part]] = {name: [] for name in SOURCES}
    uids: list[str] = []
    captions: list[str] = []
    left_out: list[str] = []
    for collection in collections:
        names, texts_of, rows = _read(collection, config)
        uids += names
        left_out += [f"{collection.name}: {x}: {why}" for x, why in collection.left_out.items()]
        captions += [next(iter(x), "") for x in texts_of]
        if config.captions:
            found[WORDS].append(by_source.by_words(lexicon, texts_of, config.check_language))
        if config.columns:
            found[COLUMNS].append(by_source.by_columns(config, rows, collection.name))
        if embed is not None and texts is not None:
            embeddings, faults = embed(collection)
            left_out += faults
            found[PICTURES].append(by_source.by_pictures(lexicon, embeddings, texts, config))
    check(lambda: iter([uids]), ", ".join(config.files), "uid")
    parts = {name: _one_below_another(x) for name, x in found.items() if x}
    whole = united(list(parts.values()))
    columns = {"uid": pa.array(uids, pa.string()), "caption": pa.array(captions, pa.string())}
    for name in lexicon.attribute_names:
        column = whole.attributes.get(name, np.full(len(uids), UNKNOWN))
        columns[name] = pa.array(column == 1, mask=column == UNKNOWN)
    for name in lexicon.label_columns:
        columns[name] = pa.array(whole.labels.get(name, np.zeros(len(uids), bool)))
    told = _told({**parts, "": whole})
    return Annotated(pa.table(columns), told, told.pop(""), _agreements(parts), left_out)


def write(found: Annotated, path: Path) -> None:
    """Writes the table as `experiments.balance` takes it, atomically."""
    with atomic(path) as temporary:
        parquet.write(found.table, temporary)


def opened(config: SeveralConfig) -> list[Collection]:
    """Returns what the configuration names; raises `InputError` for what can't be opened."""
    caption = "" if config.caption == AnnotateConfig.caption else config.caption
    return [
        readers.open_collection(
            path, image=config.image, caption=caption, uid=config.uid, split=config.split
        )
        for path in inputs.matching(config.files)
    ]


def _read(
    collection: Collection, config: SeveralConfig
) -> tuple[list[str], list[list[str]], dict[str, list[Any]]]:
    """Returns uids, captions, and the columns that are asked for."""
    wanted = list(dict.fromkeys(theirs for _, theirs, _ in config.columns))
    for name in wanted:
        if name not in collection.columns:
            hint = nearest(name, collection.columns) if collection.columns else "it has none"
            raise InputError(f"config.columns: {collection.name} has no {name!r}; {hint}")
    uids: list[str] = []
    captions: list[list[str]] = []
    rows: dict[str, list[Any]] = {name: [] for name in wanted}
    for block in collection.blocks():
        uids += block[UID].to_pylist()
        captions += [list(x or ()) for x in block[CAPTIONS].to_pylist()]
        for name in wanted:
            rows[name] += block[name].to_pylist()
    return uids, captions, rows


def _one_below_another(parts: Sequence[Part]) -> Part:
    return Part(
        *(
            {name: np.concatenate([getattr(part, kind)[name] for part in parts])
             for name in getattr(parts[0], kind)}
            for kind in ("attributes", "labels")
        )
    )  # fmt: skip


def _told(parts: Mapping[str, Part]) -> Told:
    told: Told = {}
    for source, part in parts.items():
        told[source] = {
            n: (int((x == 1).sum()), int((x == 0).sum())) for n, x in part.attributes.items()
        }
        told[source] |= {n: (int(x.sum()),) for n, x in part.labels.items() if x.any()}
    return told


def _agreements(parts: Mapping[str, Part]) -> dict[str, dict[tuple[str, str], Agreement]]:
    found: dict[str, dict[tuple[str, str], Agreement]] = {}
    for one, other in itertools.combinations(parts, 2):
        for name, column in parts[one].attributes.items():
            if name in parts[other].attributes:
                pair = agreement(column, parts[other].attributes[name])
                found.setdefault(name, {})[one, other] = pair
    return found
