"""What is written for others' code, read back by it."""

import dataclasses
import sys
import types
import warnings

import numpy as np
import pyarrow as pa
import pytest
from helpers import material

from m4jax.data import readers
from m4jax.files import parquet
from m4jax.tables import selection
from m4jax.tables.elsewhere import Kept, UseConfig, use

FOUND = material.examples()
UIDS = [one.key for one in FOUND]
WEIGHTS = np.linspace(0, 1, len(FOUND))
KEPT = selection.keep(UIDS, WEIGHTS, seed=0)
EXPECTED = [one for one, keep in zip(FOUND, KEPT, strict=True) if keep]


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.parquet"
    parquet.write(pa.table({"uid": UIDS, "weight": WEIGHTS}), path)
    return str(path)


@pytest.fixture
def quiet():
    """Others' warnings are theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_webdataset_reads_the_shards(tmp_path, weights, quiet):
    wds = pytest.importorskip("webdataset")
    source = material.write_shards(tmp_path / "shards", FOUND)
    use(UseConfig(data=source, weights=weights), tmp_path / "out")
    every = f"{tmp_path / 'out'}/{{00000..00002}}.tar"
    samples = list(wds.WebDataset(every, shardshuffle=False))
    assert [one["__key__"] for one in samples] == [one.key for one in EXPECTED]
    assert [one["png"] for one in samples] == [one.picture for one in EXPECTED]
    assert [one["txt"].decode() for one in samples] == [one.captions[0] for one in EXPECTED]
    decoded = next(iter(wds.WebDataset(every, shardshuffle=False).decode("rgb8")))
    assert decoded["json"] == EXPECTED[0].fields and decoded["png"].shape == (12, 16, 3)


def test_webdataset_filters_by_weights(tmp_path, weights, quiet):
    wds = pytest.importorskip("webdataset")
    source = material.write_shards(tmp_path / "shards", FOUND)
    kept = Kept.read(weights)
    samples = wds.WebDataset(source, shardshuffle=False).select(kept)
    assert [one["__key__"] for one in samples] == [one.key for one in EXPECTED]
    assert (kept.seen, kept.kept) == (len(FOUND), len(EXPECTED))


@pytest.fixture
def open_clip_data(quiet):
    """open_clip's module of data sets."""
    pytest.importorskip("torch")
    # Some builds of torchvision can't register their operators with a PyTorch for CPU only.
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("empty"))
    return pytest.importorskip("open_clip_train.data")


def test_open_clips_csv_data_set_reads_files_and_titles(tmp_path, weights, open_clip_data):
    several = material.examples(several=True)
    odd = several[-1]._replace(captions=["null", 'a "man"\tat\nwork', "ok"])
    material.write_table(tmp_path / "photos", [*several[:-1], odd], "jsonl")
    config = UseConfig(data=str(tmp_path / "photos"), weights=weights)
    used = use(config, tmp_path / "out")
    data = open_clip_data.CsvDataset(
        str(used.path),
        lambda picture: np.asarray(picture.convert("RGB")),
        img_key="filepath",
        caption_key="title",
        tokenizer=lambda texts: [texts[0].strip()],
    )
    texts = [
        " ".join(text.split())
        for one, keep in zip([*several[:-1], odd], KEPT, strict=True)
        for text in one.captions
        if keep
    ]
    assert KEPT[-1] and "null" in texts
    assert [data[i][1] for i in range(len(data))] == texts
    assert data[0][0].shape == (12, 16, 3)


def test_open_clips_own_loader_reads_the_shards(tmp_path, weights, open_clip_data):
    source = material.write_shards(tmp_path / "shards", FOUND)
    used = use(UseConfig(data=source, weights=weights), tmp_path / "out")
    every = f"{tmp_path / 'out'}/{{00000..00002}}.tar"
    total, shards = open_clip_data.get_dataset_size(every)
    assert (total, shards) == (used.written, 3)
    arguments = types.SimpleNamespace(
        train_data=every, val_data=every, train_num_samples=total, val_num_samples=total,
        dataset_resampled=False, train_data_upsampling_factors=None, seed=0, workers=0,
        batch_size=1, world_size=1, dataset_type="webdataset", distributed=False,
    )  # fmt: skip
    loaded = open_clip_data.get_wds_dataset(
        arguments,
        lambda picture: np.asarray(picture),
        is_train=False,
        tokenizer=lambda text: [text],
    )
    texts = [str(text) for _, batch in loaded.dataloader for text in batch]
    assert sorted(texts) == sorted(one.captions[0] for one in EXPECTED)


@pytest.mark.parametrize("without", [0, 3])
def test_datasets_loads_the_folder_of_arrow_files(tmp_path, quiet, without):
    datasets = pytest.importorskip("datasets")
    rows = {
        "uid": UIDS,
        "image": [{"bytes": one.picture, "path": None} for one in FOUND],
        "caption": [one.captions[0] for one in FOUND],
        "job": [i % 3 for i in range(len(FOUND))],
    }
    rows["image"][:without] = [None] * without  # which can't be read
    features = datasets.Features({
        "uid": datasets.Value("string"), "image": datasets.Image(),
        "caption": datasets.Value("string"),
        "job": datasets.ClassLabel(names=["nurse", "chef", "farmer"]),
    })  # fmt: skip
    data = datasets.Dataset.from_dict(rows, features=features)
    data.save_to_disk(str(tmp_path / "saved"), num_shards=3)
    left, q = UIDS[without:], WEIGHTS[without:]
    parquet.write(pa.table({"uid": left, "weight": q}), tmp_path / "w.parquet")
    config = UseConfig(data=str(tmp_path / "saved"), weights=str(tmp_path / "w.parquet"))
    used = use(config, tmp_path / "out")
    assert used.format == "datasets"
    found = datasets.load_from_disk(str(used.path))
    kept = [uid for uid in UIDS[without:] if uid in {one.key for one in EXPECTED}]
    assert found["uid"][:] == kept and len(found) == used.written
    assert found.features == features
    assert found[0]["image"].size == (16, 12)
    rows = use(dataclasses.replace(config, format="rows"), tmp_path / "out")
    assert data.select(np.load(rows.path))["uid"][:] == kept
    assert readers.open_collection(str(used.path)).identity
    again = use(config, tmp_path / "out")
    assert datasets.load_from_disk(str(again.path))._fingerprint == found._fingerprint


def test_datasets_reads_the_parquet_files(tmp_path, weights, quiet):
    datasets = pytest.importorskip("datasets")
    table = pa.table({
        "uid": UIDS, "caption": [one.captions[0] for one in FOUND],
        "image": [one.picture for one in FOUND],
    })  # fmt: skip
    for i, start in enumerate((0, 20)):
        parquet.write(table.slice(start, 20), tmp_path / f"{i}.parquet", row_group_size=7)
    config = UseConfig(data=str(tmp_path / "[01].parquet"), weights=weights)
    used = use(config, tmp_path / "out")
    found = datasets.load_dataset(
        "parquet", data_files=str(used.path / "*.parquet"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert found["uid"][:] == [one.key for one in EXPECTED]
    assert found["image"][:] == [one.picture for one in EXPECTED]


def test_img2dataset_downloads_its_list_and_uids_go_on(tmp_path, weights, quiet):
    img2dataset = pytest.importorskip("img2dataset")
    material.write_folder(tmp_path / "web", FOUND)
    rows = [f"{one.key},{one.captions[0]},{(tmp_path / 'web' / one.key).as_uri()}.png"
            for one in FOUND]  # fmt: skip
    source = tmp_path / "list.csv"
    source.write_text("\n".join(["uid,caption,url", *rows]) + "\n", encoding="utf-8")
    config = UseConfig(data=str(source), weights=weights, format="img2dataset")
    used = use(config, tmp_path / "out")
    img2dataset.download(
        url_list=str(used.path), input_format="parquet", url_col="url", caption_col="caption",
        save_additional_columns=["uid", "weight"], output_format="webdataset",
        output_folder=str(tmp_path / "shards"), processes_count=1, thread_count=2,
        resize_mode="no", disallowed_header_directives=[],
    )  # fmt: skip
    collection = readers.open_collection(tmp_path / "shards")
    found = material.read(collection)
    assert sorted(found["uid"].to_pylist()) == [one.key for one in EXPECTED]
    by_uid = dict(zip(found["uid"].to_pylist(), found["captions"].to_pylist(), strict=True))
    assert by_uid == {one.key: one.captions for one in EXPECTED}
