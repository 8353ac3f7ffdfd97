"""PNG files of 16-bit colours, which Pillow reads in 8."""

import struct
import zlib

import pytest

from m4jax.data import pictures
from m4jax.errors import InputError


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour, transparent=None):
    row = b"\0" + struct.pack(">24H", *(colour * 8))
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0))]
    if transparent:
        parts.append(chunk(b"tRNS", struct.pack(">3H", *transparent)))
    parts += [chunk(b"IDAT", zlib.compress(row * 8)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_colours_are_brought_to_eight_bits():
    assert pictures.read(png((65535, 32768, 257)), 4)[0, 0].tolist() == [255, 128, 1]


@pytest.mark.parametrize("transparent", [(65535, 32768, 257), (1, 1, 1)])
def test_a_transparent_colour_can_not_be_found_again(transparent):
    for colour in ((65535, 32768, 257), (300, 300, 300)):
        with pytest.raises(InputError, match="one is transparent; save it with an alpha channel"):
            pictures.read(png(colour, transparent), 4)
