"""Files of captions, as they come."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m4jax.data import captions
from m4jax.data.annotation.tables import AnnotateConfig, annotate_files
from m4jax.errors import InputError
from m4jax.files import parquet

TEXTS = ["a man, seated", 'a "woman"', "Straße"]


def made(folder, name):
    """Writes the texts as a file of a kind."""
    lines = {
        "a.csv": 'id,caption\n1,"a man, seated"\n2,"a ""woman"""\n3,Straße\n',
        "a.tsv": 'caption\turl\na man, seated\tx\na "woman"\ty\nStraße\tz\n',
        "a.txt": "\n".join(TEXTS) + "\n",
        "a.json": json.dumps(
            {"annotations": [{"id": i, "caption": text} for i, text in enumerate(TEXTS)]}
        ),
        "a.jsonl": "\n".join(json.dumps({"caption": text}) for text in TEXTS) + "\n\n",
    }  # fmt: skip
    path = folder / name
    plain = name.removesuffix(".gz")
    if plain == "a.parquet":
        pq.write_table(pa.table({"caption": TEXTS, "id": [1, 2, 3]}), path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines[plain].encode()))
    else:
        path.write_text(lines[plain], encoding="utf-8")
    return path


KINDS = ["a.csv", "a.csv.gz", "a.tsv", "a.txt", "a.txt.gz", "a.json", "a.jsonl.gz", "a.parquet"]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_says_the_same(tmp_path, name):
    rows = list(captions.read(made(tmp_path, name)))
    assert [text for _, text in rows] == TEXTS
    assert [uid for uid, _ in rows] == ["a/0000000000", "a/0000000001", "a/0000000002"]


@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.parquet"])
def test_uids_of_the_file(tmp_path, name):
    uids = [uid for uid, _ in captions.read(made(tmp_path, name), uid="id")]
    assert uids == (["0", "1", "2"] if name == "a.json" else ["1", "2", "3"])


def test_a_table_without_a_head(tmp_path):
    (tmp_path / "b.tsv").write_text("a man\thttp://x\na woman\thttp://y\n")
    rows = list(captions.read(tmp_path / "b.tsv", caption="0", uid="1"))
    assert rows == [("http://x", "a man"), ("http://y", "a woman")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("b.docx", b"", "expected a file"),
        ("b.csv", b"id,text\n1,a\n", "no column 'caption'; it has"),
        ("b.csv", b"caption,caption\n1,a\n", "several columns 'caption'"),
        ("b.csv", b'caption\n"never closed', "can't be read"),
        ("b.json", b"{", "not JSON"),
        ("b.json", b'{"images": []}', "expected a list"),
        ("b.json", b"[" * 100_000, "not JSON"),
        ("b.jsonl", b'{"text": "a"}\n', "row 0 has no field 'caption'"),
        ("b.jsonl", b"\xff\xfe{}\n", "not JSON"),
        ("b.jsonl", b'{"caption": "a"}\n{"caption\n', "line 2 is not JSON"),
        ("b.csv", "caption,id\na man,1\n".encode("utf-16"), "UTF-16 .*save it as UTF-8"),
        ("b.parquet", b"PAR1", "parquet"),
        ("b.txt.gz", b"plain", "can't be read"),
        ("b.txt.gz", gzip.compress(b"a man\n" * 9999)[:-20], "can't be read"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        list(captions.read(tmp_path / name))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        list(captions.read(tmp_path / "none.csv"))


def test_rows_without_a_text_are_counted_with_their_place(tmp_path):
    path = tmp_path / "c.jsonl"
    values = ['"a man"', "null", "3", '""', '"\\ud800"', "NaN", '"a nurse and her cat"']
    path.write_text("".join(f'{{"caption": {value}}}\n' for value in values))
    config = AnnotateConfig(files=(str(path),))
    found = annotate_files(config, tmp_path / "examples.parquet")
    assert (found.captions, found.left_out) == (2, 5)
    assert found.reasons[0] == f"{path}, row 1: no text but NoneType None"
    table = parquet.read(tmp_path / "examples.parquet")
    assert table["uid"].to_pylist() == ["c/0000000000", "c/0000000006"]
    assert table["man"].to_pylist() == [True, False]
    assert table["occupation: nurse"].to_pylist() == [False, True]
    assert found.values == {"man": 1, "woman": 1} and found.labels["thing: cat"] == 1


def test_bytes_that_are_no_utf8_are_left_out(tmp_path):
    (tmp_path / "d.csv").write_bytes(b"caption\na man\nstra\xdfe\n")
    (tmp_path / "d.txt").write_bytes("\ufeffa man\nstra".encode() + b"\xdf\n")
    for name in ("d.csv", "d.txt"):
        config = AnnotateConfig(files=(str(tmp_path / name),))
        found = annotate_files(config, tmp_path / "examples.parquet")
        assert (found.captions, found.left_out) == (1, 1)
        assert "row 1: not UTF-8" in found.reasons[0]


def test_uids_differ_between_files_of_one_name(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        made(tmp_path / folder, "a.txt")
    found = annotate_files(AnnotateConfig(files=(str(tmp_path / "*" / "a.txt"),)), tmp_path / "t")
    assert found.captions == 6
    assert len(set(parquet.read(tmp_path / "t")["uid"].to_pylist())) == 6


def test_another_language_is_refused_unless_told(tmp_path):
    (tmp_path / "de.txt").write_text("Der Mann und die Frau warten auf den Bus.\n" * 50)
    config = {"files": (str(tmp_path / "de.txt"),)}
    with pytest.raises(InputError, match=r"de\.txt: .*set config.check_language=False"):
        annotate_files(AnnotateConfig(**config), tmp_path / "t")
    assert not (tmp_path / "t").exists()
    assert annotate_files(AnnotateConfig(**config, check_language=False), tmp_path / "t").captions


def test_a_column_of_another_name_is_told_with_its_setting(tmp_path):
    (tmp_path / "a.csv").write_text("foo,bar\n1,2\n")
    (tmp_path / "a.jsonl").write_text('{"foo": "a man"}\n')
    for name, kind in (("a.csv", "column"), ("a.jsonl", "field")):
        path = str(tmp_path / name)
        for more, setting in (({}, "caption"), ({"caption": "foo", "uid": "id"}, "uid")):
            told = rf"no {kind} '.*'; it has \[.*'foo'.*\]: set config\.{setting} to the name"
            with pytest.raises(InputError, match=told):
                annotate_files(AnnotateConfig(files=(path,), **more), tmp_path / "t")


def test_nothing_to_annotate(tmp_path):
    with pytest.raises(InputError, match="paths or patterns"):
        AnnotateConfig()
    with pytest.raises(InputError, match="nothing fits"):
        annotate_files(AnnotateConfig(files=(str(tmp_path / "*.csv"),)), tmp_path / "t")
    (tmp_path / "e.txt").write_text("\n\n")
    with pytest.raises(InputError, match=r"no captions in .*row 0: empty"):
        annotate_files(AnnotateConfig(files=(str(tmp_path / "e.txt"),)), tmp_path / "t")
