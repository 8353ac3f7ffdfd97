"""How a picture of any size becomes the square that a model takes."""

import dataclasses
from typing import Any, Literal, get_args

from m4jax.errors import InputError, nearest

_RESIZE = Literal["shortest", "squash"]
_INTERPOLATION = Literal["bicubic", "bilinear", "lanczos"]
_CUT = Literal["round", "floor"]


@dataclasses.dataclass(frozen=True)
class Scaling:
    """What is done to a picture's pixels before they are normalised.

    Mean and standard deviation of the normalisation are the variant's `pixel_mean` and `pixel_std`.
    `data.pictures.read(content, scaling.size, **scaling.options)` carries it out.

    Raises:
        InputError: if a choice is not among those there are, or `edge` is below `size`.
    """

    size: int  # height and width of the square, in pixels
    # What is scaled to `edge`: the shorter side, the longer one keeping its proportion
    # ("shortest"); or either side, whatever the proportion ("squash").
    resize: _RESIZE = "shortest"
    interpolation: _INTERPOLATION = "bicubic"  # always with antialiasing, as Pillow does it
    edge: int | None = None  # in pixels, of which the middle is cut out; None: `size`
    # Where the middle begins if what is cut off is odd: half of it, rounded to the even neighbour
    # (torchvision, open_clip) or down (transformers).
    cut: _CUT = "round"

    def __post_init__(self):
        for field, kind in (("resize", _RESIZE), ("interpolation", _INTERPOLATION), ("cut", _CUT)):
            value, names = getattr(self, field), get_args(kind)
            if value not in names:
                raise InputError(f"unknown {field} {value!r}; {nearest(str(value), names)}")
        if self.size < 1 or (self.edge is not None and self.edge < self.size):
            raise InputError(
                f"scaling: expected a size of at least 1 and an edge not below it, got {self.size} "
                f"and {self.edge}"
            )

    @property
    def options(self) -> dict[str, Any]:
        """The choices, by name, as `data.pictures.read` takes them beside the size."""
        return {
            "resize": self.resize,
            "interpolation": self.interpolation,
            "edge": self.edge,
            "cut": self.cut,
        }
