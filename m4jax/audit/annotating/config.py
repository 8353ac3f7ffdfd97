"""What is annotated by whom, and how a sample of it is checked."""

import dataclasses

from m4jax.data.annotation import load_lexicon
from m4jax.data.annotation.tables import AnnotateConfig
from m4jax.errors import InputError, nearest


@dataclasses.dataclass(frozen=True)
class SeveralConfig(AnnotateConfig):
    """Which captions and pictures are annotated, and by what."""

    captions: bool = True  # whether the words of captions count
    # A model that looks at the pictures: a folder of Hugging Face or open_clip, a big_vision file,
    # or a run of ours; "": nobody does. It errs: check a sample by experiments.check_annotation.
    model: str = ""
    tokenizer: str = ""  # of the model, "clip:FILE", "siglip2:FILE"; "": the folder's own
    confidence: float = 0.9  # probability from which on the model's answer counts, above 0.5
    batch_size: int = 32  # pictures that it looks at at once
    # Columns of one's own: our column, theirs, and the value that makes it true, "" where it is
    # true or false itself, as in (("man", "sex", "m"), ("occupation: nurse", "is_nurse", "")).
    columns: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if not 0.5 < self.confidence < 1:
            raise InputError(
                f"config.confidence: expected above 0.5 and below 1, got {self.confidence}"
            )
        if self.batch_size < 1:
            raise InputError(f"config.batch_size: expected 1 or more, got {self.batch_size}")
        if not (self.captions or self.model or self.columns):
            raise InputError("config.captions, model, columns: one of them has to tell something")
        lexicon = load_lexicon(self.lexicon)
        known = (*lexicon.attribute_names, *lexicon.label_columns)
        for own in self.columns:
            if len(own) != 3 or not (own[0] and own[1]):
                raise InputError(
                    "config.columns: expected (our column, theirs, its value), as in "
                    f"(('man', 'sex', 'm'),), got {own!r}"
                )
            if own[0] not in known:
                raise InputError(
                    f"config.columns: {own[0]!r} is no column of {lexicon.version}; "
                    f"{nearest(own[0], known)}"
                )

    @property
    def several(self) -> bool:
        """Whether anything but the words of captions tells."""
        return bool(self.model or self.columns) or not self.captions


@dataclasses.dataclass(frozen=True)
class CheckConfig:
    """Which examples of an annotation are checked by hand, and what is asked."""

    files: tuple[str, ...] = ()  # where the pictures are; (): those that were annotated
    sample: int = 200  # examples that are checked
    seed: int = 0  # of the sample: another one draws other examples
    attributes: tuple[str, ...] = ()  # columns that are asked about; (): all attributes
    labels: tuple[str, ...] = ()  # likewise; (): all labels
    pictures: bool = True  # whether check.html shows pictures, where there are any
    side: int = 320  # pixels of the longer side of a picture there
    answers: str = ""  # the file of answers; "": answers.csv in the workdir

    def __post_init__(self):
        if self.sample < 1:
            raise InputError(f"config.sample: expected at least 1, got {self.sample}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"config.seed: expected 0 to 2**32 - 1, got {self.seed}")
        if not 32 <= self.side <= 2048:
            raise InputError(f"config.side: expected 32 to 2048 pixels, got {self.side}")
