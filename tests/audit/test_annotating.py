"""Examples annotated by captions, pictures and columns; the commands, as a user calls them."""

import csv
import io
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from m4jax import files
from m4jax.audit.annotating import several
from m4jax.audit.annotating.config import SeveralConfig
from m4jax.audit.thumbnails import thumbnail
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import Texts
from m4jax.files import parquet

PEOPLE = (  # name, caption, sex, whom the picture looks like
    ("a", "a man and his dog", "m", "man"),
    ("b", "a nurse at work", "f", "woman"),
    ("c", "a woman at the door", "m", "woman"),  # the column says otherwise
    ("d", "the engineer of the year", "", "man"),
    ("e", "a dog on the beach", "", "nobody"),
)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    with open(folder / "captions.csv", "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("image", "caption", "sex"))
        for place, (name, caption, sex, _) in enumerate(PEOPLE):
            Image.new("RGB", (40, 30), (50 * place, 0, 0)).save(folder / f"{name}.png")
            rows.writerow((f"{name}.png", caption, sex))
    return folder


def vector(text):
    """A direction for what a text or a picture is about."""
    kinds = {"woman": 0, "man": 1, "nurse": 2}
    place = next((kinds[w] for w in text.split() if w in kinds), 3)
    return np.eye(4)[place]


def seen(collection):
    uids = [uid for block in collection.blocks() for uid in block["uid"].to_pylist()]
    looks = {name: vector(look) + (vector("nurse") if name == "b" else 0)
             for name, _, _, look in PEOPLE}  # fmt: skip
    found = np.stack([looks[uid.partition(".")[0]] for uid in uids])
    return found / np.linalg.norm(found, axis=1, keepdims=True), []


def annotated(photos, **changes):
    config = SeveralConfig(files=(str(photos),), **changes)
    texts = Texts(lambda texts: np.stack([vector(text) for text in texts]), 100.0)
    embed = seen if config.model else None
    found = several.annotate(config, several.opened(config), embed, texts if embed else None)
    rows = found.table.to_pylist()
    return found, {row["uid"].partition(".")[0]: row for row in rows}


def test_pictures_tell_who_is_shown_and_are_silent_where_nobody_is(photos):
    _, rows = annotated(photos, captions=False, model="clip")
    assert [rows[x]["man"] for x in "abcde"] == [True, False, False, True, None]
    assert [row["occupation: nurse"] for row in rows.values()] == [False, True, False, False, False]


def test_captions_pictures_and_columns_are_united_and_contradictions_are_unknown(photos):
    columns = (("man", "sex", "m"),)
    found, rows = annotated(photos, model="clip", confidence=0.6, columns=columns)
    assert [rows[x]["man"] for x in "abcde"] == [True, False, None, True, None]
    assert rows["b"]["occupation: nurse"] and rows["d"]["occupation: engineer"]
    pair = found.agreements["man"]["captions", "columns"]
    assert (pair.agree, pair.differ) == (1, 1)
    assert found.told["columns"]["man"] == (2, 1)
    assert found.told_of_all["man"] == (2, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": (("man", "gender", "m"),)}, "has no 'gender'; known: sex"),
        ({"columns": (("man", "sex", "male"),)}, "is nowhere 'male'"),
        ({"columns": (("mann", "sex", "m"),)}, "is no column of en_v2; did you mean 'man'"),
        ({"columns": (("man", "sex"),)}, "expected .our column, theirs, its value"),
        ({"captions": False}, "one of them has to tell something"),
        ({"model": "x", "confidence": 0.4}, "above 0.5"),
    ],
)
def test_what_can_not_be_is_told(photos, changes, message):
    with pytest.raises(InputError, match=message):
        annotated(photos, **changes)


def test_a_uid_that_stands_in_two_folders_is_refused(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "again")
    config = SeveralConfig(
        files=(str(photos), str(tmp_path / "again")), columns=(("man", "sex", "m"),)
    )
    with pytest.raises(InputError, match="the uid 'a' of 'uid' stands twice"):
        several.annotate(config, several.opened(config), None, None)


def test_a_thumbnail_keeps_nothing_but_the_picture():
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "a name"
    Image.new("RGB", (400, 200)).save(buffer, "JPEG", exif=exif)
    small = Image.open(io.BytesIO(thumbnail(buffer.getvalue(), 100)))
    assert small.size == (100, 50) and not small.getexif()


def command(name, folder, *more):
    call = [sys.executable, "-m", f"experiments.{name}", f"--config=configs/{name}.py"]
    return subprocess.run(
        [*call, f"--workdir={folder}", *more], capture_output=True, text=True, check=False
    )


def test_annotated_checked_and_answered(photos, tmp_path):
    folder = tmp_path / "out"
    columns = "--config.columns=(('man', 'sex', 'm'),)"
    done = command("annotate", folder, f"--config.files=('{photos}',)", columns)
    assert done.returncode == 0, done.stderr
    assert "captions and columns both tell it of 2 and agree on 50.0%" in done.stdout
    table = parquet.read(folder / "examples.parquet")
    assert table["man"].to_pylist() == [True, False, None, None, None]
    done = command("check_annotation", folder)
    assert done.returncode == 0, done.stderr
    page = (folder / "check.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 2 and "2 examples, 2 of them" in done.stdout
    answers = "uid,question,answer\na.png,man,man\nb.png,man,man\n"
    (folder / "answers.csv").write_text(answers.replace(".png", _suffix(table)))
    done = command("check_annotation", folder)
    assert done.returncode == 0, done.stderr
    confusion = files.read_sealed(folder / "confusion.json")["columns"]["man"]["confusion"]
    assert confusion == [[1, 1], [0, 0]]


def _suffix(table):
    return table["uid"][0].as_py().removeprefix("a")
