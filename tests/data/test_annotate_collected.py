"""Captions of collections are annotated alike, whatever form they are in."""

import pyarrow as pa
import pytest
from helpers import material
from helpers.commands import run

from m4jax.data import readers
from m4jax.data.annotation import load_lexicon
from m4jax.data.annotation.tables import AnnotateConfig, annotate_files
from m4jax.errors import InputError
from m4jax.files import parquet

FOUND = material.examples()
FORMS = {
    "folder": lambda base: material.write_folder(base / "a", FOUND),
    "shards": lambda base: material.write_shards(base / "a", FOUND),
    "pattern": lambda base: material.write_shards(base / "a", FOUND).partition("{")[0] + "*.tar",
    "parquet": lambda base: material.write_parquet(base / "a.parquet", FOUND),
}


def annotated(tmp_path, *files, **options):
    path = tmp_path / "examples.parquet"
    found = annotate_files(AnnotateConfig(files=files, **options), path)
    return found, parquet.read(path)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_table_of_its_captions(form, tmp_path):
    path = FORMS[form](tmp_path)
    found, table = annotated(tmp_path, path)
    collection = readers.open_collection(path)
    assert table["uid"].to_pylist() == material.read(collection)["uid"].to_pylist()
    (tmp_path / "a.txt").write_text("".join(f"{one.captions[0]}\n" for one in FOUND))
    plain, expected = annotated(tmp_path, str(tmp_path / "a.txt"))
    assert table.drop_columns(["uid"]).equals(expected.drop_columns(["uid"]))
    assert found.facts() == plain.facts() and found.captions == 40


def test_several_captions_of_a_picture_are_one_example(tmp_path):
    said = {
        "a": ["somebody smiles", "a woman at work"],
        "b": ["a man and a nurse", "a woman sits"],
        "c": ["a nurse", "she smiles", "a chef"],
        "d": ["nothing to be seen"],
    }
    picture = FOUND[0].picture
    found = [material.Example(key, picture, texts, {}) for key, texts in said.items()]
    material.write_table(tmp_path / "a", found)
    counts, table = annotated(tmp_path, str(tmp_path / "a"), check_language=False)
    assert table["caption"].to_pylist() == [texts[0] for texts in said.values()]
    assert table["man"].to_pylist() == [False, None, False, None]
    assert table["occupation: nurse"].to_pylist() == [False, True, True, False]
    assert table["occupation: chef"].to_pylist() == [False, False, True, False]
    # as if the captions were one text
    attributes, labels = load_lexicon("en_v2").annotate([". ".join(x) for x in said.values()])
    assert (attributes[:, 0] == [0, -1, 0, -1]).all() and labels[2].sum() == 2
    assert counts.captions == 4 and counts.values["woman"] == 2


def test_what_has_no_caption_is_counted(tmp_path):
    folder = material.write_folder(tmp_path / "a", FOUND)
    (tmp_path / "a" / "p003.txt").unlink()
    (tmp_path / "a" / "alone.txt").write_text("a caption without a picture")
    found, table = annotated(tmp_path, folder)
    assert len(table) == 39 and found.left_out == 2
    assert any("alone.txt: a text without a picture" in x for x in found.reasons)
    assert any("p003: no caption" in x for x in found.reasons)


def test_two_collections_must_not_share_uids(tmp_path):
    first = material.write_folder(tmp_path / "a", FOUND[:20])
    second = material.write_folder(tmp_path / "b", FOUND[10:])
    with pytest.raises(InputError, match="the uid 'p010' of 'uid' stands twice"):
        annotated(tmp_path, first, second)
    third = material.write_folder(tmp_path / "c", FOUND[20:])
    _, table = annotated(tmp_path, first, third, uid=readers.CONTENTS)
    assert len(set(table["uid"].to_pylist())) == 40


def test_from_shards_to_weights(tmp_path):
    shards = material.write_shards(tmp_path / "shards", material.examples(200), 50)
    folders = {"annotate": tmp_path / "annotated", "balance": tmp_path / "balanced"}
    table = folders["annotate"] / "examples.parquet"
    commands = {
        "annotate": {"files": (shards,)},
        "balance": {"files": (str(table),), "attributes": ("man",), "keep_rate": 0.5}
        | {"labels": ("occupation: nurse",)},
    }
    for command, settings in commands.items():
        told = [f"--config.{name}={value}" for name, value in settings.items()]
        config = f"--config=configs/{command}.py"
        done = run(command, config, f"--workdir={folders[command]}", *told)
        assert done.returncode == 0, done.stderr
    weights = parquet.read(folders["balance"] / "weights.parquet")
    assert weights["uid"].to_pylist()[:2] == ["p000", "p001"] and len(weights) == 200


def test_which_column_is_the_picture_can_be_said(tmp_path):
    columns = {"a": [one.picture for one in FOUND], "b": [one.picture for one in FOUND]}
    table = pa.table(columns | {"caption": [one.captions[0] for one in FOUND]})
    parquet.write(table, tmp_path / "x.parquet")
    with pytest.raises(InputError, match="which column is the image"):
        annotated(tmp_path, str(tmp_path / "x.parquet"))
    _, table = annotated(tmp_path, str(tmp_path / "x.parquet"), image="b")
    assert len(table) == 40


def test_a_folder_of_captions_alone_is_told(tmp_path):
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "a.csv").write_text("caption\na man\n")
    with pytest.raises(InputError, match=r"no pictures lie below it; it has a\.csv; to read"):
        annotated(tmp_path, str(tmp_path / "captions"))
