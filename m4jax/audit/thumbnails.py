"""Small pictures of examples, for pages that people look at."""

import contextlib
import io
from collections.abc import Collection as Several
from collections.abc import Sequence

from PIL import Image

from m4jax.data import readers
from m4jax.data.annotation.inputs import matching
from m4jax.data.pictures import decode
from m4jax.errors import InputError
from m4jax.terminal import plain

QUALITY = 80  # of the JPEG files


def thumbnail(content: bytes, side: int) -> bytes:
    """Returns a picture's file as a JPEG whose longer side has at most `side` pixels.

    It holds no EXIF data: places and names stay behind.

    Raises:
        InputError: if it can't be read.
    """
    picture = decode(content)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    Image.frombytes("RGB", picture.size, picture.tobytes()).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def thumbnails(paths: Sequence[str], uids: Several[str], side: int) -> dict[str, bytes]:
    """Returns uid -> thumbnail of those that have a picture that can be read.

    Args:
        paths: of collections, or patterns.
        uids: as they are printed (`terminal.plain`).
        side: pixels of the longer side.
    """
    found: dict[str, bytes] = {}
    for path in matching(paths):
        collection = readers.open_collection(path)
        if not collection.has_pictures:
            continue
        names = (plain(x) for block in collection.blocks() for x in block["uid"].to_pylist())
        for row, name in enumerate(names):
            if name in uids:
                with contextlib.suppress(InputError):
                    found[name] = thumbnail(collection.picture(row), side)
    return found
