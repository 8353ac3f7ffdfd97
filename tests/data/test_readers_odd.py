"""Readers on what is damaged, hostile or laid out as other tools do."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers import material

from m4jax.data import readers
from m4jax.errors import InputError
from m4jax.files import parquet

FOUND = material.examples(12)
PICTURES = [one.picture for one in FOUND]


def write_saved(folder, table, name="data-00000-of-00001.arrow", **state):
    """Writes what `datasets` does, without it; tests with it are in test_readers_peers."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (
        pa.OSFile(str(Path(folder, name)), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as writer,
    ):
        writer.write_table(table, max_chunksize=5)
    state = {"_data_files": [{"filename": name}]} | state
    Path(folder, "state.json").write_text(json.dumps(state))
    return str(folder)


def table_of(pictures=PICTURES, **columns):
    return pa.table({"image": pictures, "caption": [x.captions[0] for x in FOUND]} | columns)


def test_a_table_without_a_head_beside_pictures_loses_no_row(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PICTURES[0])
    (tmp_path / "t.csv").write_text("a.png,a man\nb.png,a woman\n")
    for path in (tmp_path, tmp_path / "t.csv"):
        with pytest.raises(InputError, match="its first line is a row already"):
            readers.open_collection(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("b.csv", "caption;id\na man, too;1\n"), ("b.tsv", "a,caption\n1,a man\n")],
)
def test_tables_parted_otherwise_are_refused(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"its cells are parted by '[;,]', expected '"):
        readers.open_collection(tmp_path / name)


class TestParquet:
    def test_rows_without_a_picture_are_left_out(self, tmp_path):
        pictures = [None if i in (2, 7) else x for i, x in enumerate(PICTURES)]
        parquet.write(table_of(pictures), tmp_path / "a.parquet", row_group_size=5)
        collection = readers.open_collection(tmp_path / "a.parquet")
        assert collection.left_out == {"row 2": "no picture", "row 7": "no picture"}
        kept = [i for i in range(12) if i not in (2, 7)]
        assert [collection.picture(i) for i in range(10)] == [PICTURES[i] for i in kept]
        table = material.read(collection, 3)
        assert table["captions"].to_pylist() == [FOUND[i].captions for i in kept]

    def test_pictures_by_their_paths_in_a_struct(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "x.png").write_bytes(PICTURES[0])
        (tmp_path / "out.png").write_bytes(PICTURES[1])
        paths = ["x.png", "../out.png", str(tmp_path / "out.png"), "none.png", None]
        pictures = [{"bytes": None, "path": path} for path in paths]
        pictures += [{"bytes": PICTURES[5], "path": "../out.png"}] * 7
        parquet.write(table_of(pictures), tmp_path / "in" / "a.parquet")
        collection = readers.open_collection(tmp_path / "in" / "a.parquet")
        assert [collection.picture(i) for i in range(2)] == [PICTURES[0], PICTURES[5]]
        assert len(collection) == 8
        told = list(collection.left_out.values())
        assert "leads out" in told[0] and "leads out" in told[1]
        assert "No such file" in told[2] and told[3] == "no picture"

    def test_paths_that_lead_out(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "out.png").write_bytes(PICTURES[0])
        (tmp_path / "in" / "x.png").write_bytes(PICTURES[1])
        inside = str(tmp_path / "in" / "x.png")  # absolute, and below the folder
        table = pa.table({"path": ["../out.png", inside, "/etc/a.png"], "text": ["a", "b", "c"]})
        parquet.write(table, tmp_path / "in" / "a.parquet")
        collection = readers.open_collection(tmp_path / "in" / "a.parquet")
        assert material.read(collection).to_pylist() == [{"uid": "x", "captions": ["b"]}]
        assert sorted(collection.left_out) == ["../out.png", "/etc/a.png"]

    def test_several_columns_of_pictures(self, tmp_path):
        table = table_of(mask=PICTURES[::-1]).rename_columns(["photo_a", "caption", "photo_b"])
        parquet.write(table, tmp_path / "a.parquet")
        with pytest.raises(InputError, match="image= one of photo_a, photo_b "):
            readers.open_collection(tmp_path / "a.parquet")
        collection = readers.open_collection(tmp_path / "a.parquet", image="photo_b")
        assert collection.picture(0) == PICTURES[-1] and collection.columns == ()
        with pytest.raises(InputError, match="'caption' holds no pictures' bytes"):
            readers.open_collection(tmp_path / "a.parquet", image="caption")

    def test_captions_alone_are_called_by_their_rows(self, tmp_path):
        table = pa.table({"caption": ["a", "b", "c"], "sex": ["f", None, "m"]})
        parquet.write(table, tmp_path / "a.parquet")
        collection = readers.open_collection(tmp_path / "a.parquet")
        found = material.read(collection)
        assert found["uid"].to_pylist() == [f"a/{i:010d}" for i in range(3)]
        assert found["sex"].to_pylist() == ["f", None, "m"] and not collection.has_pictures
        shutil.copy(tmp_path / "a.parquet", tmp_path / "b.parquet")
        found = material.read(readers.open_collection(tmp_path))
        assert found["uid"].to_pylist()[3:] == [f"b/{i:010d}" for i in range(3)]

    def test_nested_captions(self, tmp_path):
        told = [[{"raw": "one", "id": 1}, {"raw": "two", "id": 2}], [], None]
        table = pa.table({"image": PICTURES[:3], "sentences": told})
        parquet.write(table, tmp_path / "a.parquet")
        collection = readers.open_collection(tmp_path / "a.parquet", caption="sentences/raw")
        assert material.read(collection)["captions"].to_pylist() == [["one", "two"], [], []]

    def test_pictures_in_any_order(self, tmp_path):
        parquet.write(table_of(), tmp_path / "a.parquet", row_group_size=5)
        collection = readers.open_collection(tmp_path / "a.parquet")
        assert not collection.random_access
        for row in np.random.default_rng(0).integers(12, size=60).tolist():
            assert collection.picture(row) == PICTURES[row]

    def test_files_of_different_columns(self, tmp_path):
        parquet.write(table_of(), tmp_path / "a.parquet")
        parquet.write(table_of(more=range(12)), tmp_path / "b.parquet")
        with pytest.raises(InputError, match=r"b\.parquet: has other columns than"):
            readers.open_collection(tmp_path)

    def test_columns_called_as_ours_are_kept(self, tmp_path):
        table = table_of(uid=[f"u{i}" for i in range(12)], captions=range(12))
        parquet.write(table, tmp_path / "a.parquet")
        made = readers.open_collection(tmp_path / "a.parquet", uid="captions", caption="caption")
        assert made.columns == ("uid_",) and material.read(made)["uid"][3].as_py() == "3"


class TestSaved:
    def test_names_in_the_state_stay_in_the_folder(self, tmp_path):
        write_saved(tmp_path / "a", table_of())
        for name in ("../b.arrow", "/etc/passwd", "x/y.arrow", 3):
            state = {"_data_files": [{"filename": name}]}
            (tmp_path / "a" / "state.json").write_text(json.dumps(state))
            with pytest.raises(InputError, match="expected the names of arrow files"):
                readers.open_collection(tmp_path / "a")

    @pytest.mark.parametrize("content", ["[]", "{", '{"_data_files": 3}', '{"_data_files": [3]}'])
    def test_a_damaged_state(self, tmp_path, content):
        write_saved(tmp_path / "a", table_of())
        (tmp_path / "a" / "state.json").write_text(content)
        with pytest.raises(InputError, match=r"state\.json"):
            readers.open_collection(tmp_path / "a")

    def test_damaged_files_end_in_examples_or_a_line(self, tmp_path):
        folder = write_saved(tmp_path / "a", table_of())
        path = tmp_path / "a" / "data-00000-of-00001.arrow"
        whole, rng = path.read_bytes(), np.random.default_rng(0)
        for _ in range(60):
            content = bytearray(whole)
            for place in rng.integers(len(whole), size=3):
                content[place] = rng.integers(256)
            path.write_bytes(content[: rng.choice([len(whole), rng.integers(len(whole))])])
            try:
                collection = readers.open_collection(folder)
                material.read(collection)
                for row in range(len(collection)):
                    collection.picture(row)
            except InputError:
                continue

    def test_the_cache_of_datasets(self, tmp_path):
        for name in ("x-train-00000-of-00002", "x-train-00001-of-00002", "x-test"):
            write_saved(tmp_path, table_of(), f"{name}.arrow")
        (tmp_path / "state.json").unlink()
        assert len(readers.open_collection(tmp_path, split="train")) == 24
        assert len(readers.open_collection(tmp_path, split="test")) == 12
        with pytest.raises(InputError, match="several splits; say split= one of test, train"):
            readers.open_collection(tmp_path)

    def test_uids_of_a_column(self, tmp_path):
        names = [f"u{i}" for i in range(12)]
        folder = write_saved(tmp_path / "a", table_of(uid=names))
        assert material.read(readers.open_collection(folder))["uid"].to_pylist() == names
        folder = write_saved(tmp_path / "b", table_of(uid=["x", *names[1:-1], "x"]))
        with pytest.raises(InputError, match="the uid 'x' of 'uid' stands twice, in rows 0 and 11"):
            readers.open_collection(folder)


class TestImg2dataset:
    """The layouts of img2dataset's output_format webdataset, files and parquet."""

    fields: tuple = tuple(
        {"key": f"{i:09d}", "url": f"http://x/{i}.jpg", "caption": one.captions[0], "width": 16,
         "status": "success", "error_message": None}
        for i, one in enumerate(FOUND)
    )  # fmt: skip

    def check(self, collection):
        table = material.read(collection)
        assert table["uid"].to_pylist() == [x["key"] for x in self.fields]
        assert table["captions"].to_pylist() == [one.captions for one in FOUND]
        assert [collection.picture(i) for i in range(12)] == PICTURES
        assert {"url", "width", "status"} <= set(collection.columns)
        assert table["width"].to_pylist() == [16] * 12

    def members(self):
        for one, fields in zip(FOUND, self.fields, strict=True):
            said = {"jpg": one.picture, "txt": one.captions[0].encode()}
            yield fields["key"], said | {"json": json.dumps(fields).encode()}

    def test_webdataset(self, tmp_path):
        entries = [(f"{key}.{x}", y) for key, said in self.members() for x, y in said.items()]
        material.write_tar(tmp_path / "00000.tar", entries)
        parquet.write(pa.Table.from_pylist(list(self.fields)), tmp_path / "00000.parquet")
        (tmp_path / "00000_stats.json").write_text("{}")
        collection = readers.open_collection(tmp_path)
        assert collection.kind == "shards"
        self.check(collection)

    def test_files(self, tmp_path):
        (tmp_path / "00000").mkdir()
        for key, said in self.members():
            for suffix, content in said.items():
                (tmp_path / "00000" / f"{key}.{suffix}").write_bytes(content)
        parquet.write(pa.Table.from_pylist(list(self.fields)), tmp_path / "00000.parquet")
        collection = readers.open_collection(tmp_path)
        assert collection.kind == "folder" and collection.columns[-1] == "folder"
        self.check(readers.open_collection(tmp_path / "00000"))

    def test_parquet(self, tmp_path):
        table = pa.Table.from_pylist(list(self.fields)).append_column("jpg", pa.array(PICTURES))
        parquet.write(table, tmp_path / "00000.parquet")
        (tmp_path / "00000_stats.json").write_text("{}")
        collection = readers.open_collection(tmp_path)
        assert collection.kind == "parquet"
        self.check(collection)


class TestCoco:
    def test_the_pictures_may_lie_elsewhere_or_nowhere(self, tmp_path):
        path = Path(material.write_coco(tmp_path / "a", FOUND))
        (tmp_path / "b/c").mkdir(parents=True)
        shutil.move(tmp_path / "a" / "pictures", tmp_path / "b/c/far")
        alone = readers.open_collection(path)
        assert alone.has_pictures is False and len(alone) == 12
        named = readers.open_collection(path, image=str(tmp_path / "b/c/far"))
        assert [named.picture(i) for i in range(12)] == PICTURES
        (tmp_path / "b/c/far" / "p003.png").unlink()
        named = readers.open_collection(path, image=str(tmp_path / "b/c/far"))
        assert len(named) == 11 and "no such picture" in named.left_out["p003.png"]

    def test_what_does_not_belong_is_told(self, tmp_path):
        path = Path(material.write_coco(tmp_path, FOUND))
        content = json.loads(path.read_text())
        content["images"][0]["file_name"] = "../up.png"
        content["annotations"].append({"image_id": 999, "caption": "of nothing"})
        path.write_text(json.dumps(content))
        collection = readers.open_collection(path)
        assert set(collection.left_out) == {"../up.png", "annotation 12"}
        content["annotations"][0].pop("caption")
        path.write_text(json.dumps(content))
        with pytest.raises(InputError, match="annotation 0 has no field 'caption'"):
            readers.open_collection(path)

    def test_ids_as_uids(self, tmp_path):
        path = material.write_coco(tmp_path, FOUND)
        table = material.read(readers.open_collection(path, uid="id"))
        assert table["uid"].to_pylist() == [str(7 * i) for i in range(12)]
