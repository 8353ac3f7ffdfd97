"""Files of captions of other programs: refused with their row, or read as they are meant."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m4jax.data import captions
from m4jax.data.annotation.lexicon import Lexicon
from m4jax.data.annotation.tables import AnnotateConfig, Found, annotate_files
from m4jax.errors import InputError
from m4jax.files import parquet

BOM = b"\xef\xbb\xbf"
TWO = ["a man", "a cat"]


def rows(path, content, **columns):
    path.write_bytes(content)
    return list(captions.read(path, **columns))


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "a.csv",
            b"id,caption\n1,a cat\n2,A man, a woman\n",
            "line 3 .* 3 cells, .* has 2: .* quo",
        ),
        ("a.csv", b"caption,id\na cat,1\na m", "line 3 ends a row of 1 cells"),
        (
            "a.tsv",
            b'caption\tid\n"a man\nand a woman"\t1\n',
            "line 2 .* 1 cells, .* has 2: .* tabs",
        ),
        ("a.tsv", b"caption\tid\na man\tand a woman\t1\n", "line 2 ends a row of 3 cells"),
    ],
)
def test_a_caption_is_never_cut_at_a_separator(tmp_path, name, content, told):
    with pytest.raises(InputError, match=told):
        rows(tmp_path / name, content)


def test_empty_cells_beyond_the_table_and_empty_lines_are_nothing(tmp_path):
    content = b"caption,id\r\n\r\na man,1,,\r\na cat,2\r\n"
    assert rows(tmp_path / "a.csv", content, uid="id") == [("1", "a man"), ("2", "a cat")]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    assert rows(tmp_path / "a.csv", BOM + b'"caption","x"\n"a man, old",1\n')[0][1] == "a man, old"
    found = rows(tmp_path / "b.csv", BOM + b'"7","a man, old"\n', caption="1", uid="0")
    assert found == [("7", "a man, old")]


def test_line_ends_of_old_macs_are_not_swallowed(tmp_path):
    assert [text for _, text in rows(tmp_path / "a.txt", b"a man\r\na cat\r\n")] == [
        "a man",
        "a cat",
    ]
    with pytest.raises(InputError, match="line 1 has carriage returns within"):
        rows(tmp_path / "a.txt", b"a man\ra woman\ra cat\r")


def test_columns_by_number_are_there(tmp_path):
    with pytest.raises(InputError, match="no column 2; its first row has 2 cells"):
        rows(tmp_path / "a.csv", b"1,a man\n", caption="2")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32-be"])
def test_other_unicode_is_no_text(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(("a man\na woman\n" * 5).encode(encoding))
    config = AnnotateConfig(files=(str(tmp_path / "a.txt"),))
    with pytest.raises(
        InputError, match=r"no captions in .*: (has NUL|not UTF-8)|save it as UTF-8"
    ):
        annotate_files(config, tmp_path / "t")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", b'[{"caption": "a", "id": 9007199254740993.0}]', "float 90.*or a whole number"),
        ("a.json", b'[{"caption": "a", "id": NaN}]', "row 0: 'id': no text but float nan"),
        ("a.json", b'[{"caption": "a", "id": true}]', "no text but bool True"),
        ("a.json", b'[{"caption": "a", "id": [1]}]', "no text but list"),
        ("a.json", b'[{"caption": "a", "id": "\\ud800"}]', "half a surrogate pair"),
        ("a.json", b'[{"caption": "a", "id": ' + b"1" * 5000 + b"}]", "not JSON .*limit"),
        ("a.csv", b"caption,id\na,\xe9\n", "row 0: 'id': not UTF-8"),
    ],
)
def test_a_uid_is_text_or_a_whole_number(tmp_path, name, content, told):
    with pytest.raises(InputError, match=told):
        rows(tmp_path / name, content, uid="id")


def test_uids_in_parquet(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"caption": ["a", "b"], "id": [b"x", b"y"]}), path)
    assert [uid for uid, _ in captions.read(path, uid="id")] == ["x", "y"]  # bytes of a text
    pq.write_table(pa.table({"caption": ["a"], "id": [2.0**53]}), path)  # integers with a gap
    with pytest.raises(InputError, match="no text but float"):
        list(captions.read(path, uid="id"))
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["caption"] * 2), path)
    with pytest.raises(InputError, match="several columns 'caption'"):
        list(captions.read(path))


def test_a_name_that_is_not_utf8_is_told(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/n\xff.txt")
    with open(path, "w") as file:
        file.write("a man\n")
    with pytest.raises(InputError, match="its name is not UTF-8"):
        list(captions.read(path))
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(InputError, match="a folder"):
        list(captions.read(tmp_path / "b.csv"))


def test_a_file_that_links_name_as_well_is_read_once(tmp_path):
    (tmp_path / "b.txt").write_text("a man\n")
    (tmp_path / "c.txt").write_text("a cat\n")
    (tmp_path / "a.txt").symlink_to("b.txt")
    names = [tmp_path / "*.txt", tmp_path / "b.txt", tmp_path / ".." / tmp_path.name / "c.txt"]
    annotate_files(AnnotateConfig(files=tuple(map(str, names))), tmp_path / "t")
    assert parquet.read(tmp_path / "t")["uid"].to_pylist() == ["a/0000000000", "c/0000000000"]


def test_values_of_one_name_are_counted_apart():
    ages, sizes = {"young": ["young"], "other": ["old"]}, {"other": ["small"], "large": ["large"]}
    lexicon = Lexicon("x", {"age": ages, "size": sizes}, {"nurse": ["nurse"]}, {"cat": ["cat"]})
    found = Found()
    mentions, vetoes = lexicon.mentions(["old", "old", "small", "large"])
    found.add(lexicon, np.asarray(mentions), vetoes)
    assert found.values == {"young": 0, "age: other": 2, "size: other": 1, "large": 1}
    assert json.loads(json.dumps(found.facts()))["captions"] == 4


@pytest.mark.parametrize("caption", ["男人和女人在等公共汽车", "รถบัสกำลังรอผู้ชายและผู้หญิง"])
def test_a_script_without_spaces_is_another_language(tmp_path, caption):
    (tmp_path / "a.txt").write_text(f"{caption}\n" * 150, encoding="utf-8")
    with pytest.raises(InputError, match="another language"):
        annotate_files(AnnotateConfig(files=(str(tmp_path / "a.txt"),)), tmp_path / "t")
