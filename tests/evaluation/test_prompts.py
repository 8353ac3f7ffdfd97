import json

import pytest

from m4jax.errors import InputError
from m4jax.evaluation import prompts


def test_the_testbeds_prompts():
    loaded = prompts.load("emoji_scenes_v2")
    assert loaded.version == "emoji_scenes_v2"
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
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
    with pytest.raises(InputError, match="did you mean 'emoji_scenes_v2'"):
        prompts.load("emoji_scene_v1")
    with pytest.raises(InputError, match="no such file"):
        prompts.load(tmp_path / "none.json")
