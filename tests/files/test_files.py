"""What is read back is what was written, or it is told."""

import json
import os
import shutil

import numpy as np
import pytest

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.files import contents

VALUES = {"name": "Müller", "weights": [0.1, 1e-300, None, 3], "deep": {"a": True, "10": "x"}}
RECORDS = [{"step": i, "loss": 1 / (i + 1), "draws": [0.5] * i, "why": "ä"} for i in range(4)]


def flips(path):
    """Yields the file with each of its bits flipped, one after another."""
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        yield bit
    path.write_bytes(whole)


def test_every_flipped_bit_of_sealed_json_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "a.json"
    files.write_sealed(path, VALUES)
    assert files.read_sealed(path) == VALUES and list(json.loads(path.read_text()))[-1] == "sha256"
    harmless = 0
    for _ in flips(path):
        try:
            assert files.read_sealed(path) == VALUES
            harmless += 1  # space for space, or e for E
        except DamagedError:
            pass
    assert harmless < 20


@pytest.mark.parametrize("append", [True, False])
def test_every_flipped_bit_of_lines_is_noticed_or_changes_nothing(tmp_path, append):
    path = tmp_path / "a.jsonl"
    if append:
        for record in RECORDS:
            files.append_jsonl(path, record)
    else:
        files.write_jsonl(path, RECORDS)
    assert files.read_jsonl(path) == RECORDS
    for bit in flips(path):
        try:
            assert files.read_jsonl(path) == RECORDS, bit
        except DamagedError as error:
            assert f"{path}, line " in str(error)


@pytest.mark.parametrize("change", ["left out", "doubled", "swapped"])
def test_lines_are_all_there_once_and_in_order(tmp_path, change):
    path = tmp_path / "a.jsonl"
    files.write_jsonl(path, RECORDS)
    lines = path.read_bytes().splitlines(keepends=True)
    order = {"left out": [1, 2, 3], "doubled": [0, 1, 1, 2, 3], "swapped": [0, 2, 1, 3]}[change]
    path.write_bytes(b"".join(lines[i] for i in order))
    with pytest.raises(DamagedError, match=r"a.jsonl, line"):
        files.read_jsonl(path)


def test_a_torn_line_is_left_out_and_cut_off_by_the_next(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    assert files.read_jsonl(path) == []
    files.write_jsonl(path, RECORDS)
    whole = path.read_bytes()
    for cut in (1, 5, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        assert files.read_jsonl(path) == RECORDS[:3]
        files.append_jsonl(path, RECORDS[3])
        assert path.read_bytes() == whole
    path.write_bytes(b'{"torn": ')
    files.append_jsonl(path, {"a": "x" * 200_000, "b": float("nan")})
    files.append_jsonl(path, {"a": 1})
    assert [record["a"] for record in files.read_jsonl(path)] == ["x" * 200_000, 1]
    assert files.read_jsonl(path)[0]["b"] is None


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 100_000, b"1" * 5000,
     b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 1, "sha256": 1}', b'{"a": 1, "sha256": ""}'],
)  # fmt: skip
def test_what_is_no_sealed_json_is_told(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"a.json: its checksum is missing or differs"):
        files.read_sealed(tmp_path / "a.json")
    (tmp_path / "a.jsonl").write_bytes(content + b"\n")
    with pytest.raises(DamagedError, match=r"a.jsonl, line 1: its check is missing or differs"):
        files.read_jsonl(tmp_path / "a.jsonl")


@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000, b"1" * 5000, b"NaN", b"", None])
def test_what_is_no_json_is_told(tmp_path, content):
    path = tmp_path / "a.json"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.json: not a (JSON|readable) file"):
        files.read_json(path)


def test_a_sealed_file_is_compared_with_its_checksum(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(InputError, match=r"a.json: no such file"):
        files.sealed_file(path)
    path.write_bytes(b"content")
    files.seal_file(path, rows=3)
    assert files.sealed_file(path) == {"rows": 3}
    path.write_bytes(b"cuntent")
    with pytest.raises(DamagedError, match=r"a.parquet: damaged"):
        files.sealed_file(path)


def test_a_manifest_is_sealed(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"content")
    files.write_manifest(tmp_path, made_of="x")
    assert files.intact(tmp_path, "a.bin").read_bytes() == b"content"
    path = tmp_path / files.MANIFEST
    path.write_text(path.read_text().replace('"x"', '"y"'))
    with pytest.raises(DamagedError):
        files.intact(tmp_path, "a.bin")


def test_a_fingerprint_is_of_the_content(tmp_path, monkeypatch):
    a, b = tmp_path / "a.npy", tmp_path / "b.npy"
    np.save(a, np.arange(100_000))
    shutil.copy(a, b)
    assert files.fingerprint(a) == files.fingerprint(b) == files.sha256(a)
    monkeypatch.setattr(contents, "IN_FULL", 1000)
    monkeypatch.setattr(contents, "BLOCK", 1000)
    os.utime(b, ns=(0, os.stat(a).st_mtime_ns))
    sampled = files.fingerprint(a)
    assert sampled == files.fingerprint(b) != files.fingerprint(b, full=True) == files.sha256(b)
    content = bytearray(a.read_bytes())
    content[-1] ^= 1  # in the last block
    b.write_bytes(content)
    os.utime(b, ns=(0, os.stat(a).st_mtime_ns))
    assert files.fingerprint(b) != sampled
    os.utime(a, ns=(0, 0))
    assert files.fingerprint(a) != sampled


def test_a_folders_fingerprint_is_of_names_and_contents(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / "a").write_text("1")
        (tmp_path / folder / f".{folder}.tmp").write_text(folder)
    first = files.fingerprint_folder(tmp_path / "one")
    assert files.fingerprint_folder(tmp_path / "two") == first
    (tmp_path / "two" / "sub" / "a").write_text("2")
    assert files.fingerprint_folder(tmp_path / "two") != first
    (tmp_path / "one" / "sub" / "a").rename(tmp_path / "one" / "sub" / "b")
    assert files.fingerprint_folder(tmp_path / "one") != first
    for path, told in (("one", "a folder"), ("three", "no such file")):
        with pytest.raises(InputError, match=told):
            files.fingerprint(tmp_path / path)
    with pytest.raises(InputError, match="no such folder"):
        files.fingerprint_folder(tmp_path / "three")


def test_a_key_that_comes_twice_is_told(tmp_path):
    (tmp_path / "lexicon.json").write_text('{"things": {"cat": ["cat"], "cat": ["kitten"]}}')
    with pytest.raises(InputError, match="the key 'cat' comes twice"):
        files.read_json(tmp_path / "lexicon.json")
