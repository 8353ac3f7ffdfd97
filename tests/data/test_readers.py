"""What people have, read: every form of the same pictures and captions gives the same examples."""

import gzip
import json
import pickle
import shutil
import unicodedata
from concurrent import futures
from pathlib import Path

import pyarrow as pa
import pytest
from helpers import material

from m4jax.data import prepared, readers
from m4jax.data.readers import uids
from m4jax.data.testbed import emoji_scenes
from m4jax.errors import InputError

FOUND = material.examples()
FORMS = {
    "folder": lambda base, found=FOUND: material.write_folder(base / "folder", found),
    "csv": lambda base, found=FOUND: material.write_table(base / "csv", found),
    "tsv": lambda base, found=FOUND: material.write_table(base / "tsv", found, "tsv"),
    "jsonl": lambda base, found=FOUND: material.write_table(base / "jsonl", found, "jsonl"),
    "shards": lambda base, found=FOUND: material.write_shards(base / "shards", found),
    "parquet": lambda base, found=FOUND: material.write_parquet(
        base / "a.parquet", found, row_group_size=17
    ),
    "struct": lambda base, found=FOUND: material.write_parquet(base / "a.parquet", found, "struct"),
    "paths": lambda base, found=FOUND: material.write_parquet(
        base / "paths/a.parquet", found, "paths"
    ),
    "coco": lambda base, found=FOUND: material.write_coco(base / "coco", found),
}
NAMED = set(FORMS) - {"parquet", "struct"}  # in which files have names


@pytest.mark.parametrize("form", FORMS)
def test_the_same_pictures_are_the_same_examples_in_every_form(form, tmp_path):
    path = FORMS[form](tmp_path)
    collection = readers.open_collection(path)
    assert isinstance(collection, readers.Collection)
    table = material.read(collection)
    assert len(collection) == len(table) == len(FOUND) and not collection.left_out
    assert table["captions"].to_pylist() == [one.captions for one in FOUND]
    expected = ("number", "share", "job")
    assert collection.columns == (("id", *expected) if form == "coco" else expected)
    table = table.drop_columns(["id"]) if form == "coco" else table
    assert table["job"].to_pylist() == [one.fields["job"] for one in FOUND]
    whole = form not in ("csv", "tsv")  # in which all is text
    kinds = [pa.int64(), pa.float64()] if whole else [pa.string()] * 2
    assert [table.schema.field(name).type for name in ("number", "share")] == kinds
    assert [collection.picture(i) for i in range(len(FOUND))] == [one.picture for one in FOUND]
    made = [uids.made(one.picture, one.captions) for one in FOUND]
    expected = [one.key for one in FOUND] if form in NAMED else made
    assert table["uid"].to_pylist() == expected
    again = pa.concat_tables(list(collection.blocks(7))).select(table.column_names)
    assert table.equals(again)


@pytest.mark.parametrize("form", FORMS)
def test_uids_of_contents_are_those_of_every_form(form, tmp_path):
    collection = readers.open_collection(FORMS[form](tmp_path), uid=readers.CONTENTS)
    expected = [uids.made(one.picture, one.captions) for one in FOUND]
    assert material.read(collection)["uid"].to_pylist() == expected
    assert len(set(expected)) == len(FOUND)


@pytest.mark.parametrize("form", FORMS)
def test_an_identity_is_of_contents_not_of_places(form, tmp_path):
    path = FORMS[form](tmp_path / "here")
    before = readers.open_collection(path).identity
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    moved = path.replace(str(tmp_path / "here"), str(tmp_path / "there"))
    assert readers.open_collection(moved).identity == before
    assert readers.open_collection(moved, uid=readers.CONTENTS).identity != before
    shutil.rmtree(tmp_path / "there")
    for other in (FOUND[:-1], [*FOUND[:-1], FOUND[0]._replace(key=FOUND[-1].key)]):
        FORMS[form](tmp_path / "there", other)
        assert readers.open_collection(moved).identity != before
        shutil.rmtree(tmp_path / "there")


def test_several_rows_of_a_picture_are_one_example(tmp_path):
    found = material.examples(9, several=True)
    path = material.write_table(tmp_path, found)
    lines = Path(path).read_text().splitlines()
    Path(path).write_text("\n".join([lines[0], *lines[1::2], *lines[2::2]]) + "\n")
    table = material.read(readers.open_collection(tmp_path))
    by_uid = dict(zip(table["uid"].to_pylist(), table["captions"].to_pylist(), strict=True))
    assert {key: sorted(x) for key, x in by_uid.items()} == {
        one.key: sorted(one.captions) for one in found
    }
    assert len(by_uid) == 9


def test_odd_folders(tmp_path):
    found = material.examples(6)
    keys = ["plain", "nested/deep/é", "nested/Ω", "UPPER", "two words", "nested/a.b"]
    found = [one._replace(key=key) for one, key in zip(found, keys, strict=True)]
    material.write_folder(tmp_path, found, suffix="PNG")
    (tmp_path / "plain.txt").rename(tmp_path / "plain.TXT")
    (tmp_path / ".hidden").mkdir()
    shutil.copy(tmp_path / "UPPER.PNG", tmp_path / ".hidden" / "x.png")
    (tmp_path / "alone.txt").write_text("a caption without a picture")
    (tmp_path / "two words.txt").unlink()  # a picture without a caption
    (tmp_path / "notes.md").write_text("no picture")
    collection = readers.open_collection(tmp_path)
    table = material.read(collection)
    assert sorted(table["uid"].to_pylist()) == sorted(keys)
    captions = dict(zip(table["uid"].to_pylist(), table["captions"].to_pylist(), strict=True))
    assert captions["two words"] == [] and captions["plain"] == found[0].captions
    assert captions["nested/deep/é"] == found[1].captions
    assert list(collection.left_out) == ["alone.txt"]
    assert "folder" in collection.columns
    folders = dict(zip(table["uid"].to_pylist(), table["folder"].to_pylist(), strict=True))
    assert folders["nested/deep/é"] == "nested/deep" and folders["plain"] == ""


def test_names_are_found_in_either_form_of_unicode_and_below(tmp_path):
    found = material.examples(3)
    names = [unicodedata.normalize("NFD", "café"), "deep/unique", "Grün"]
    found = [one._replace(key=key) for one, key in zip(found, names, strict=True)]
    material.write_folder(tmp_path, found)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".txt", ".json"):
            path.unlink()
    rows = ["image,caption", "café.png,one", "unique.png,two", "../Grün.png,three", "no.png,four"]
    (tmp_path / "captions.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    collection = readers.open_collection(tmp_path)
    assert material.read(collection)["captions"].to_pylist() == [["one"], ["two"]]
    assert sorted(collection.left_out) == ["../Grün.png", "Grün.png", "no.png"]
    assert "no row of captions.csv" in collection.left_out["Grün.png"]


def test_pictures_that_differ_by_suffix_keep_it(tmp_path):
    one = material.examples(1)[0]
    for name in ("a.png", "a.gif", "b.png"):
        (tmp_path / name).write_bytes(one.picture)
    collection = readers.open_collection(tmp_path)
    assert material.read(collection)["uid"].to_pylist() == ["a.gif", "a.png", "b"]
    made = readers.open_collection(tmp_path, uid=readers.CONTENTS)
    first, second, third = material.read(made)["uid"].to_pylist()
    assert [second, third] == [f"{first}-2", f"{first}-3"]


CAPTIONS = {
    "a.txt": "one\ntwo\n",
    "a.csv": 'text,sex\n"one",f\ntwo,m\n',
    "a.tsv": "caption\tsex\none\tf\ntwo\tm\n",
    "a.jsonl": '{"caption": "one", "sex": "f"}\n{"caption": "two"}\n',
    "a.json": '["one", "two"]',
}


@pytest.mark.parametrize("name", CAPTIONS)
@pytest.mark.parametrize("gzipped", [False, True])
def test_captions_alone(name, gzipped, tmp_path):
    path = tmp_path / (name + ".gz" * gzipped)
    content = CAPTIONS[name].encode()
    path.write_bytes(gzip.compress(content) if gzipped else content)
    collection = readers.open_collection(path)
    table = material.read(collection)
    assert (collection.kind, len(collection), collection.has_pictures) == ("captions", 2, False)
    assert table["captions"].to_pylist() == [["one"], ["two"]]
    assert table["uid"].to_pylist() == ["a/0000000000", "a/0000000001"]
    if collection.columns:
        assert table["sex"].to_pylist()[0] == "f"
    with pytest.raises(InputError, match="captions alone"):
        collection.picture(0)
    made = material.read(readers.open_collection(path, uid=readers.CONTENTS))
    assert made["uid"].to_pylist() == [uids.made(b"", [text]) for text in ("one", "two")]


def test_uids_of_a_field_are_kept_and_told_apart(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"caption": "x", "uid": 7}, {"caption": "y", "uid": "b"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert material.read(readers.open_collection(path))["uid"].to_pylist() == ["7", "b"]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[1]]))
    with pytest.raises(InputError, match="the uid 'b' of 'uid' stands twice, in rows 1 and 2"):
        readers.open_collection(path)
    assert len(readers.open_collection(path, uid=readers.CONTENTS)) == 3


def test_which_field_is_asked_if_several_may_be(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("caption,text,who\none,two,three\n")
    with pytest.raises(InputError, match="Say caption= one of caption, text"):
        readers.open_collection(path)
    collection = readers.open_collection(path, caption="who")
    assert material.read(collection)["captions"].to_pylist() == [["three"]]
    assert collection.columns == ("caption", "text")
    with pytest.raises(InputError, match="no field 'whom' to be the caption; did you mean 'who'"):
        readers.open_collection(path, caption="whom")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "no such file"),
        ("*.tar", "nothing fits"),
        ("{00..02}.tar", "00.tar: no such file"),
        ("a.xyz", "expected a folder of pictures, tar shards"),
        ("empty", "no examples"),
    ],
)
def test_what_is_not_there_is_told(path, message, tmp_path):
    (tmp_path / "a.xyz").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        readers.open_collection(tmp_path / path)


def test_a_path_behind_a_word_is_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a man", encoding="utf-8")
    with pytest.raises(InputError, match=f"no such file; did you mean '{path}'"):
        readers.open_collection(f"files:{path}")
    with pytest.raises(InputError, match=r"files:/none/a.txt: no such file; expected a folder"):
        readers.open_collection("files:/none/a.txt")


def test_pictures_are_read_by_many_threads_and_in_other_processes(tmp_path):
    collection = readers.open_collection(FORMS["shards"](tmp_path))
    rows = [i % len(FOUND) for i in range(400)]
    with futures.ThreadPoolExecutor(16) as threads:
        found = list(threads.map(collection.picture, rows))
    assert found == [FOUND[i].picture for i in rows]
    copied = pickle.loads(pickle.dumps(collection))
    assert copied.picture(3) == FOUND[3].picture


def test_a_dataset_of_tfds(small_world, data_dir, dataset):
    collection = readers.open_collection(dataset, split="scenes[:20]")
    columns = small_world.load_split("scenes", data_dir).columns
    table = material.read(collection)
    assert (collection.kind, len(collection)) == ("tfds", 20)
    assert table["captions"].to_pylist() == [[x] for x in columns["caption"][:20]]
    made = emoji_scenes.builder(small_world, data_dir)
    assert table["uid"][3].as_py() == f"{made.info.full_name}/scenes[:20]/0000000003"
    assert table["occupation"].to_pylist() == columns["occupation"][:20].tolist()
    assert collection.picture(2) == prepared.Records(dataset, "scenes", "image")[2]["image"]
    with pytest.raises(InputError, match="has several splits; say split= one of"):
        readers.open_collection(dataset)
