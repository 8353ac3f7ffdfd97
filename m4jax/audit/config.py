"""What an audit is of, and how it is made: every setting, checked at the boundary."""

import dataclasses
import datetime
import math
import os
from collections.abc import Mapping
from typing import Any

from m4jax import settings
from m4jax.data.annotation import load_lexicon
from m4jax.errors import InputError, nearest
from m4jax.evaluation.measures import prompts, word_lists
from m4jax.evaluation.measures.kinds import KINDS, PLAIN
from m4jax.evaluation.resampling import MINIMUM, Settings

EXAMPLE = "configs/audit.py"
NAMED = ("source", "attribute", "group")  # by which a limit can be narrowed, "source=flickr"
EVERY = "*"  # in place of a label: each of them
Pairs = tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True)
class SetConfig:
    """One set of examples, and what tells what they show."""

    name: str = ""  # what the page calls it; "": as its file or folder is called
    # Pictures or captions: a folder, tar shards, parquet, COCO's JSON, a file of captions, a folder
    # of Hugging Face datasets, a TFDS dataset.
    data: str = ""
    image: str = ""  # its field of the picture or of its path; "": found by itself
    caption: str = ""  # its field of the captions; "": found by itself
    uid: str = ""  # its field of the uid, and that of the table; "": found by itself
    split: str = ""  # of the dataset; "": found by itself
    embeddings: str = ""  # of pictures: npz, parquet, or npy; in place of a model that embeds them
    table: str = ""  # csv, tsv, json, jsonl or parquet: what they show, joined by uid
    # Attribute and the column that tells it, (("gender", "sex"),). Those of captions need none.
    attributes: tuple[tuple[str, ...], ...] = ()
    labels: tuple[str, ...] = ()  # columns of labels: true or false, or a name, "" for none
    # Attribute and the column in which a model has said it, (("gender", "gender_preds"),).
    predictions: tuple[tuple[str, ...], ...] = ()
    # Column of what is not independent: a person, a scene; "": each example by itself, but captions
    # without pictures by the column that names theirs.
    group: str = ""
    nobody: str = ""  # column, true where a picture shows nobody; "": where captions name nobody
    annotation: str = ""  # `examples.parquet` of experiments.annotate, joined by uid

    def __post_init__(self):
        for field in ("attributes", "predictions"):
            for pair in getattr(self, field):
                if len(pair) != 2 or not all(pair):
                    raise InputError(
                        f"config.{field}: expected (attribute, column), as in "
                        f"(('gender', 'sex'),), got {pair!r}"
                    )
        names = [name for name, _ in self.attributes]
        if len(set(names)) < len(names):
            raise InputError(f"config.attributes: one has two columns: {', '.join(names)}")
        for name, _ in self.predictions:
            if name not in names and not self.data and not self.table:
                raise InputError(
                    f"config.predictions: of {name!r} nothing is known to compare them with; name "
                    "its column in config.attributes, and the table in config.table"
                )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is named."""
        return not (self.data or self.embeddings or self.table)

    @property
    def title(self) -> str:
        """What to call it."""
        path = (self.data or self.embeddings or self.table).rstrip("/")
        if set(os.path.basename(path)) & set("*?[{"):  # "shards/*.tar"
            path = os.path.dirname(path) or path
        return self.name or os.path.basename(path).partition(".")[0] or path


SET_FIELDS = tuple(field.name for field in dataclasses.fields(SetConfig))


@dataclasses.dataclass(frozen=True)
class AuditConfig(SetConfig):
    """What an audit is of; any of data, model and embeddings."""

    # Further sets, each as a record of the fields above: ({"name": "street", "data": "street/"},).
    sets: tuple[dict, ...] = ()
    # The pictures of `data` once more, backgrounds blurred or masked, of the same uids; or "edges":
    # all but an ellipse in the middle is blurred, whatever it shows.
    blurred: str = ""
    texts: tuple[str, ...] = ()  # embeddings of texts: npz, parquet, or npy with the texts beside
    model: str = ""  # a folder of Hugging Face or open_clip, a big_vision file, a run of ours
    tokenizer: str = ""  # of the model, "clip:FILE", "siglip2:FILE"; "": the folder's own
    batch_size: int = 32  # pictures that a model embeds at once
    logit_scale: float = 100.0  # of stored embeddings, before a softmax; a model has its own
    lexicon: str = "en_v2"  # words by which captions are annotated; "": they are not
    label_sets: tuple[str, ...] = ("occupations",)  # of the lexicon's: occupations, things
    check_language: bool = True  # whether to refuse captions in another language
    prompts: str = "audit_v1"  # what a model is asked: a version, or a file of one's own
    words: str = "words_v1"  # lists of words: a version, or a file of one's own; "": none
    # Attribute, value, and texts that stand for it, the first of them the default, in place of the
    # prompts': (("gender", "woman", "a Woman", "a Girl"), ("gender", "man", "a Man", "a Boy")).
    wordings: tuple[tuple[str, ...], ...] = ()
    # Metric, label and largest distance from no bias (of accuracies: the least value), as in
    # (("gap", "nurse", 0.05),). "*": each label; more can follow, "source=flickr", "group=man".
    limits: tuple[tuple[str | float, ...], ...] = ()
    compared: tuple[str, ...] = ()  # metrics that --against compares; (): all
    band: float = 0.05  # balancing: by how much a share may miss one half; 0.05 are 5 points
    duplicates: bool = True  # whether to look for pictures that come twice
    minimum: int = MINIMUM  # least number of independent examples of a group
    resamples: int = 1000  # of the bootstrap
    seed: int = 0  # of the bootstrap
    level: float = 0.95  # of the intervals
    show_pictures: bool = False  # whether the page shows examples: faces, too
    show_captions: bool = True  # whether the page quotes captions, those that come again
    title: str = "Audit"  # heading of the page
    date: str = ""  # of the audit, "2026-11-27T08:00:00"; "": now

    def __post_init__(self):
        super().__post_init__()
        if self.is_empty and not self.sets:
            raise InputError(
                "an audit is of something: set config.data (pictures or captions), with "
                "config.model for what a model does with them, or config.embeddings"
            )
        if self.model and not any(one.data for one in self.every_set):
            raise InputError("config.model: it needs pictures to look at; set config.data")
        if self.model and self.texts:
            raise InputError("config.texts: a model embeds its own texts; leave one of them out")
        if self.blurred and not (self.model and self.data):
            raise InputError("config.blurred: of config.data as config.model sees it; set both")
        if self.show_pictures and not (self.model or any(x.embeddings for x in self.every_set)):
            raise InputError(
                "config.show_pictures: shows whom a model takes pictures for; set config.model"
            )
        if self.batch_size < 1:
            raise InputError(f"config.batch_size: expected 1 or more, got {self.batch_size}")
        if self.logit_scale <= 0:
            raise InputError(f"config.logit_scale: expected more than 0, got {self.logit_scale}")
        if self.lexicon:
            load_lexicon(self.lexicon)  # raises if there is none of this name
        if not 0 < self.band < 0.5:
            raise InputError(f"config.band: expected above 0 and below 0.5, got {self.band}")
        _ = self.settings
        prompts.load(self.prompts)
        if self.words:
            word_lists.load(self.words)
        self._check_names()
        self._check_words()
        for limit in self.limits:
            _check_limit(limit)
        for metric in self.compared:
            _check_metric(metric, "config.compared")

    @property
    def own(self) -> SetConfig:
        """The first set: that of the fields of the configuration itself."""
        return SetConfig(**{name: getattr(self, name) for name in SET_FIELDS})

    @property
    def every_set(self) -> tuple[SetConfig, ...]:
        """All sets, the first one first."""
        own = () if self.is_empty else (self.own,)
        return (*own, *(_set(values, i) for i, values in enumerate(self.sets)))

    @property
    def settings(self) -> Settings:
        """How to resample."""
        return Settings(self.resamples, self.seed, self.level, self.minimum)

    def _check_names(self) -> None:
        names = [one.title for one in self.every_set]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"two sets are called {name!r}; give each a name of its own")

    def _check_words(self) -> None:
        for row in self.wordings:
            if len(row) < 3 or not all(row):
                raise InputError(
                    "config.wordings: expected (attribute, value, text, …), as in "
                    f"(('gender', 'woman', 'a woman'),), got {row!r}"
                )
        if self.date:
            try:
                datetime.datetime.fromisoformat(self.date)
            except ValueError:
                raise InputError(
                    f"config.date: expected a date as in 2026-11-27T08:00:00, got {self.date!r}"
                ) from None


def audit_config(values: Mapping[str, Any]) -> AuditConfig:
    """Returns the configuration of plain values; raises `InputError` naming the field."""
    return settings.record(AuditConfig, values, "config", EXAMPLE)


def _set(values: Mapping[str, Any], place: int) -> SetConfig:
    where = f"config.sets[{place}]"
    defaults = {field.name: field.default for field in dataclasses.fields(SetConfig)}
    found = settings.record(SetConfig, defaults | dict(values), where, EXAMPLE)
    if found.is_empty:
        raise InputError(f"{where}: names neither data, nor embeddings, nor a table")
    return found


def _check_metric(metric: Any, where: str) -> None:
    if metric not in KINDS:
        raise InputError(f"{where}: no metric {metric!r}; {nearest(str(metric), KINDS)}")


def _check_limit(limit: tuple[str | float, ...]) -> None:
    shape = "expected (metric, label, limit), as in ('gap', 'nurse', 0.05)"
    if len(limit) < 3 or not isinstance(limit[1], str) or isinstance(limit[2], str):
        raise InputError(f"config.limits: {shape}, got {limit!r}")
    _check_metric(limit[0], "config.limits")
    if not math.isfinite(limit[2]) or limit[2] < 0:
        raise InputError(f"config.limits: expected a limit of 0 or more, got {limit!r}")
    if KINDS[limit[0]].unit != PLAIN and limit[2] > 1:
        raise InputError(
            f"config.limits: {limit[2]:g} would be {100 * limit[2]:g} points or percent, which "
            f"always holds or never; write {limit[2] / 100:g} for {limit[2]:g}, got {limit!r}"
        )
    for more in limit[3:]:
        name, sign, value = str(more).partition("=")
        if name not in NAMED or not sign or not value:
            raise InputError(
                f"config.limits: {more!r}: expected one of "
                f"{', '.join(f'{name}=…' for name in NAMED)}"
            )
