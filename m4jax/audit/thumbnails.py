"""Small pictures of a collection's examples, for pages that people look at."""

import io
from collections.abc import Callable, Collection as Several
from collections.abc import Sequence

from PIL import Image

from m4jax.data import readers
from m4jax.data.pictures import decode
from m4jax.errors import InputError

QUALITY = 80  # of the JPEG files


def thumbnail(content: bytes, side: int) -> bytes:
    """Returns a picture's file as a JPEG whose longer side has at most `side` pixels.

    Raises:
        InputError: if it can't be read.
    """
    picture = decode(content)
    picture.thumbnail((side, side), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)  # without EXIF: places and names stay behind
    return buffer.getvalue()


def thumbnails(
    paths: Sequence[str], side: int
) -> Callable[[Several[str]], dict[str, bytes]]:
    """Returns a function: uids -> uid and thumbnail of those that have a picture.

    Pictures that can't be read are left out.

    Args:
        paths: of collections.
        side: pixels of the longer side.
    """

    def of(uids: Several[str]) -> dict[str, bytes]:
        found = {}
        for path in paths:
            collection = readers.open_collection(path)
            if not collection.has_pictures:
                continue
            row = 0
            for block in collection.blocks():
                for uid in block["uid"].to_pylist():
                    if uid in uids:
                        try:
                            found[uid] = thumbnail(collection.picture(row), side)
                        except InputError:
                            pass
                    row += 1
        return found

    return of
