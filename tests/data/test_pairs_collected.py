"""Training pairs and evaluation sets from what people have, as from a TFDS dataset."""

import csv
import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers import material

from m4jax.data import pictures, prepared
from m4jax.data.annotation import load_lexicon
from m4jax.data.pairs import Pairs
from m4jax.errors import InputError
from m4jax.files import parquet

FOUND = material.examples(several=True)
SIDE = 8
FORMS = {
    "folder": lambda base, found=FOUND: material.write_folder(base / "a", found),
    "table": lambda base, found=FOUND: material.write_table(base / "a", found),
    "shards": lambda base, found=FOUND: material.write_shards(base / "a", found),
    "parquet": lambda base, found=FOUND: material.write_parquet(
        base / "a.parquet", found, row_group_size=9
    ),
    "coco": lambda base, found=FOUND: material.write_coco(base / "a", found),
}


def pairs(dataset, **options):
    fields = {"resolution": SIDE, "faces": (), "objects": (), "scenes": ()}
    return Pairs(dataset=dataset, **(fields | options))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_trained_on_alike(form, tmp_path):
    some = pairs(FORMS[form](tmp_path))
    some.prepare(tmp_path)
    table, found = some.read(tmp_path)
    captions = table["caption"].to_pylist()
    expected = [one.captions for one in FOUND]
    assert all(text in texts for text, texts in zip(captions, expected, strict=True))
    if form != "coco":  # whose captions were shuffled
        assert captions == [texts[0] for texts in expected]
    attributes, labels = load_lexicon("en_v2").annotate(captions)
    ours = table["man"].cast(pa.int8()).fill_null(-1).to_numpy()
    np.testing.assert_array_equal(ours, attributes[:, 0])
    assert table["occupation: nurse"].to_pylist()[0] and labels.any()
    shown = np.stack([pictures.read(one.picture, SIDE) for one in FOUND])
    order = np.random.default_rng(0).permutation(len(FOUND))
    np.testing.assert_array_equal(found[order], shown[order])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found))[order[:5]], shown[order[:5]])
    train = some.train(tmp_path)
    assert train.uids.tolist() == table["uid"].to_pylist() and len(set(train.uids)) == len(FOUND)
    assert (some.directory(tmp_path) / "pictures.tar").exists() == (form == "parquet")


@pytest.mark.parametrize("form", FORMS)
def test_what_was_edited_in_place_is_another_dataset(form, tmp_path):
    some = pairs(FORMS[form](tmp_path))
    before = some.id
    some.prepare(tmp_path / "kept")
    assert some.id == before and some.is_prepared(tmp_path / "kept")
    changed = [FOUND[0]._replace(captions=["a woman who is a painter"]), *FOUND[1:]]
    if form == "coco":
        path = Path(some.dataset)
        path.write_text(path.read_text().replace("somebody", "nobody"))
    else:
        FORMS[form](tmp_path, changed)
    assert some.id != before and not some.is_prepared(tmp_path / "kept")


def test_a_part(tmp_path):
    dataset = FORMS["shards"](tmp_path)
    for split, expected in (("train[:10]", 10), ("train[:25%]", 10), ("[4:6]", 2), ("", 40)):
        part = pairs(dataset, split=split)
        part.prepare(tmp_path)
        table, found = part.read(tmp_path)
        assert len(table) == len(found) == expected
    assert part.first(7).split == "[:7]"
    some = pairs(dataset, split="train[4:6]")
    some.prepare(tmp_path)
    assert some.read(tmp_path)[0]["uid"].to_pylist() == ["p004", "p005"]
    for split, message in (("test", "has no splits"), ("train[::2]", "expected a split as in")):
        with pytest.raises(InputError, match=message):
            pairs(dataset, split=split).prepare(tmp_path)


def test_fields_of_its_own(tmp_path):
    path = Path(tmp_path, "a.parquet")
    columns = {"photo": [one.picture for one in FOUND], "says": [one.captions for one in FOUND]}
    parquet.write(pa.table(columns | {"caption": ["a nurse"] * 40, "uid": range(40)}), path)
    some = pairs(str(path), image="photo", caption="says")
    some.prepare(tmp_path)
    table, _ = some.read(tmp_path)
    assert table["caption"].to_pylist() == [one.captions[0] for one in FOUND]
    assert table["uid"].to_pylist() == [str(i) for i in range(40)]
    with pytest.raises(InputError, match="no field 'text' to be the caption"):
        pairs(str(path), caption="text").prepare(tmp_path)


@pytest.mark.parametrize("form", ["shards", "parquet"])
def test_what_cannot_be_read_is_counted_and_left_out(form, tmp_path):
    found = list(FOUND)
    found[3] = found[3]._replace(picture=b"<html>")
    found[5] = found[5]._replace(captions=[""])
    found[7] = found[7]._replace(picture=found[7].picture[:60])
    some = pairs(FORMS[form](tmp_path, found), skip=2)
    with pytest.raises(InputError, match=r"3 of the first 40.* 3: .*HTML.* 5: caption: there is"):
        some.prepare(tmp_path)
    some = dataclasses.replace(some, skip=3)
    with pytest.warns(prepared.LeftOutWarning, match="3 left out; by their records, 3: "):
        some.prepare(tmp_path)
    table, shown = some.read(tmp_path)
    kept = [one for i, one in enumerate(FOUND) if i not in (3, 5, 7)]
    assert table["caption"].to_pylist() == [one.captions[0] for one in kept]
    expected = np.stack([pictures.read(one.picture, SIDE) for one in kept])
    np.testing.assert_array_equal(shown[:], expected)


def test_pictures_without_captions_or_captions_without_pictures_are_no_pairs(tmp_path):
    (tmp_path / "a.csv").write_text("caption\na nurse\n")
    with pytest.raises(InputError, match="has no pictures"):
        pairs(str(tmp_path / "a.csv")).prepare(tmp_path)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(FOUND[0].picture)
    with pytest.raises(InputError, match="has no captions"):
        pairs(str(tmp_path / "b")).prepare(tmp_path)


def test_a_damaged_copy_of_pictures_is_noticed(tmp_path):
    some = pairs(FORMS["parquet"](tmp_path))
    some.prepare(tmp_path)
    path = some.directory(tmp_path) / "pictures.tar"
    content = bytearray(path.read_bytes())
    content[700] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        some.read(tmp_path)


class TestEvaluationSets:
    def table(self, folder):
        path = material.write_table(folder, FOUND)
        with open(path, encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for i, row in enumerate(rows):
            row["sex"] = ("male", "female", "")[i % 5 % 3]
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        first = {row["image"]: row for row in rows[::-1]}
        return [first[f"{one.key}.png"] for one in FOUND]

    def test_from_a_folder(self, tmp_path):
        rows, folder = self.table(tmp_path), str(tmp_path)
        faces, objects = (folder, "", "", "sex"), (folder, "test", "", "job")
        objects, scenes = (folder, "", "", "job"), (folder, "train[:9]", "", "caption")
        some = pairs(folder, faces=faces, objects=objects, scenes=scenes)
        with pytest.warns(prepared.LeftOutWarning, match="sex is unknown"):
            splits = some.evaluation()
        told = [row["sex"] for row in rows]
        known = [i for i, one in enumerate(told) if one]
        assert splits["faces"]["group"].tolist() == known
        assert splits["faces"]["gender"].tolist() == [int(told[i] == "male") for i in known]
        shown = np.stack([pictures.read(FOUND[i].picture, SIDE) for i in known])
        np.testing.assert_array_equal(splits["faces"]["images"], shown)
        with pytest.warns(prepared.LeftOutWarning, match="sex is unknown"):
            squashed = some.evaluation(scaling={"resize": "squash"})
        shown = [pictures.read(FOUND[i].picture, SIDE, resize="squash") for i in known]
        np.testing.assert_array_equal(squashed["faces"]["images"], np.stack(shown))
        name, classes = some.classes()
        assert name == tmp_path.name and list(classes) == ["chef", "farmer", "nurse"]
        things = np.array(list(classes))[splits["objects"]["thing"]]
        assert things.tolist() == [row["job"] for row in rows]
        assert splits["scenes"]["captions"] == [one.captions[0] for one in FOUND[:9]]
        before = some.looked_at_id
        self.table(tmp_path / "moved")
        moved = dataclasses.replace(some, faces=(str(tmp_path / "moved"), *faces[1:]))
        assert moved.id == some.id
        (tmp_path / "p003.png").write_bytes(FOUND[4].picture)
        assert some.looked_at_id != before

    def test_a_field_that_is_not_there(self, tmp_path):
        self.table(tmp_path)
        with pytest.raises(InputError, match="has no field 'gender'; it has"):
            pairs(str(tmp_path), faces=(str(tmp_path), "", "", "gender")).evaluation()

    def test_truths_from_shards(self, tmp_path):
        found = [one._replace(fields={"man": i % 2}) for i, one in enumerate(FOUND)]
        dataset = material.write_shards(tmp_path, found)
        splits = pairs(dataset, faces=(dataset, "", "", "man")).evaluation()
        assert splits["faces"]["gender"].tolist() == [i % 2 for i in range(40)]
        assert json.dumps(found[0].fields) == '{"man": 0}'
