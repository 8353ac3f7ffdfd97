"""Pictures that come twice: hashes of pictures made here, pairs against all comparisons."""

import io
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from m4jax.audit.data import duplicates


def scene(seed):
    """A picture of smooth shapes, 160 × 120."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    return coarse.resize((160, 120), Image.Resampling.BICUBIC)


def file(picture, kind="PNG", **options):
    with io.BytesIO() as out:
        picture.save(out, kind, **options)
        return out.getvalue()


def distance(one, other):
    return (duplicates.difference_hash(one) ^ duplicates.difference_hash(other)).bit_count()


@pytest.mark.parametrize("seed", range(5))
def test_other_sizes_and_compression_are_near_and_other_pictures_far(seed):
    picture = scene(seed)
    here = file(picture)
    assert distance(here, file(picture, "JPEG", quality=40)) <= duplicates.NEAR
    assert distance(here, file(picture.resize((400, 300)))) <= duplicates.NEAR
    assert distance(here, file(picture.point(lambda x: 0.8 * x + 20))) <= duplicates.NEAR
    assert distance(here, file(scene(seed + 100))) > 12


def test_what_is_said_to_be_missed_is_missed():
    picture = scene(0)
    assert distance(file(picture), file(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))) > 12
    assert distance(file(picture), file(picture.crop((30, 30, 160, 120)))) > 12


def test_plain_and_broken_pictures_have_no_hash():
    assert duplicates.difference_hash(file(Image.new("RGB", (50, 50), "white"))) == 0
    assert duplicates.difference_hash(b"no picture") is None
    assert duplicates.difference_hash(file(scene(0))[:200]) is None


def test_near_pairs_join_what_all_comparisons_join():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, 120, np.uint64)
    for i in range(40):
        bits = rng.choice(64, rng.integers(0, 6), replace=False)
        hashes[80 + i] = hashes[i] ^ np.bitwise_or.reduce(np.uint64(1) << bits.astype(np.uint64))
    found = {tuple(sorted(pair)) for pair in duplicates.near_pairs(hashes).tolist()}
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(120), 2)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= duplicates.NEAR
    }
    assert found == expected
    assert len(expected) > 15


@pytest.mark.skipif("M4JAX_REAL" not in os.environ, reason="needs real photographs")
def test_copies_of_photographs_are_found_and_other_photographs_are_not():
    files = sorted(Path(os.environ["M4JAX_REAL"], "photos").glob("*.jpg"))
    contents = [path.read_bytes() for path in files]
    hashes = [duplicates.difference_hash(x) for x in contents]
    far = min((a ^ b).bit_count() for a, b in itertools.combinations(hashes, 2))
    assert far > 3 * duplicates.NEAR
    found = {"half": 0, "quality": 0, "brighter": 0}
    for content, here in zip(contents[::4], hashes[::4], strict=True):
        picture = Image.open(io.BytesIO(content)).convert("RGB")
        copies = {
            "half": file(picture.resize((picture.width // 2, picture.height // 2)), "JPEG"),
            "quality": file(picture, "JPEG", quality=30),
            "brighter": file(picture.point(lambda x: min(255, int(1.2 * x + 10))), "JPEG"),
        }
        for name, copy in copies.items():
            distance = (here ^ duplicates.difference_hash(copy)).bit_count()
            found[name] += distance <= duplicates.NEAR
    assert found["half"] > 85 and found["quality"] > 85 and found["brighter"] > 80, found


class Pictures:
    name, has_pictures = "here", True

    def __init__(self, contents):
        self.contents = contents

    def __len__(self):
        return len(self.contents)

    def picture(self, row):
        return self.contents[row]


def test_groups_of_the_same_and_of_the_near():
    one, other = scene(1), scene(2)
    blank = Image.new("RGB", (30, 30), "white")
    contents = [
        file(one), file(other), file(one), file(one, "JPEG", quality=60), b"broken",
        file(blank), file(blank, "JPEG"),
    ]  # fmt: skip
    found = duplicates.find(Pictures(contents))
    assert (found.same[0] == found.same[2]) and len(set(found.same.tolist())) == 6
    assert len(set(found.near[[0, 2, 3]].tolist())) == 1
    assert found.near[1] != found.near[0]
    assert found.near[5] != found.near[6]  # too plain to tell
    assert (found.unread, found.plain) == (1, 2)
    names = np.array(list("abcdefg"), object)
    rows = found.table(names).rows
    assert ("same file", "a, c", 1, 1) in rows
    assert ("nearly the same", "a, c, d", 1, 2) in rows
