"""What a model is asked about: pictures by their embeddings, what is known of them, and texts."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation.ranks import normalise

UNKNOWN = -1


@dataclasses.dataclass(frozen=True)
class Attribute:
    """What is known of each picture of one attribute.

    Attributes:
        names: of its values, two or more.
        codes: int [n], the place of a picture's value among them; −1: unknown, or none applies.
    """

    names: tuple[str, ...]
    codes: np.ndarray


@dataclasses.dataclass(frozen=True)
class PictureSet:
    """Pictures, by their embeddings.

    Attributes:
        name: of the set.
        embeddings: float32 [n, d] of unit length.
        uids: [n] str.
        groups: [n]; pictures of one group are not independent and are resampled together.
        attributes: name -> what is known ("gender").
        labels: name -> bool [n], what they show besides ("nurse").
        nobody: bool [n]: known to show no person. All False: not known of any.
        captions: n lists of texts; None: there are none.
        predictions: attribute -> codes int [n] that a model has predicted itself, −1: none. Where
            they are given, accuracy is theirs, and no embedding is asked for.

    Raises:
        InputError: if something does not fit the pictures.
    """

    name: str
    embeddings: np.ndarray
    uids: np.ndarray
    groups: np.ndarray
    attributes: Mapping[str, Attribute] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    nobody: np.ndarray | None = None
    captions: Sequence[Sequence[str]] | None = None
    predictions: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for what, found in (
            ("embeddings", self.embeddings), ("groups", self.groups), ("nobody", self.nobody),
            ("captions", self.captions), *self.labels.items(),
        ):  # fmt: skip
            if found is not None and len(found) != len(self):
                raise InputError(
                    f"{self.name}: {what}: expected one row for each of {len(self)} pictures, got "
                    f"{len(found)}"
                )
        for name, attribute in self.attributes.items():
            self._check_codes(name, attribute.codes, len(attribute.names))
        for name, codes in self.predictions.items():
            if name not in self.attributes:
                raise InputError(
                    f"{self.name}: predictions of {name!r}, of which nothing is known; known: "
                    f"{', '.join(self.attributes) or 'no attribute'}"
                )
            self._check_codes(f"predictions of {name}", codes, len(self.attributes[name].names))

    def __len__(self) -> int:
        return len(self.uids)

    def _check_codes(self, what: str, codes: np.ndarray, values: int) -> None:
        codes = np.asarray(codes)
        fits = codes.shape == (len(self),) and np.issubdtype(codes.dtype, np.integer)
        if fits and (not codes.size or (codes.min() >= UNKNOWN and codes.max() < values)):
            return
        raise InputError(
            f"{self.name}: {what}: expected a whole number from −1 to {values - 1} for each of "
            f"{len(self)} pictures, got {codes.dtype} of shape {codes.shape}"
        )


class Texts:
    """Embeds texts, each once.

    Args:
        embed: k texts -> [k, d]; asked for texts that it knows only.
        logit_scale: factor of the cosines before a softmax.
        known: tells whether a text can be embedded; None: all can. A table of stored embeddings
            knows those in it.
    """

    def __init__(
        self,
        embed: Callable[[list[str]], np.ndarray],
        logit_scale: float,
        known: Callable[[str], bool] | None = None,
    ):
        self._embed, self._known, self._stored = embed, known, {}
        self.logit_scale = logit_scale

    def known(self, text: str) -> bool:
        """Tells whether a text can be embedded."""
        return self._known is None or self._known(text)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the unit embeddings [k, d], float32.

        Raises:
            InputError: if one of the texts is not known.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._stored]
        for text in new:
            if not self.known(text):
                raise InputError(f"no embedding of the text {text!r}")
        if new:
            self._stored |= dict(zip(new, normalise(self._embed(new), "texts"), strict=True))
        return np.stack([self._stored[text] for text in texts])
