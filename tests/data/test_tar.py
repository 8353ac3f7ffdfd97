"""Tar files as they should not be: nothing is unpacked, and nothing is lost without a word."""

import gzip
import io
import tarfile

import numpy as np
import pytest
from helpers import material
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from m4jax.data import readers
from m4jax.data.readers import tar
from m4jax.errors import InputError

FOUND = material.examples(6)
ENTRIES = [(f"{one.key}.{x}", y) for one in FOUND for x, y in material.members(one).items()]


def names(path):
    return [(x.name, x.fault) for x, _ in tar.members(str(path))]


def opened(path, **options):
    collection = readers.open_collection(path, **options)
    return collection, material.read(collection)["uid"].to_pylist()


def header(name, size, kind=b"0", **fields):
    """Returns a header with a right sum, whatever it says."""
    info = tarfile.TarInfo("x")
    raw = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    raw[:100] = name.ljust(100, b"\0")
    raw[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
    raw[156:157] = kind
    for place, content in fields.get("put", {}).items():
        raw[place : place + len(content)] = content
    raw[148:156] = b"        "
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def entry(name, content):
    return header(name, len(content)) + content + bytes(-len(content) % 512)


GOOD = b"".join(entry(name.encode(), content) for name, content in ENTRIES)
END = bytes(1024)


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_those_of_the_standard_library(format, tmp_path):
    long = "/".join(["folder" * 4] * 6) + "/é" * 20
    entries = [*ENTRIES, ("ü.txt", b"x"), ("a/b.txt", b"")]
    if format != tarfile.USTAR_FORMAT:
        entries += [(f"{long}.png", FOUND[0].picture), (f"{'n' * 200}.txt", b"long")]
    path = material.write_tar(tmp_path / "a.tar", entries, format=format)
    found = [(x.name, x.offset, x.size, x.fault) for x, _ in tar.members(path)]
    with tarfile.open(path) as archive:
        expected = [(x.name, x.offset_data, x.size, "") for x in archive.getmembers()]
    assert found == expected
    assert [x[0] for x in found] == [name for name, _ in entries]


HOSTILE = {
    "../up.png": "leads out",
    "/etc/passwd.png": "leads out",
    "a/../../up.png": "leads out",
    "..": "leads out",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_out_are_left_out(name, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(entry(name.encode(), FOUND[0].picture) + GOOD + END)
    collection, uids = opened(path)
    assert uids == [one.key for one in FOUND]
    assert list(collection.left_out.items()) == [
        (f"a.tar: {name}", "a name that leads out of the archive")
    ]


@pytest.mark.parametrize(
    ("kind", "told"),
    [(b"1", "a link"), (b"2", "a link"), (b"3", "a device"), (b"4", "a device"), (b"6", "a pipe"),
     (b"S", "a sparse file"), (b"Z", "of an unknown kind")],
)  # fmt: skip
def test_what_is_no_file_is_left_out(kind, told, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(header(b"p000.jpg", 0, kind) + GOOD + END)
    collection, uids = opened(path)
    assert uids == [one.key for one in FOUND]
    assert told in collection.left_out["a.tar: p000.jpg"]


def test_directories_are_no_members(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(header(b"d/", 0, b"5") + header(b"e/", 0, b"0") + GOOD + END)
    collection, uids = opened(path)
    assert len(uids) == 6 and not collection.left_out


def test_a_shard_that_was_cut_off(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(GOOD + END)
    whole = [(x.name, x.offset, x.size) for x, _ in tar.members(str(path))]
    last = whole[15]  # the picture of the last example
    for cut in (last[1] + 5, last[1], last[1] - 200, last[1] - 512):
        path.write_bytes(GOOD[:cut])
        collection, uids = opened(path)
        assert uids == [one.key for one in FOUND[:5]]
        if cut > last[1] - 512:
            assert len(collection.left_out) == 1
            told = next(iter(collection.left_out.values()))
            assert "cut off: it claims" in told or "damaged header" in told
        assert [collection.picture(i) for i in range(5)] == [one.picture for one in FOUND[:5]]


@pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\0" * 3 + b"\xff" * 8])
def test_a_huge_claim_of_one_member_does_not_lose_the_others(size, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(header(b"x.png", size) + b"abc" + bytes(509) + GOOD + END)
    collection, uids = opened(path)
    assert uids == [one.key for one in FOUND]
    assert "claims" in collection.left_out["a.tar: x.png"]


@pytest.mark.parametrize(
    "size", [b"-0000000001\0", b"garbage    \0", b"\xff" * 12, b"0x1\0" + b"\0" * 8, b"1_1\0" * 3]
)
def test_a_size_that_is_no_number(size, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(header(b"x.png", size) + GOOD + END)
    collection, uids = opened(path)
    assert uids == [one.key for one in FOUND]
    assert collection.left_out == {"a.tar: byte 0": "a damaged header; went on at byte 512"}


def test_a_header_that_lies_about_size_loses_its_own_member_alone(tmp_path):
    content = FOUND[0].picture
    path = tmp_path / "a.tar"
    longer = header(b"x.png", len(content) + 700) + content + bytes(-len(content) % 512)
    path.write_bytes(longer + GOOD + END)  # it reaches into the first of the others
    collection, uids = opened(path)
    assert set(uids) >= {one.key for one in FOUND[1:]}
    assert any("damaged header" in x or "no picture" in x for x in collection.left_out.values())
    shorter = header(b"x.png", 10) + content + bytes(-len(content) % 512)
    path.write_bytes(shorter + GOOD + END)
    collection, uids = opened(path)
    assert set(uids) == {"x", *(one.key for one in FOUND)}
    assert collection.picture(uids.index("x")) == content[:10]


def test_empty_members_second_ones_and_lone_ones(tmp_path):
    entries = [*ENTRIES, ("p000.png", FOUND[1].picture), ("e.png", b""), ("e.txt", b"no picture")]
    entries += [("t.txt", b"alone"), ("z.png", FOUND[2].picture), ("z.txt", b"")]
    entries += [("j.png", FOUND[3].picture), ("j.json", b"[1"), ("noext", b"x"), (".hidden", b"x")]
    collection, uids = opened(material.write_tar(tmp_path / "a.tar", entries))
    assert uids == [*(one.key for one in FOUND), "z", "j"]
    assert collection.left_out == {
        "a.tar: p000.png": "the second of this name",
        "a.tar: e.png": "an empty file",
        "a.tar: e": "no picture of this name",
        "a.tar: t": "no picture of this name",
        "a.tar: j.json": "not a JSON object",
    }
    assert collection.picture(0) == FOUND[0].picture
    table = material.read(collection)
    assert table["captions"].to_pylist()[-2:] == [[], []]
    assert table["number"].to_pylist()[-2:] == [None, None]


def test_a_shard_that_is_none_is_told(tmp_path):
    material.write_tar(tmp_path / "a.tar", ENTRIES)
    (tmp_path / "b.tar").write_bytes(b"")
    (tmp_path / "c.tar").write_bytes(b"<html>" * 200)
    content = bytearray(GOOD + END)
    content[3] ^= 1
    (tmp_path / "d.tar").write_bytes(content)
    collection, uids = opened(tmp_path)
    assert uids == [f"a/{one.key}" for one in FOUND] + [f"d/{one.key}" for one in FOUND[1:]]
    assert collection.left_out == {
        "b.tar": "an empty file",
        "c.tar": "not a tar file",
        "d.tar: byte 0": "a damaged header; went on at byte 1,536",
        "d.tar: p000": "no picture of this name",
    }


def test_names_that_are_not_utf8(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(entry(b"caf\xe9.png", FOUND[0].picture) + GOOD + END)
    collection, uids = opened(path)
    assert uids == [one.key for one in FOUND]
    assert collection.left_out == {"a.tar: caf\\xe9.png": "a name that is not UTF-8"}


def test_what_follows_the_end_is_told(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(GOOD + END + GOOD + END)
    collection, uids = opened(path)
    assert len(uids) == 6
    assert "the archive ends here" in next(iter(collection.left_out.values()))
    path.write_bytes(GOOD + END + bytes(20_000))
    assert not opened(path)[0].left_out
    path.write_bytes(GOOD)  # without an end, as some write it
    assert not opened(path)[0].left_out


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar"])
def test_compressed_shards_are_refused_with_a_reason(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(GOOD + END))
    with pytest.raises(InputError, match=r"compressed by gzip, so that no picture.*unpack it"):
        readers.open_collection(path)


@pytest.mark.parametrize("content", [b"", b"text, no tar" * 100, END, b"\0" * 3])
def test_what_is_no_tar_file(content, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"not a tar file|no examples"):
        readers.open_collection(path)


def test_keys_that_several_shards_have_get_the_shards_name(tmp_path):
    for name in ("a", "b"):
        material.write_tar(tmp_path / f"{name}.tar", ENTRIES)
    _, uids = opened(f"{tmp_path}/{{a,b}}.tar")
    assert uids == [f"{name}/{one.key}" for name in "ab" for one in FOUND]
    material.write_tar(tmp_path / "c" / "a.tar", ENTRIES)
    with pytest.raises(InputError, match="the uid 'a/p000' of 'shard/key' stands twice"):
        readers.open_collection(f"{tmp_path}/**/*.tar")
    _, uids = opened(f"{tmp_path}/**/*.tar", uid=readers.CONTENTS)
    assert uids[6] == f"{uids[0]}-2" and uids[12] == f"{uids[0]}-3"


def test_uids_of_json(tmp_path):
    entries = [
        (f"{i}.{x}", y)
        for i in range(3)
        for x, y in {"jpg": FOUND[0].picture, "json": b'{"uid": "u%d", "key": "k"}' % i}.items()
    ]
    path = material.write_tar(tmp_path / "a.tar", entries)
    assert opened(path)[1] == ["u0", "u1", "u2"]
    with pytest.raises(InputError, match="the uid 'k' of 'key' stands twice, in rows 0 and 1"):
        readers.open_collection(path, uid="key")
    path = material.write_tar(tmp_path / "a.tar", [*entries, ("3.jpg", FOUND[0].picture)])
    assert opened(path)[1] == ["0", "1", "2", "3"]
    with pytest.raises(InputError, match="not every example has a JSON field 'uid'"):
        readers.open_collection(path, uid="uid")


def test_which_member_is_the_picture(tmp_path):
    entries = [("a.jpg", FOUND[0].picture), ("a.png", FOUND[1].picture), ("a.seg.png", b"mask")]
    path = material.write_tar(tmp_path / "a.tar", entries)
    with pytest.raises(InputError, match=r"which member is the image\? Say image= one of jpg, png"):
        readers.open_collection(path)
    assert opened(path, image="png")[0].picture(0) == FOUND[1].picture
    assert opened(path, image="seg.png")[0].picture(0) == b"mask"
    captions = [("a.jpg", FOUND[0].picture), ("a.txt", b"one"), ("a.json", b'{"title": "two"}')]
    path = material.write_tar(tmp_path / "a.tar", captions)
    for asked, expected in (("", "one"), ("txt", "one"), ("title", "two")):
        collection = readers.open_collection(path, caption=asked)
        assert material.read(collection)["captions"].to_pylist() == [[expected]]
    with pytest.raises(InputError, match="no field 'text' to be the caption"):
        readers.open_collection(path, caption="text")


def test_the_index_is_small(tmp_path):
    entries = [(f"{i:08d}.{x}", y) for i in range(3_000) for x, y in (("jpg", b"x"), ("txt", b"y"))]
    collection = readers.open_collection(material.write_tar(tmp_path / "a.tar", entries))
    arrays = [collection._shard, *(y for pair in collection._places.values() for y in pair)]
    assert sum(x.nbytes for x in arrays) / 3_000 == 4 + 2 * 8
    assert collection._keys.nbytes / 3_000 < 8 + 5


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=12),
       st.integers(0, len(GOOD)))  # fmt: skip
def test_any_damage_ends_in_examples_or_a_line(tmp_path_factory, changes, cut):
    content = bytearray(GOOD + END)
    for place, value in changes:
        content[place] = value
    path = tmp_path_factory.mktemp("damaged") / "a.tar"
    path.write_bytes(content[: cut or None])
    try:
        collection = readers.open_collection(path)
    except InputError:
        return
    table = material.read(collection)
    assert len(table) == len(collection)
    if collection.has_pictures:  # else their headers are damaged
        assert all(collection.picture(i) for i in range(len(collection)))


def test_seeded_damage_is_as_the_standard_library_sees_it_or_better(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.tar"
    for _ in range(30):
        content = bytearray(GOOD + END)
        content[rng.integers(len(GOOD))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        try:
            with tarfile.open(fileobj=io.BytesIO(bytes(content))) as archive:
                theirs = {x.name for x in archive.getmembers() if x.isreg()}
        except tarfile.TarError:
            continue
        assert {x.name for x, _ in tar.members(str(path)) if not x.fault} >= theirs
