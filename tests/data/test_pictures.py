"""Pictures as a person sees them: every mode against sums of its own, peers, and damage."""

import glob
import io
import os
import sys
import types
import warnings
import zlib

import numpy as np
import pytest
from helpers.damage import damages
from PIL import Image

from m4jax.data import pictures
from m4jax.errors import InputError

SHAPE = (9, 14)
REAL = os.environ.get("M4JAX_REAL")


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def noise(*channels, high=256, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, high, (*SHAPE, *channels)).astype(dtype)


def whole(content):
    return np.asarray(pictures.decode(content))


def on_white(colour, alpha):
    """The composition over white, in float64."""
    share = np.asarray(alpha, np.float64)[..., None] / 255
    colour = np.asarray(colour, np.float64)
    colour = colour if colour.ndim == 3 else colour[..., None].repeat(3, -1)
    return colour * share + 255 * (1 - share)


def assert_seen(content, expected, within=0.5 + 1e-9):
    expected = np.asarray(expected, np.float64)
    expected = expected if expected.ndim == 3 else expected[..., None].repeat(3, -1)
    assert np.abs(whole(content) - expected).max() <= within


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "JPEG2000", "PPM", "ICO"])
def test_grey_and_rgb(format):
    options = {"sizes": [SHAPE[::-1]]} if format == "ICO" else {}
    for array in (noise(), noise(3)):
        assert_seen(encoded(Image.fromarray(array), format, **options), array)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "GIF", "BMP", "PPM"])
def test_one_bit_is_black_and_white(format):
    bits = noise(high=2) * np.uint8(255)
    assert_seen(encoded(Image.fromarray(bits).convert("1"), format), bits)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG2000"])
def test_alpha_is_composed_on_white(format):
    rgba = noise(4)
    rgba[:3, :, 3], rgba[3:6, :, 3] = 0, 255
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    content = encoded(Image.fromarray(rgba), format, **options)
    assert_seen(content, on_white(rgba[..., :3], rgba[..., 3]))
    if format != "WEBP":
        la = noise(2)
        image = Image.merge("LA", [Image.fromarray(la[..., i]) for i in (0, 1)])
        assert_seen(encoded(image, format), on_white(la[..., 0], la[..., 1]))


def test_black_on_transparency_is_black_on_white():
    drawing = np.zeros((*SHAPE, 4), np.uint8)
    drawing[4, :, 3] = 255
    seen = whole(encoded(Image.fromarray(drawing), "PNG"))
    assert (seen[4] == 0).all() and (np.delete(seen, 4, axis=0) == 255).all()


def test_palettes_with_and_without_transparency():
    index, colours = noise(high=5), noise(3)[0, :5]
    image = Image.fromarray(index)
    image.putpalette(colours.tobytes())
    for format in ("PNG", "GIF", "TIFF", "BMP"):
        assert_seen(encoded(image, format), colours[index])
    shares = np.array([0, 255, 100, 3, 254], np.uint8)
    content = encoded(image, "PNG", transparency=shares.tobytes())
    assert_seen(content, on_white(colours[index], shares[index]))
    for format in ("PNG", "GIF"):
        hidden = np.where(index == 2, 0, 255)
        content = encoded(image, format, transparency=2)
        assert_seen(content, on_white(colours[index], hidden))
    alpha = noise(seed=1)
    pa = Image.frombytes("PA", SHAPE[::-1], np.stack([index, alpha], axis=-1).tobytes())
    pa.putpalette(colours.tobytes())
    assert_seen(encoded(pa, "TIFF"), on_white(colours[index], alpha))


def test_one_colour_that_stands_for_nothing():
    rgb, grey = noise(3, high=2), noise(high=3)
    content = encoded(Image.fromarray(rgb), "PNG", transparency=(1, 0, 1))
    assert_seen(content, on_white(rgb, np.where((rgb == (1, 0, 1)).all(-1), 0, 255)))
    content = encoded(Image.fromarray(grey), "PNG", transparency=1)
    assert_seen(content, on_white(grey, np.where(grey == 1, 0, 255)))
    wide = noise(high=3, dtype=np.uint16) * np.uint16(300)
    content = encoded(Image.fromarray(wide), "PNG", transparency=300)
    assert_seen(content, on_white(wide / 257, np.where(wide == 300, 0, 255)))


def test_sixteen_bits_are_brought_to_eight():
    values = noise(high=65_536, dtype=np.uint16)
    values[0, :2] = 0, 65_535
    for format in ("PNG", "TIFF", "JPEG2000", "PPM"):
        assert_seen(encoded(Image.fromarray(values), format), values / 257)
    big = Image.frombytes("I;16B", SHAPE[::-1], values.astype(">u2").tobytes())
    assert_seen(encoded(big, "TIFF"), values / 257)
    assert_seen(encoded(Image.fromarray(values.astype(np.int32)), "TIFF"), values / 257)
    inverted = encoded(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    assert_seen(inverted, 255 - values / 257)
    dark = encoded(Image.fromarray(values // 1000), "PPM")
    assert_seen(dark, (values // 1000) / 257)


def test_floats_are_scaled_from_zero_to_one():
    values = np.random.default_rng(0).random(SHAPE, np.float32)
    values[0, :2] = 0, 1
    for format in ("TIFF", "PPM"):
        assert_seen(encoded(Image.fromarray(values), format), 255 * values, 0.501)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.linspace(0, 255, 12, dtype=np.float32), "floats from 0 to 255; expected 0 to 1"),
        (np.linspace(-1, 1, 12, dtype=np.float32), "floats from -1 to 1"),
        (np.array([0.5] * 11 + [np.nan], np.float32), "not all finite"),
        (np.array([0.5] * 11 + [np.inf], np.float32), "not all finite"),
        (np.arange(12, dtype=np.int32), "32-bit integers from 0 to 11"),
        (np.arange(12, dtype=np.int32) * 10**8, "32-bit integers from 0 to 11"),
        (np.arange(-1, 11, dtype=np.int32) * 999, "32-bit integers from -999"),
    ],
)
def test_values_without_a_scale_are_refused(array, message):
    with pytest.raises(InputError, match=message):
        pictures.read(encoded(Image.fromarray(array.reshape(3, 4)), "TIFF"), 4)


def test_colour_spaces():
    cmyk = noise(4)
    ink = 1 - cmyk.astype(float) / 255
    content = encoded(Image.frombytes("CMYK", SHAPE[::-1], cmyk.tobytes()), "TIFF")
    assert_seen(content, 255 * ink[..., :3] * ink[..., 3:], within=1)
    y, cb, cr = np.moveaxis(noise(3).astype(float), -1, 0)
    rgb = [y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128)]
    rgb = np.stack([*rgb, y + 1.772 * (cb - 128)], axis=-1).clip(0, 255)
    image = Image.frombytes("YCbCr", SHAPE[::-1], noise(3).tobytes())
    assert_seen(encoded(image, "TIFF", compression="raw"), rgb, within=1.5)
    lab = np.zeros((*SHAPE, 3), np.uint8)
    lab[..., 0] = np.linspace(0, 255, SHAPE[1])
    seen = whole(encoded(Image.frombytes("LAB", SHAPE[::-1], lab.tobytes()), "TIFF"))
    assert (np.diff(seen[0].mean(-1)) > 0).all() and seen[0, 0].max() < 9 < 240 < seen[0, -1].min()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_they_were_held(format, orientation):
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16], upright[:16, 16:], upright[16:, :16] = (250, 0, 0), (0, 250, 0), 250
    # How each of them lies in the file, by the table of EXIF 2.3, section 4.6.4.
    lies = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.swapaxes(0, 1), 6: np.rot90(upright), 7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[274] = orientation
    options = {"exif": exif} if format == "TIFF" else {"exif": exif.tobytes(), "quality": 95}
    seen = whole(encoded(Image.fromarray(np.ascontiguousarray(lies)), format, **options))
    assert seen.shape == upright.shape
    assert np.abs(seen.astype(int) - upright).mean() < 6


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_counts(format):
    frames = [Image.fromarray(np.full((*SHAPE, 3), value, np.uint8)) for value in (10, 200, 90)]
    options = {"lossless": True} if format == "WEBP" else {}
    content = encoded(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert_seen(content, np.full(SHAPE, 10))


def test_the_middle_of_a_long_picture_is_cut_before_it_is_scaled():
    row = np.arange(30_000) // 118 % 256
    for shape in ((1, 30_000), (30_000, 1)):
        long = row.astype(np.uint8).reshape(shape)
        seen = pictures.read(encoded(Image.fromarray(long), "PNG"), 224)
        assert seen.shape == (224, 224, 3) and (seen == row[15_000]).all()
    generator = np.random.default_rng(0)
    for width, height in ((400, 31), (31, 400), (2000, 3), (5, 900)):
        image = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        shorter, longer = min(image.size), max(image.size)
        size = (40, int(40 * longer / shorter))
        scaled = image.resize(size if width < height else size[::-1], Image.Resampling.BICUBIC)
        left, top = (round((x - 40) / 2) for x in scaled.size)
        expected = np.asarray(scaled.crop((left, top, left + 40, top + 40)))
        seen = pictures.read(encoded(image, "PNG"), 40)
        assert np.abs(seen.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos"])
@pytest.mark.parametrize("cut", ["round", "floor"])
def test_the_ways_of_other_models(interpolation, cut):
    """Pillow's own scaling, the whole of it, then the middle; a squashed picture has no strips."""
    generator = np.random.default_rng(0)
    resample = getattr(Image.Resampling, interpolation.upper())
    for width, height in ((61, 40), (40, 61), (100, 91), (400, 31), (31, 400), (20, 9)):
        image = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        content = encoded(image, "PNG")
        options = {"interpolation": interpolation, "cut": cut}
        for side, edge in ((40, None), (33, 40)):
            shorter = edge or side
            sizes = [shorter if x == min(image.size) else int(shorter * x / min(image.size))
                     for x in image.size]  # fmt: skip
            for resize, (w, h) in (("shortest", sizes), ("squash", [shorter] * 2)):
                left, top = (
                    round(x / 2) if cut == "round" else x // 2 for x in (w - side, h - side)
                )
                scaled = image.resize((w, h), resample)
                expected = np.asarray(scaled.crop((left, top, left + side, top + side)))
                seen = pictures.read(content, side, resize=resize, edge=edge, **options)
                long = max(image.size) > pictures.ELONGATED * min(image.size)
                within = 1 if long and resize == "shortest" else 0
                assert np.abs(seen.astype(int) - expected).max() <= within


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resize": "longest"}, "unknown resize 'longest'; one of"),
        ({"interpolation": "nearest"}, "unknown interpolation 'nearest'"),
        ({"cut": "up"}, "unknown cut 'up'"),
        ({"edge": 7}, "an edge not below it, got 8 and 7"),
    ],
)
def test_other_ways_are_told(options, message):
    with pytest.raises(InputError, match=message):
        pictures.read(FILES["PNG"], 8, **options)


def test_a_bomb_is_refused_before_it_is_read():
    image = Image.new("1", (10_000, 9_000))
    content = encoded(image, "PNG")
    for filter in ("error", "ignore"):
        with warnings.catch_warnings():
            warnings.simplefilter(filter, Image.DecompressionBombWarning)
            with pytest.raises(InputError, match="pixels"):
                pictures.read(content, 8)
    header = content[12:16] + (2**30).to_bytes(4, "big") + content[20:29]  # claims 9e12 pixels
    larger = content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]
    with pytest.raises(InputError, match="more than 89,478,485 pixels"):
        pictures.read(larger, 8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><p>404", "text .HTML"),
        (b"\xef\xbb\xbf <svg xmlns='http://www.w3.org/2000/svg'/>", "text .HTML"),
        (b"not a picture", "starts with b'not a pi'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a readable image"),
        (None, "NoneType"),
        ("text", "str"),
    ],
)
def test_what_is_no_picture_is_told(content, message):
    with pytest.raises(InputError, match=message):
        pictures.read(content, 8)


def test_a_damaged_checksum_of_png_is_noticed():
    content = bytearray(encoded(Image.fromarray(noise(3)), "PNG", compress_level=0))
    content[len(content) // 2] ^= 1  # a pixel
    with pytest.raises(InputError, match="damaged"):
        pictures.read(bytes(content), 8)


FILES = {
    "PNG": encoded(Image.fromarray(noise(4)), "PNG"),
    "JPEG": encoded(Image.fromarray(noise(3)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
    "GIF": encoded(Image.fromarray(noise(3)), "GIF"),
    "WEBP": encoded(Image.fromarray(noise(4)), "WEBP"),
    "TIFF": encoded(Image.fromarray(noise(high=65_536, dtype=np.uint16)), "TIFF"),
}


@pytest.mark.filterwarnings("ignore")  # Pillow's about broken tags
@pytest.mark.parametrize(
    "count", [60, pytest.param(20_000, marks=pytest.mark.long)], ids=["short", "long"]
)
@pytest.mark.parametrize("format", FILES)
def test_damaged_pictures_are_read_or_refused(format, count):
    refused = 0
    for damaged in damages(FILES[format], count):
        try:
            assert pictures.read(damaged, 8).shape == (8, 8, 3)
        except InputError:
            refused += 1
    assert refused > count // (10 if format in ("GIF", "TIFF") else 5)


@pytest.mark.skipif(not REAL, reason="needs M4JAX_REAL")
def test_photographs_equal_the_peers_sequence_in_pillow():
    paths = sorted(glob.glob(f"{REAL}/photos/*.jpg"))
    assert paths
    for path in paths[:: max(len(paths) // 100, 1)]:
        with Image.open(path) as image:
            shorter = min(image.size)
            size = [224 if x == shorter else int(224 * x / shorter) for x in image.size]
            scaled = image.resize(size, Image.Resampling.BICUBIC)
        left, top = (round((x - 224) / 2) for x in size)
        expected = scaled.crop((left, top, left + 224, top + 224)).convert("RGB")
        with open(path, "rb") as file:
            np.testing.assert_array_equal(pictures.read(file.read(), 224), np.asarray(expected))


def test_equals_open_clips_preprocessing():
    pytest.importorskip("torch")
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))
    transform = pytest.importorskip("open_clip.transform").image_transform
    theirs = transform(224, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
    generator = np.random.default_rng(0)
    sizes = [(300, 200), (223, 225), (224, 224), (33, 47), (640, 481), (1000, 300), (600, 40)]
    contents = [
        encoded(Image.fromarray(generator.integers(0, 256, (h, w, 3), dtype=np.uint8)), "PNG")
        for w, h in sizes
    ]
    for path in sorted(glob.glob(f"{REAL}/photos/*.jpg") if REAL else []):
        with open(path, "rb") as file:
            contents.append(file.read())
    for content in contents:
        image = Image.open(io.BytesIO(content))
        expected = np.rint(theirs(image).numpy().transpose(1, 2, 0) * 255)
        # Of a picture longer than 8 times its height the middle is cut first.
        tolerance = 1 if max(image.size) > 8 * min(image.size) else 0
        assert np.abs(pictures.read(content, 224) - expected).max() <= tolerance
