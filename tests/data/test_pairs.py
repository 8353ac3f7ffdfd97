"""Pairs of a TFDS dataset: here the testbed's, of which nothing but picture and caption is read."""

import contextlib
import dataclasses
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from m4jax import balance, files
from m4jax.data import prepared as datasets
from m4jax.data.annotation import load_lexicon
from m4jax.data.pairs import Pairs
from m4jax.data.testbed.world import annotate
from m4jax.errors import InputError


@pytest.fixture(scope="module")
def some(dataset):
    """The training split of the small world, found by its directory."""
    return Pairs(
        dataset=dataset, split="train", image="image", caption="caption", resolution=16,
        lexicon="en_v1", tokenizer="words", faces=(dataset, "faces", "image", "gender"),
        objects=(dataset, "objects", "image", "thing"),
        scenes=(dataset, "scenes[:20]", "image", "caption"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def prepared(some, tmp_path_factory):
    directory = tmp_path_factory.mktemp("pairs")
    some.prepare(directory)
    return directory


def test_the_table_holds_every_pair_with_what_its_caption_says(
    some, prepared, small_world, data_dir
):
    table, pictures = some.read(prepared)
    columns = small_world.load_split("train", data_dir).columns
    assert table["caption"].to_pylist() == columns["caption"].tolist()
    assert len(set(table["uid"].to_pylist())) == len(table) == len(pictures)
    captions = {name: np.full(len(table), -1) for name in ("gender", "occupation", "thing")}
    captions |= {f"says_{name}": columns[f"says_{name}"] for name in tuple(captions)}
    for sets in (("occupations", "any_thing"), ("things",)):
        ours, theirs = load_lexicon(some.lexicon).read(table, sets), annotate(captions, sets)
        assert ours.label_names == theirs.label_names
        np.testing.assert_array_equal(ours.attributes, theirs.attributes)
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_attributes_of_the_lexicon_lead_to_a_balancing_problem(some, tmp_path):
    attributes = {
        "gender": {"woman": ["woman"], "man": ["man"]},
        "link": {"with": ["with"], "and": ["and"], "next to": ["next to"]},
    }
    fields = files.read_json(resources.files("m4jax.data") / "lexicon_en_v1.json")
    files.write_json(tmp_path / "mine.json", fields | {"attributes": attributes})
    mine = dataclasses.replace(some, lexicon=str(tmp_path / "mine.json"))
    mine.prepare(tmp_path)
    table, _ = mine.read(tmp_path)
    names = ("man", "link: with", "link: and", "link: next to")
    assert tuple(table.column_names[2:6]) == names
    train = mine.train(tmp_path)
    notes = train.annotate(("any_thing",))
    assert notes.attribute_names == names and notes.attributes.shape == (600, 4)
    texts = [f" {train.texts[i]} " for i in train.caption_id]
    for name, column in zip(names[1:], notes.attributes[:, 1:].T, strict=True):
        linked = np.array(
            [any(f" {word} " in text for word in attributes["link"]) for text in texts]
        )
        word = name.removeprefix("link: ")
        expected = np.where(linked, [f" {word} " in text for text in texts], np.nan)
        np.testing.assert_array_equal(column, expected)
    problem = balance.Problem(
        notes.attributes, notes.labels, target=[0.5, 1 / 3, 1 / 3, 1 / 3], keep_rate=0.2,
        attribute_names=notes.attribute_names, label_names=notes.label_names,
    )  # fmt: skip
    solution = balance.solve(problem)
    assert solution.status is balance.Status.CONVERGED
    assert solution.representation_violation.max() < 1e-6
    with pytest.raises(InputError, match="annotated by another lexicon"):
        load_lexicon("en_v1").read(table.drop_columns(["thing: hat"]), ("things",))


def test_pictures_are_scaled_and_equal_however_they_are_asked_for(some, prepared):
    _, pictures = some.read(prepared)
    assert pictures.shape[1:] == (16, 16, 3)
    np.testing.assert_array_equal(pictures[3:6], pictures[np.array([3, 4, 5])])
    assert len(pictures[len(pictures) - 2 : len(pictures) + 9]) == 2


def test_a_part_of_a_split(some, tmp_path):
    part = dataclasses.replace(some, split="train[:10]")
    part.prepare(tmp_path)
    table, _ = part.read(tmp_path)
    assert len(table) == 10


def test_the_most_frequent_words_become_tokens(some, prepared):
    table, _ = some.read(prepared)
    texts = table["caption"].to_pylist()
    ids = some.open_tokenizer(prepared, context_length=12)(texts)
    assert ids.shape == (len(texts), 12) and (ids != 1).all()  # no word is unknown
    assert ids.max() < some.vocab_size
    one = some.open_tokenizer(prepared, context_length=12)(["A photo, of: a MAN!"])
    np.testing.assert_array_equal(
        one, some.open_tokenizer(prepared, context_length=12)(["a photo of a man"])
    )


def test_evaluation_splits(some, small_world, data_dir):
    splits = some.evaluation()
    for name, field in (("faces", "gender"), ("objects", "thing")):
        columns = small_world.load_split(name, data_dir).columns
        np.testing.assert_array_equal(splits[name][field], columns[field])
        assert splits[name]["images"].shape == (len(columns[field]), 16, 16, 3)
    assert len(splits["scenes"]["captions"]) == 20
    assert some.classes() is None  # `thing` is a number without names
    without = dataclasses.replace(some, faces=(), objects=())
    assert list(without.evaluation()) == ["scenes"]


def test_preparing_twice_reads_once(some, prepared):
    path = some.directory(prepared) / "train.parquet"
    before = path.stat().st_mtime_ns
    some.prepare(prepared)
    assert path.stat().st_mtime_ns == before


def test_a_damaged_table_is_noticed(some, tmp_path):
    part = dataclasses.replace(some, split="train[:5]")
    part.prepare(tmp_path)
    path = part.directory(tmp_path) / "train.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="damaged"):
        part.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "coco_captionz"}, "no dataset 'coco_captionz'"),
        ({"image": "picture"}, "no field 'picture'"),
        ({"caption": "captions/text"}, "no field 'captions/text'"),
        ({"split": "trian"}, "can't be read"),
    ],
)
def test_what_is_not_there_is_named(some, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(some, **changes).prepare(tmp_path)
    assert not list((tmp_path / "pairs").glob("*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": "clip"}, "clip:FILE"),
        ({"tokenizer": "bpe:x"}, "pairs.tokenizer"),
        ({"lexicon": "xx_v1"}, "lexicon"),
        ({"faces": ("celeb_a", "test")}, "pairs.faces"),
        ({"resolution": 0}, "pairs.resolution"),
    ],
)
def test_bad_settings_are_refused(some, changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(some, **changes)


def test_pictures_that_cannot_be_read_are_counted_and_left_out(
    some, prepared, tmp_path, monkeypatch
):
    whole_table, whole_pictures = some.read(prepared)
    records = [
        record | {"thing": 0} for record in datasets.Records(some.dataset, "train[:30]", "image")
    ]
    whole = records[5]["image"]
    for row, content in ((4, b""), (17, b"<html>"), (18, whole[: len(whole) // 2])):
        records[row] = records[row] | {"image": content}
    monkeypatch.setattr(datasets, "Records", lambda *_: records)
    part = dataclasses.replace(some, split="train[:30]", faces=(), skip=2)
    reasons = "3 of the first 30 can't be read.* 4: .*empty.* 17: .*HTML.* 18: .*damaged"
    with pytest.raises(InputError, match=reasons):
        part.prepare(tmp_path)
    with pytest.raises(InputError, match=reasons):
        part.evaluation()
    part = dataclasses.replace(part, skip=3)
    with pytest.warns(datasets.LeftOutWarning, match="3 left out; by their records, 4: "):
        part.prepare(tmp_path)
    table, pictures = part.read(tmp_path)
    kept = np.delete(np.arange(30), [4, 17, 18])
    assert len(table) == len(pictures) == 27
    assert table["caption"].to_pylist() == whole_table["caption"].take(kept).to_pylist()
    np.testing.assert_array_equal(pictures[:], whole_pictures[kept])
    manifest = files.read_sealed(part.directory(tmp_path) / files.MANIFEST)
    assert list(manifest["left_out"]) == ["4", "17", "18"]
    with pytest.warns(datasets.LeftOutWarning, match="3 left out"):
        split = part.evaluation()["objects"]
    assert split["group"].tolist() == kept.tolist() and len(split["thing"]) == 27


CAPTIONS = ["a man", b"caf\xe9", "", "a nurse \ud800", None, float("nan"), [], "a woman"]


def with_captions(some, count=8, captions=CAPTIONS):
    records = list(datasets.Records(some.dataset, f"train[:{count}]", "image"))
    return [record | {"caption": one} for record, one in zip(records, captions, strict=True)]


def test_captions_that_are_no_text_are_counted_and_left_out(some, prepared, tmp_path, monkeypatch):
    whole = some.read(prepared)[1][:8]
    records = with_captions(some)
    monkeypatch.setattr(datasets, "Records", lambda *_: records)
    part = dataclasses.replace(some, split="train[:8]", skip=5, faces=(), objects=())
    reasons = "6 of the first 8 can't be read.* 1: caption: not UTF-8.*2: caption: empty.*surrogate"
    with pytest.raises(InputError, match=reasons):
        part.prepare(tmp_path)
    with pytest.raises(InputError, match=reasons):
        part.evaluation()
    part = dataclasses.replace(part, skip=6)
    with pytest.warns(datasets.LeftOutWarning, match="6 left out"):
        part.prepare(tmp_path)
    table, pictures = part.read(tmp_path)
    assert table["caption"].to_pylist() == ["a man", "a woman"]
    assert [uid[-10:] for uid in table["uid"].to_pylist()] == ["0000000000", "0000000007"]
    np.testing.assert_array_equal(pictures[:], whole[[0, 7]])
    manifest = files.read_sealed(part.directory(tmp_path) / files.MANIFEST)
    assert list(manifest["left_out"]) == ["1", "2", "3", "4", "5", "6"]
    with pytest.warns(datasets.LeftOutWarning, match="6 left out"):
        scenes = part.evaluation()["scenes"]
    assert scenes["captions"] == ["a man", "a woman"] and scenes["group"].tolist() == [0, 7]


def test_faces_of_which_nothing_is_known_are_left_out_and_told(some, monkeypatch):
    records = list(datasets.Records(some.dataset, "faces[:6]", "image"))
    for record, value in zip(records, (-1, 1, 1, np.nan, -1, None), strict=True):
        record["gender"] = value
    monkeypatch.setattr(datasets, "Records", lambda *_: records)
    part = dataclasses.replace(some, objects=(), scenes=())
    with pytest.warns(datasets.LeftOutWarning, match="2 left out; by their records, 3: gender"):
        faces = part.evaluation()["faces"]
    assert faces["gender"].tolist() == [0, 1, 1, 0]
    assert faces["group"].tolist() == [0, 1, 2, 4] and len(faces["images"]) == 4
    declared = dataclasses.replace(part, faces=(*some.faces[:3], "gender=2"))
    with pytest.raises(InputError, match="gender=2: expected '2' and one other value, got -1, 1"):
        declared.evaluation()


def test_an_id_is_of_contents_not_of_paths(some, tmp_path):
    copied = shutil.copytree(some.dataset, tmp_path / "elsewhere")
    moved = dataclasses.replace(some, dataset=str(copied))
    assert moved.id == some.id and moved.looked_at_id == some.looked_at_id
    assert dataclasses.replace(some, faces=()).id == some.id
    assert dataclasses.replace(some, faces=()).looked_at_id != some.looked_at_id
    assert dataclasses.replace(some, skip=1).id != some.id
    record = next(copied.glob("*train*array_record*"))
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 1
    record.write_bytes(content)  # as many bytes, at the same path
    assert moved.id != some.id
    evaluated = dataclasses.replace(some, objects=(str(copied), *some.objects[1:]))
    assert evaluated.id == some.id and evaluated.looked_at_id != some.looked_at_id


def test_an_edited_lexicon_is_another_one(some, tmp_path):
    fields = files.read_json(resources.files("m4jax.data") / "lexicon_en_v1.json")
    path = tmp_path / "mine.json"
    files.write_json(path, fields)
    mine = dataclasses.replace(some, lexicon=str(path), split="train[:40]")
    before = mine.id
    mine.prepare(tmp_path)
    men = mine.read(tmp_path)[0]["man"].to_pylist()
    gender = fields.pop("gender", None) or fields["attributes"]["gender"]
    swapped = {"woman": gender["man"], "man": gender["woman"]}
    files.write_json(path, fields | {"attributes": {"gender": swapped}})
    assert mine.id != before and not mine.is_prepared(tmp_path)
    mine.prepare(tmp_path)
    after = mine.read(tmp_path)[0]["man"].to_pylist()
    assert after == [None if man is None else not man for man in men] and True in men
    other = tmp_path / "copy.json"
    shutil.copy(path, other)
    assert dataclasses.replace(mine, lexicon=str(other)).id == mine.id


def test_another_tokenizer_at_the_same_path_is_another_one(some, tmp_path):
    path = tmp_path / "merges.txt.gz"
    mine = dataclasses.replace(some, tokenizer=f"clip:{path}")
    ids = {mine.id, some.id}
    for content in (b"a", b"b"):
        path.write_bytes(content)
        ids.add(mine.id)
    assert len(ids) == 4


def test_datasets_are_found_by_name(some, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    mine = dataclasses.replace(some, dataset="scenes_of_mine")
    absent = mine.id
    with pytest.raises(InputError, match=f"no dataset 'scenes_of_mine' in TFDS's .*{tmp_path}"):
        mine.prepare(tmp_path)
    for version in ("1.0.0", "1.10.0"):
        shutil.copytree(some.dataset, tmp_path / "scenes_of_mine" / version)
    (tmp_path / "scenes_of_mine" / "1.2.0.incomplete").mkdir()
    assert absent != mine.id == some.id
    assert datasets.locate("scenes_of_mine").name == "1.10.0"
    assert datasets.locate("scenes_of_mine:1.0.0").name == "1.0.0"
    for name in ("a", "b"):
        shutil.copytree(some.dataset, tmp_path / "several" / name / "1.0.0")
    assert datasets.locate("several/b").parent.name == "b"
    with pytest.raises(InputError, match="one of several: several/a, several/b"):
        datasets.locate("several")


def test_a_folder_that_is_no_dataset_is_told_in_one_line(some, tmp_path):
    with pytest.raises(InputError, match=r"no prepared dataset: there is no dataset_info\.json"):
        dataclasses.replace(some, dataset=str(tmp_path)).prepare(tmp_path)
    above = Path(some.dataset).parents[1]
    with pytest.raises(InputError, match=r"give one of those below, .* say"):
        dataclasses.replace(some, dataset=str(above)).prepare(tmp_path)
    wrong = dataclasses.replace(some, objects=(*some.objects[:3], "label/x"))
    with pytest.raises(InputError, match="has no field 'label/x'; it has"):
        wrong.classes()


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "array_record"])
def test_a_damaged_dataset_is_told_in_one_line(some, tmp_path, name):
    folder = shutil.copytree(some.dataset, tmp_path / "damaged")
    mine = dataclasses.replace(some, dataset=str(folder), faces=(), objects=(), scenes=())
    path = next(path for path in sorted(folder.iterdir()) if name in path.name and
                (name != "array_record" or "train" in path.name))  # fmt: skip
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(len(whole), size=6):
        content = bytearray(whole)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        part = dataclasses.replace(mine, split="train[:20]")
        with contextlib.suppress(InputError):
            part.prepare(tmp_path)
            part.read(tmp_path)[1][:20]
    for content in (b"", whole[: len(whole) // 2], b"[]"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="pairs: "):
            mine.prepare(tmp_path)


def test_a_field_that_is_not_there_is_no_unreadable_caption(some, tmp_path):
    wrong = dataclasses.replace(some, caption="text", skip=10**9)
    with pytest.raises(InputError, match="has no field 'text'; it has"):
        wrong.prepare(tmp_path)
    with pytest.raises(InputError, match="has no field 'text'; it has"):
        dataclasses.replace(wrong, faces=(), scenes=(*some.scenes[:3], "text")).evaluation()
    with pytest.raises(InputError, match="nothing can be read; the first: caption: no text but"):
        dataclasses.replace(wrong, caption="thing").prepare(tmp_path)
    objects = (some.dataset, "objects", "image", "gender")  # nobody is on these: all -1
    with pytest.raises(InputError, match="got -1; say which"):
        dataclasses.replace(some, faces=objects, objects=(), scenes=()).evaluation()


@pytest.mark.parametrize("name", ["x" * 5_000, "a\0b"])
def test_names_that_no_file_has_are_refused(some, tmp_path, name):
    with pytest.raises(InputError, match="has a name like"):
        dataclasses.replace(some, dataset=name).prepare(tmp_path)
    with pytest.raises(InputError, match="has a name like"):
        dataclasses.replace(some, tokenizer=f"clip:{name}")
    with pytest.raises(InputError, match=r"no such file|File name too long"):
        dataclasses.replace(some, lexicon=f"{name}.json")
