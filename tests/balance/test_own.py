"""Objectives and constraints of one's own, named by an import path."""

import subprocess
import sys

import pytest
from helpers import own_module

from m4jax import balance
from m4jax.balance import conformance, objectives, own


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a module that can be imported, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def write(text=own_module.TEXT, name="own_words"):
        made.append(own_module.write(tmp_path, text, name).stem)
        return name

    yield write
    for name in made:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("text", ["a:B", "pack.sub:_NAME", " my_module:MY "])
def test_import_paths(text):
    assert own.is_path(text)


@pytest.mark.parametrize(
    "text",
    ["quadratic", "a:b:c", "a/b.py:X", "../a:B", ":B", "a:", "1a:B", "share a at most 5%", 3],
)
def test_what_is_no_import_path(text):
    assert not own.is_path(text)


def test_an_objective_is_found_and_solves(written):
    path = f"{written()}:MINE"
    assert objectives.find(path).name == "mine"
    problem = balance.Problem([[1], [1], [0]], [[1], [0], [0]], target=0.5, keep_rate=0.5)
    solution = balance.solve(problem, objective=path)
    assert solution.status is balance.Status.CONVERGED


def test_a_constraint_is_found(written):
    name = written()
    assert balance.from_config(f"{name}:WORD") == balance.share("man", between=(0.3, 0.35))
    with pytest.raises(balance.ProblemError, match="expected a word with ratios"):
        balance.from_config(f"{name}:jnp")


def test_contents_are_told_without_running_the_module(written):
    name = written("raise SystemExit('it ran')", "never_run")
    before = own.contents(f"{name}:X")
    written("raise SystemExit('it ran!')", "never_run")
    assert own.contents(f"{name}:X") != before
    with pytest.raises(ValueError, match=r"has changed since"):
        own.check((f"{name}:X",), (before,))


def test_a_package_is_not_run_for_its_contents(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_pack").mkdir()
    (tmp_path / "own_pack" / "__init__.py").write_text("raise SystemExit('it ran')")
    (tmp_path / "own_pack" / "inner.py").write_text("X = 1")
    assert len(own.contents("own_pack.inner:X")) == 64


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        ("", "no_such_module:X", "no module no_such_module"),
        ("X = 1", "own_words:Y", "has no Y"),
        ("X = 1", "own_words:X", "expected a balance.Objective, got 1"),
        ("1 / 0", "own_words:X", "raises ZeroDivisionError"),
        ("", "sys:path", "no module sys"),
        ("", "own_folder:X", "no file of Python's"),
    ],
)
def test_what_is_wrong_is_said(written, tmp_path, text, path, why):
    written(text)
    (tmp_path / "own_folder").mkdir()
    with pytest.raises(ValueError, match=why):
        objectives.find(path)


def test_a_word_that_returns_no_ratios_is_refused():
    class Word:
        def ratios(self, names, mean):
            return "man"

    with pytest.raises(balance.ProblemError, match=r"returned 'man'; expected a list"):
        balance.Problem([[1], [0]], [[1], [0]], target=0.5, constraints=[Word()])


@pytest.mark.slow
def test_the_command_says_which_property_fails(written, tmp_path):
    written()
    ask = [sys.executable, "-m", "m4jax.balance.conformance"]
    good, bad = (
        subprocess.run(
            [*ask, f"own_words:{name}"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        for name in ("MINE", "WRONG")
    )
    assert (good.returncode, good.stdout) == (0, "own_words:MINE conforms\n")
    assert bad.returncode == 1 and "curvature is not −dq/dt" in bad.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_command_without_objectives_says_how_it_is_used(arguments, capsys):
    assert conformance.main(arguments) == 2
    assert "usage: python -m m4jax.balance.conformance OBJECTIVE" in capsys.readouterr().err
