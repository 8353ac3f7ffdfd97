"""What is known of a set of examples, from what people have."""

import csv

import pytest
from PIL import Image

from m4jax.audit.config import AuditConfig
from m4jax.audit.inputs import known
from m4jax.errors import InputError


def captions(path, names, **more):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "caption", "place"])
        writer.writerows([name, f"a man at {i}", f"p{i % 2}"] for i, name in enumerate(names))
    config = AuditConfig(data=str(path), **more)
    return known.open_set(config.own, config)


def test_captions_of_one_picture_are_not_independent(tmp_path):
    found = captions(tmp_path / "c.csv", ["a.jpg", "a.jpg", "b.jpg", "a.jpg"])
    assert len(found.shown) == 4 and found.shown.groups.tolist() == [0, 0, 1, 0]
    told = captions(tmp_path / "d.csv", ["a.jpg", "a.jpg", "b.jpg"], group="place")
    assert told.shown.groups.tolist() == [0, 1, 0]  # what somebody says comes first


def test_a_group_that_is_not_there_is_asked_about(tmp_path):
    with pytest.raises(InputError, match="no column 'plaice'"):
        captions(tmp_path / "c.csv", ["a.jpg", "b.jpg"], group="plaice")


def opened(path, **more):
    config = AuditConfig(data=str(path), **more)
    return known.open_set(config.own, config)


def test_captions_that_are_no_text_are_told(tmp_path):
    (tmp_path / "c.csv").write_bytes("caption\na man\ncaf\u00e9 of a woman\n".encode("latin1"))
    assert "1 of 2 examples of c have no caption" in opened(tmp_path / "c.csv").unknown[0]


def test_that_nothing_is_known_is_told(tmp_path):
    (tmp_path / "c.csv").write_text("caption,x\n,1\n,2\n")
    (told,) = opened(tmp_path / "c.csv").unknown
    assert "nothing is known of who is in c" in told and "config.attributes" in told
    assert "there are no captions" in told and "--config.caption=x" in told
    (off,) = opened(tmp_path / "c.csv", lexicon="").unknown
    assert "the lexicon is off" in off and "there are no captions" not in off
    (tmp_path / "d.csv").write_text("caption,empty\n,1\n,1\n")
    assert not opened(tmp_path / "d.csv", nobody="empty").unknown  # who is there: nobody


def test_a_set_of_shards_is_called_as_their_folder():
    for pattern in ("people/*.tar", "people/{00000..00003}.tar"):
        assert AuditConfig(data=pattern).own.title == "people"


def test_a_folder_whose_captions_column_has_an_odd_name_says_what_to_do(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "shown.csv").write_text("my_pic,what_is_seen\na.png,a man\nlost.png,a woman\n")
    told = " ".join(opened(tmp_path).unknown)
    assert "no such picture (lost.png, for one); 1 examples are left" in told
    assert f"if a column of {tmp_path / 'shown.csv'} holds them" in told
    assert "--config.caption=what_is_seen" in told and "lexicon is off" not in told
    assert opened(tmp_path, caption="what_is_seen").shown.captions[0] == ["a man"]


def test_the_folder_of_a_picture_is_not_offered_as_its_caption(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "b.png")
    found = opened(tmp_path)
    told = " ".join(found.unknown)
    assert found.collection.columns == ("folder",)
    assert "there are no captions, and" in told and "--config.caption" not in told
