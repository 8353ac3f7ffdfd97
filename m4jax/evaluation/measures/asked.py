"""What every measurement is given, and what it says where there is nothing to be told."""

import dataclasses
import functools

import numpy as np

from m4jax.evaluation.measures.measure import MODEL, VERSION, Measure
from m4jax.evaluation.measures.pictures import UNKNOWN, Attribute, PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.measures.word_lists import WordLists
from m4jax.evaluation.resampling import Settings
from m4jax.files import digest


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a model on one set of pictures.

    Attributes:
        pictures: by their embeddings or predictions.
        texts: embeds texts; None: there are predictions alone, and nothing is asked of texts.
        prompts: the words to ask with.
        words: lists of words to ask with, for rankings, harm, So-B-IT and association tests; None:
            these are not asked about.
        settings: of the resampling; also the least number of independent groups.
    """

    pictures: PictureSet
    texts: Texts | None
    prompts: AuditPrompts
    words: WordLists | None = None
    settings: Settings = dataclasses.field(default_factory=Settings)

    @functools.cached_property
    def version(self) -> str:
        """Of the metrics and of the words."""
        return f"{VERSION}+{self.prompts.version}"

    @functools.cached_property
    def words_version(self) -> str:
        """Of the metrics, of the words and of the lists of words."""
        return f"{self.version}+{self.words.version}" if self.words else self.version

    def about(self, metric: str, **fields) -> dict:
        """Returns the fields of a measure of these pictures, for `measured`."""
        return {"part": MODEL, "metric": metric, "source": self.pictures.name,
                "version": self.version, **fields}  # fmt: skip

    def untold(self, metric: str, note: str, **fields) -> Measure:
        """Returns a measure that can't be told, and why."""
        return Measure(**self.about(metric, note=note, **fields))

    def known(self, attribute: str) -> tuple[Attribute, np.ndarray | None]:
        """Returns what is known of an attribute of the pictures, and what was predicted of it.

        Values stand in the order of the prompts where these know them all, since a difference of
        two is the first minus the second. Predictions [n] are None where there are none.
        """
        found = self.pictures.attributes[attribute]
        predicted = self.pictures.predictions.get(attribute)
        values = list(self.prompts.attributes.get(attribute, ()))
        meant = [self.prompts.value(attribute, name) for name in found.names]
        order = np.arange(len(meant))
        if None not in meant:
            order = np.argsort([values.index(value) for value in meant], kind="stable")
        place = np.append(np.argsort(order), UNKNOWN)  # the last is where −1 points
        names = tuple(found.names[k] for k in order)
        moved = None if predicted is None else place[predicted]
        return Attribute(names, place[found.codes]), moved

    def unknown(self, texts: list[str]) -> str:
        """Returns which of the texts can't be embedded, as a note; "" if all can."""
        missing = [text for text in dict.fromkeys(texts) if not self.texts.known(text)]
        if not missing:
            return ""
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return f"no embedding of {', '.join(map(repr, missing[:3]))}{more}"


def sample(pictures: PictureSet, rows: np.ndarray, strata: np.ndarray, settings: Settings) -> str:
    """Returns what tells how pictures were resampled: numbers of equal key and sample are paired.

    Args:
        pictures: the set.
        rows: [m] int, which of them are resampled.
        strata: [m] their strata.
        settings: of the resampling.
    """
    resampled = sorted(
        zip(
            map(str, pictures.uids[rows].tolist()),
            map(str, pictures.groups[rows].tolist()),
            map(str, np.asarray(strata).tolist()),
            strict=True,
        )
    )
    return digest([resampled, dataclasses.asdict(settings)])
