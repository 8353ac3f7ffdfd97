"""One way to read a picture's file, as a person sees it: turned, on white, in 8 bits, square."""

import dataclasses
import io
import math
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from m4jax.errors import InputError

# What browsers and cameras write. Others of Pillow's are left out: EPS and WMF run programs, TGA
# and PCX have no mark of their own, so that any bytes may pass for them.
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "AVIF", "PPM", "ICO")
Image.init()  # registers them
PIXELS = 89_478_485  # of one picture: Pillow's own bound, a quarter of a gigabyte in RGB
ELONGATED = 8  # longer to shorter side from which the middle is cut out before it is scaled

# Name -> filter of Pillow, and how many pixels of the coarser picture it reaches to either side.
FILTERS = {
    "bicubic": (Image.Resampling.BICUBIC, 2),
    "bilinear": (Image.Resampling.BILINEAR, 1),
    "lanczos": (Image.Resampling.LANCZOS, 3),
}
RESIZES, CUTS = ("shortest", "squash"), ("round", "floor")
_WIDE = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # modes of more than 8 bits
_ORIENTATION, _BITS, _PHOTOMETRIC = 274, 258, 262  # tags of EXIF and TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclasses.dataclass(frozen=True)
class Fit:
    """How a picture of any size becomes a square; see `read`."""

    side: int
    resize: str = "shortest"
    interpolation: str = "bicubic"
    edge: int | None = None
    cut: str = "round"

    def __post_init__(self):
        choices = {"resize": RESIZES, "interpolation": FILTERS, "cut": CUTS}
        for field, names in choices.items():
            if getattr(self, field) not in names:
                raise InputError(f"unknown {field} {getattr(self, field)!r}; one of {list(names)}")
        if self.side < 1 or self.scaled < self.side:
            raise InputError(
                f"pictures: expected a side of at least 1 and an edge not below it, got "
                f"{self.side} and {self.edge}"
            )

    @property
    def scaled(self) -> int:
        """Number of pixels to which a picture is scaled before its middle is cut out."""
        return self.side if self.edge is None else self.edge


def read(
    content: bytes,
    side: int,
    *,
    resize: str = "shortest",
    interpolation: str = "bicubic",
    edge: int | None = None,
    cut: str = "round",
) -> np.ndarray:
    """Returns the picture in a file's bytes as uint8 [side, side, 3], as a person sees it.

    It is turned as its EXIF says; what is transparent shows white; 16 bits, and floats from 0 to
    1, are brought to 8 bits by their whole range; of several frames the first one counts. Colour
    profiles are not applied, as open_clip doesn't either. Then it is scaled (with antialiasing) so
    that its shorter side has `edge` pixels, and cut to the square in its middle, as torchvision's
    Resize and CenterCrop do in open_clip's preprocessing: pictures in RGB or grey that are not
    turned come out equal to open_clip's, bit for bit.

    Args:
        content: of a file of `FORMATS`.
        side: of the square, in pixels.
        resize: "shortest": as told; "squash": both sides are scaled to `edge` pixels.
        interpolation: of `FILTERS`.
        edge: at least `side`; None: `side`.
        cut: where the middle begins if what is cut off is odd: "round" halves to the even
            neighbour, as torchvision does, or "floor", as transformers does.

    Raises:
        InputError: if it is none, is damaged or cut off, has more than `PIXELS` pixels, or values
            whose scale can't be known; or on an unknown choice.
    """
    fit = Fit(side, resize, interpolation, edge, cut)
    return np.asarray(_fit(decode(content), fit))


def decode(content: bytes) -> Image.Image:
    """Returns the whole picture in RGB as a person sees it; see `read`."""
    if not isinstance(content, bytes) or not content:
        raise InputError(f"expected the bytes of a picture's file, got {_told(content)}")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(image.size)
            if image.format == "PNG":
                _check_sums(content)
                _check_transparency(image, content)
            image.load()
            return _turned(_flat(image), image)
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise InputError(f"not a readable image ({_told(content)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"a picture of more than {PIXELS:,} pixels") from None
    # Pillow's readers raise whatever a broken file leads them to: OSError, SyntaxError, ValueError,
    # struct.error, EOFError, KeyError, IndexError, TypeError, OverflowError, ZeroDivisionError, ...
    except Exception as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(f"not a readable image (damaged: {reason})") from None


def _told(content: Any) -> str:
    """Returns what came in place of a picture, in a few words."""
    if not isinstance(content, bytes):
        return type(content).__name__
    if not content:
        return "an empty file"
    start = content[:16].removeprefix(b"\xef\xbb\xbf").lstrip()
    return "text (HTML, XML or SVG)" if start[:1] == b"<" else f"it starts with {content[:8]!r}"


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width < 1 or height < 1 or width * height > PIXELS:
        raise InputError(f"a picture of {width:,} × {height:,} pixels; expected 1 to {PIXELS:,}")


def _check_sums(content: bytes) -> None:
    """Raises if a checksum of a PNG file is wrong: decoding alone does not look at all of them."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        image.verify()


def _check_transparency(image: Image.Image, content: bytes) -> None:
    """Raises if a colour of 16 bits is transparent: Pillow compares it with what is left in 8."""
    if image.mode == "RGB" and content[24] == 16 and "transparency" in image.info:
        raise InputError(
            "a PNG of 16-bit colours of which one is transparent; save it with an alpha channel"
        )


def _flat(image: Image.Image) -> Image.Image:
    """Returns a picture of any mode in RGB, on white where it is transparent."""
    if image.mode in _WIDE:
        image = _eight_bits(image)
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white


def _eight_bits(image: Image.Image) -> Image.Image:
    """Returns a grey picture of more bits in 8; black is 0 and white the largest possible value."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "F":
        _check_floats(values)
        white = 1
    else:
        white = _white(values, image, tags)
    grey = np.rint(values.astype(np.float32) * np.float32(255 / white)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero
        grey = 255 - grey
    if "transparency" in image.info:  # one value that stands for nothing at all
        grey = np.where(values == image.info["transparency"], np.uint8(255), grey)
    return Image.fromarray(grey)


def _check_floats(values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise InputError("a picture of floats that are not all finite")
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise InputError(
            f"a picture of floats from {low:g} to {high:g}; expected 0 to 1, as which of them is "
            "white can't be known; save it with 8 or 16 bits"
        )


def _white(values: np.ndarray, image: Image.Image, tags: Any) -> int:
    """Returns the value of white of a picture of integers."""
    if image.mode != "I":
        bits = tags.get(_BITS, (16,))
        bits = bits if isinstance(bits, int) else bits[0]
        return 2 ** min(max(bits, 9), 16) - 1
    low, high = int(values.min()), int(values.max())
    # Pillow has PGM files of 16 bits in 32; TIFF files of 32 bits don't say how many they use.
    if low < 0 or high > 65_535 or (image.format != "PPM" and 0 < high < 256):
        raise InputError(
            f"a picture of 32-bit integers from {low} to {high}: which of them is white can't be "
            "known; save it with 8 or 16 bits"
        )
    return 65_535


def _turned(picture: Image.Image, source: Image.Image) -> Image.Image:
    """Returns a picture as the EXIF data of its file say that it was held.

    A file whose EXIF data can't be read is shown as it lies, as viewers do.
    """
    try:
        turn = _TURNS.get(source.getexif().get(_ORIENTATION, 1))
    except Exception:  # as in `decode`
        return picture
    return picture if turn is None else picture.transpose(turn)


def _fit(image: Image.Image, fit: Fit) -> Image.Image:
    """Scales a picture and cuts its middle, with the peers' roundings."""
    resample, _ = FILTERS[fit.interpolation]
    if fit.resize == "squash":
        width = height = fit.scaled
    else:
        width, height = _scaled(image.size, fit.scaled)
    left, top = (_first(size - fit.side, fit.cut) for size in (width, height))
    if fit.resize == "squash" or max(image.size) <= ELONGATED * min(image.size):
        if (width, height) != image.size:
            image = image.resize((width, height), resample)
        return image.crop((left, top, left + fit.side, top + fit.side))
    return _middle(image, (image.width / width, image.height / height), (left, top), fit)


def _first(surplus: int, cut: str) -> int:
    """Returns how many of the surplus pixels are cut off before the middle."""
    return round(surplus / 2) if cut == "round" else surplus // 2


def _middle(
    image: Image.Image, step: tuple[float, float], corner: tuple[int, int], fit: Fit
) -> Image.Image:
    """Returns the square without the strip around it: 1 × 30,000 would become 1.5e9 pixels.

    Args:
        image: the whole.
        step: width and height, in pixels of the whole, of a pixel of the scaled picture.
        corner: left and top of the square in the scaled picture.
        fit: tells its side and the filter.
    """
    side, (resample, support) = fit.side, FILTERS[fit.interpolation]
    starts, ends = [], []  # what the filter reaches from the square
    for size, pixel, first in zip(image.size, step, corner, strict=True):
        reach = support * max(pixel, 1) + 2
        starts.append(max(0, math.floor(first * pixel - reach)))
        ends.append(min(size, math.ceil((first + side) * pixel + reach)))
    image = image.crop((*starts, *ends))
    left, top = (c * s - start for c, s, start in zip(corner, step, starts, strict=True))
    right, bottom = left + side * step[0], top + side * step[1]
    # In two passes, in the order in which Pillow scales the whole: they don't commute quite.
    image = image.resize((side, image.height), resample, box=(left, 0, right, image.height))
    return image.resize((side, side), resample, box=(0, top, side, bottom))


def _scaled(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Returns width and height of which the shorter one is `side`; the longer one is cut off."""
    shorter, longer = min(size), max(size)
    longer = int(side * longer / shorter)
    return (side, longer) if size[0] <= size[1] else (longer, side)
