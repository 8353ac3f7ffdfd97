import dataclasses
import json

import pytest

from m4jax.data.testbed import catalog
from m4jax.errors import InputError
from m4jax.evaluation import prompts


def test_the_testbeds_prompts():
    loaded = prompts.load("emoji_scenes_v3")
    assert loaded.version == "emoji_scenes_v3"
    assert loaded.templates[0] == "{}"
    assert len(loaded.occupation) == 22
    assert list(loaded.occupation)[::21] == ["firefighter", "childminder"]
    assert loaded.occupation["office worker"] == "an office worker"
    assert loaded.gender == {"man": "a man", "woman": "a woman"}


def content(**changes):
    return {
        "version": "mine",
        "templates": ["{}"],
        "sensitivity": ["{}", "a {}"],
        "gender": {"man": "a man", "woman": "a woman"},
        "occupation": {"cook": "a cook", "pilot": "a pilot"},
        "thing": {"car": "a car", "hat": "a hat"},
        **changes,
    }


def test_order_of_a_file_is_the_order_of_the_classes(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content(occupation={"pilot": "a pilot", "cook": "a cook"})))
    assert list(prompts.load(path).occupation) == ["pilot", "cook"]


def test_pairs_go_from_the_most_male_to_the_most_female_occupation():
    rows = list(catalog.occupations())
    order = [job.name for job in sorted(rows, key=lambda job: job.women_share)]
    loaded = prompts.load("emoji_scenes_v3")
    assert loaded.pairs == tuple(zip(order[:11], order[:10:-1], strict=True))
    assert loaded.pairs[0] == ("mechanic", "childminder")


def test_a_version_without_pairs_is_what_it_was():
    old, new = prompts.load("emoji_scenes_v2"), prompts.load("emoji_scenes_v3")
    assert old.pairs == ()
    assert old.digest.startswith("6aea6f39eda2c084")
    plain = dataclasses.replace(new, pairs=(), version=old.version)
    assert plain == old and plain.digest == old.digest
    turned = dataclasses.replace(new, pairs=new.pairs[::-1])
    assert len({p.digest for p in (new, turned, dataclasses.replace(new, pairs=()))}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": []}, "list of pairs"),
        ({"pairs": [["cook"]]}, "two different occupations"),
        ({"pairs": [["cook", "cook"]]}, "two different occupations"),
        ({"pairs": [["cook", "queen"]]}, "'queen'"),
        ({"pairs": [["cook", "pilot"], ["pilot", "cook"]]}, "twice"),
        ({"more": 1}, "expected the fields"),
        ({"version": ""}, "version"),
        ({"templates": []}, "list of texts"),
        ({"templates": ["a photo"]}, "one {} in each"),
        ({"templates": ["{} and {}"]}, "one {} in each"),
        ({"templates": ["{}", "{}"]}, "twice"),
        ({"gender": {"man": "a man", "girl": "a girl"}}, "man and woman"),
        ({"occupation": {"cook": "a cook"}}, "two labels"),
        ({"occupation": {"cook": "a cook", "pilot": 3}}, "'pilot'"),
        ({"thing": {"car": "a car", "auto": "a car"}}, "same phrase"),
    ],
)
def test_bad_files_are_told(tmp_path, changes, message):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(content(**changes)))
    with pytest.raises(InputError, match=message) as error:
        prompts.load(path)
    assert "mine.json" in str(error.value)


def test_a_file_must_hold_an_object(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("[1]")
    with pytest.raises(InputError, match="got list"):
        prompts.load(path)


def test_unknown_version_and_missing_file(tmp_path):
    with pytest.raises(InputError, match="did you mean 'emoji_scenes_v3'"):
        prompts.load("emoji_scene_v1")
    with pytest.raises(InputError, match="no such file"):
        prompts.load(tmp_path / "none.json")
