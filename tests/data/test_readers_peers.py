"""Readers beside the libraries whose formats they read: the same material, read by both."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import material
from PIL import Image

from m4jax.data import readers
from m4jax.data.readers import uids
from m4jax.errors import InputError

FOUND = material.examples()
pytestmark = [  # the libraries leave files open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def as_we_read(path, **options):
    collection = readers.open_collection(path, **options)
    table = material.read(collection)
    pictures = [collection.picture(i) for i in range(len(collection))]
    return collection, table, pictures


def pixels(picture):
    picture = picture if isinstance(picture, Image.Image) else Image.open(io.BytesIO(picture))
    return np.asarray(picture.convert("RGB"))


class TestWebdataset:
    @pytest.fixture(autouse=True)
    def _library(self):
        self.library = pytest.importorskip("webdataset")

    def read(self, pattern):
        return list(self.library.WebDataset(pattern, shardshuffle=False))

    def test_shards_that_it_wrote(self, tmp_path):
        with self.library.ShardWriter(f"{tmp_path}/%05d.tar", maxcount=15, verbose=0) as writer:
            for one in FOUND:
                sample = {"__key__": one.key, "png": one.picture, "txt": one.captions[0]}
                writer.write(sample | {"json": one.fields})
        collection, table, pictures = as_we_read(tmp_path)
        theirs = self.read(f"{tmp_path}/{{00000..00002}}.tar")
        assert table["uid"].to_pylist() == [x["__key__"] for x in theirs]
        assert pictures == [x["png"] for x in theirs] == [one.picture for one in FOUND]
        assert table["captions"].to_pylist() == [[x["txt"].decode()] for x in theirs]
        fields = [json.loads(x["json"]) for x in theirs]
        assert table.select(collection.columns).to_pylist() == fields

    def test_shards_that_it_reads(self, tmp_path):
        pattern = material.write_shards(tmp_path, FOUND, 9)
        _, table, pictures = as_we_read(pattern)
        theirs = self.read(pattern)
        assert pictures == [x["png"] for x in theirs]
        assert table["uid"].to_pylist() == [x["__key__"] for x in theirs]

    def test_names_are_split_as_it_does(self, tmp_path):
        names = ["a.b/c.png", "a.b/c.txt", "d.seg.png", "d.png", "E.PNG", "x/y.z/f.png", "nosuffix"]
        path = material.write_tar(tmp_path / "a.tar", [(x, FOUND[0].picture) for x in names])
        _, table, _ = as_we_read(path)
        theirs = [x["__key__"] for x in self.read(path) if {"png", "PNG"} & set(x)]
        assert table["uid"].to_pylist() == theirs == ["a.b/c", "d", "E", "x/y.z/f"]


class TestDatasets:
    @pytest.fixture(autouse=True)
    def _library(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        self.library = pytest.importorskip("datasets")
        self.library.disable_progress_bars()

    def made(self, folder, found=FOUND):
        d = self.library
        features = {"image": d.Image(), "caption": d.List(d.Value("string"))}
        features |= {"label": d.ClassLabel(names=["woman", "man"]), "number": d.Value("int32")}
        rows = {"image": [], "caption": [], "label": [], "number": []}
        for i, one in enumerate(found):
            path = Path(folder, f"{one.key}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.picture)
            values = (str(path), one.captions, (-1, 0, 1)[i % 3], i)
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
        return d.Dataset.from_dict(rows, features=d.Features(features))

    def check(self, path, theirs, **options):
        collection, table, pictures = as_we_read(path, **options)
        assert len(collection) == len(theirs)
        decoded = [pixels(one["image"]) for one in theirs]
        np.testing.assert_array_equal([pixels(x) for x in pictures], decoded)
        assert table["captions"].to_pylist() == [one["caption"] for one in theirs]
        names = theirs.features["label"].names
        labels = [names[x["label"]] if x["label"] >= 0 else None for x in theirs]
        assert table["label"].to_pylist() == labels
        assert table["number"].to_pylist() == [x["number"] for x in theirs]
        made = [uids.made(x, texts) for x, texts in zip(pictures, table["captions"].to_pylist(),
                                                        strict=True)]  # fmt: skip
        assert table["uid"].to_pylist() == made
        return collection

    def test_saved_to_disk(self, tmp_path):
        dataset = self.made(tmp_path / "pictures")
        dataset.save_to_disk(tmp_path / "saved", num_shards=3)
        assert self.check(tmp_path / "saved", dataset).kind == "hugging_face"
        with pytest.raises(InputError, match="has no splits, and split='test'"):
            readers.open_collection(tmp_path / "saved", split="test")

    def test_several_splits(self, tmp_path):
        dataset = self.made(tmp_path / "pictures")
        parts = {"train": dataset, "test": dataset.select(range(5))}
        self.library.DatasetDict(parts).save_to_disk(tmp_path / "saved")
        self.check(tmp_path / "saved", parts["test"], split="test")
        with pytest.raises(InputError, match="several splits; say split= one of train, test"):
            readers.open_collection(tmp_path / "saved")
        with pytest.raises(InputError, match="no split 'val'"):
            readers.open_collection(tmp_path / "saved", split="val")

    def test_parquet_that_it_wrote(self, tmp_path):
        dataset = self.made(tmp_path / "pictures")
        dataset.save_to_disk(tmp_path / "saved")  # which takes the pictures in
        dataset = self.library.load_from_disk(tmp_path / "saved")
        (tmp_path / "data").mkdir()
        for name, part in (("train", dataset), ("test", dataset.select(range(5)))):
            part.to_parquet(tmp_path / f"data/{name}-00000-of-00001.parquet", batch_size=7)
        self.check(tmp_path / "data", dataset, split="train")
        collection = self.check(tmp_path, dataset.select(range(5)), split="test")
        assert collection.kind == "parquet"

    def test_image_folder_with_metadata(self, tmp_path):
        path = material.write_table(tmp_path / "train", FOUND)
        table = Path(path).read_text(encoding="utf-8").replace("image,", "file_name,", 1)
        Path(path).unlink()
        (tmp_path / "train" / "metadata.csv").write_text(table, encoding="utf-8")
        theirs = self.library.load_dataset(
            "imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache"), split="train"
        )
        theirs = sorted(theirs, key=lambda one: one["number"])
        collection, table, pictures = as_we_read(tmp_path, split="train")
        assert collection.kind == "hugging_face"
        assert table["captions"].to_pylist() == [[x["caption"]] for x in theirs]
        decoded = [pixels(x["image"]) for x in theirs]
        np.testing.assert_array_equal([pixels(x) for x in pictures], decoded)

    def test_image_folder_with_classes(self, tmp_path):
        found = [one._replace(key=f"{'ab'[i % 2]}/{one.key}") for i, one in enumerate(FOUND)]
        for one in found:
            path = tmp_path / "pictures" / f"{one.key}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.picture)
        theirs = self.library.load_dataset(
            "imagefolder", data_dir=str(tmp_path / "pictures"), cache_dir=str(tmp_path / "cache")
        )["train"]
        _, table, pictures = as_we_read(tmp_path / "pictures")
        names = theirs.features["label"].names
        ours = {pixels(x).tobytes(): y for x, y in zip(pictures, table["folder"].to_pylist(),
                                                       strict=True)}  # fmt: skip
        assert ours == {pixels(x["image"]).tobytes(): names[x["label"]] for x in theirs}
