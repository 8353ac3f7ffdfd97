import json

import pytest

from m4jax.errors import InputError
from m4jax.evaluation.measures.prompts import load
from m4jax.evaluation.prompts import load as load_scene_prompts


def test_the_packages_own_prompts():
    prompts = load("audit_v1")
    assert prompts.version == "audit_v1"
    assert list(prompts.attributes["gender"]) == ["man", "woman"]
    assert prompts.attributes["gender"]["woman"][0] == "a woman"
    assert len(prompts.attributes["race"]) == 7
    assert prompts.classes["nurse"] == "a nurse"
    assert len(prompts.pairs) == 5
    assert ("a nurse", "a doctor") in prompts.pairs
    assert set(prompts.sources) >= {"templates", "attributes", "classes", "pairs"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("man", "man"),
        ("Female", "woman"),
        ("a gentleman", "man"),
        ("women", "woman"),
        ("cat", None),
    ],
)
def test_names_of_values_are_understood(name, value):
    assert load("audit_v1").value("gender", name) == value


def test_unknown_versions_are_named(tmp_path):
    with pytest.raises(InputError, match="did you mean 'audit_v1'"):
        load("audit_v2")
    with pytest.raises(InputError, match="no version 'audit_v1'"):
        load_scene_prompts("audit_v1")


CONTENT = {
    "version": "mine", "templates": ["{}"], "sensitivity": [], "sources": {},
    "attributes": {"x": {"a": ["an a"], "b": ["a b"]}}, "classes": {}, "pairs": [["a", "b"]],
}  # fmt: skip


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(CONTENT))
    prompts = load(path)
    assert prompts.attributes == {"x": {"a": ("an a",), "b": ("a b",)}}
    assert prompts.pairs == (("a", "b"),)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**CONTENT, "pairs": [["b", "a"]]}))
    assert load(other).digest != prompts.digest


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"templates": ["no place"]}, "one {}"),
        ({"sensitivity": ["{}", "{}"]}, "occurs twice"),
        ({"version": ""}, "a name"),
        ({"more": 1}, "expected the fields"),
        ({"attributes": {"x": {"a": ["an a"]}}}, "two values"),
        ({"attributes": {"x": {"a": ["an a", "c"], "b": ["a b"]}}}, "as many wordings"),
        ({"attributes": {"x": {"a": ["same"], "b": ["same"]}}}, "same wording"),
        ({"attributes": {"x": {"a": "an a", "b": ["a b"]}}}, "a list of wordings"),
        ({"attributes": []}, "attribute -> values"),
        ({"classes": {"a": "same", "b": "same"}}, "same phrase"),
        ({"pairs": [["a", "a"]]}, "different phrases"),
        ({"pairs": [["a", "b"], ["a", "b"]]}, "occurs twice"),
        ({"sources": {"x": ""}}, "where it is from"),
    ],
)
def test_bad_files_are_refused(tmp_path, change, why):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({**CONTENT, **change}))
    with pytest.raises(InputError, match=why):
        load(path)
