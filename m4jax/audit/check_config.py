"""How a sample of an annotation is checked."""

import dataclasses

from m4jax.errors import InputError


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
