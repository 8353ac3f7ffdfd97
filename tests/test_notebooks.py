"""Notebooks show what they keep: whole, without errors, readable, and still what a run shows."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
RUN = ROOT / "notebooks" / "run.py"
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SLOW = ("audit_a_model", "tour")  # more than 20 s of one core: they train two models
LINES = 15  # of a cell of code
WORDS = 30  # of a sentence
# Absolute paths and machines' names tell nobody anything.
PRIVATE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|usr|work|private|Users|mnt|opt)\b|[A-Z]:\\")


def cells(path, kind):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def outputs(path):
    return [output for cell in cells(path, "code") for output in cell.outputs]


def named(paths):
    slow = pytest.mark.slow
    return [pytest.param(x, id=x.stem, marks=slow if x.stem in SLOW else ()) for x in paths]


def test_the_notebooks_are_there():
    assert {x.stem for x in PATHS} >= {"method", "new_objective", *SLOW}


@pytest.mark.parametrize("path", named(PATHS))
def test_runs_and_shows_what_it_keeps(path):
    # In a process of its own, as it is done by hand; kernels and their sockets are not ours.
    done = subprocess.run(
        [sys.executable, RUN, "--check", path.stem], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_is_valid_and_whole(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.language_info == {"name": "python"}  # no versions of this machine
    code = cells(path, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert any(cell.outputs for cell in code)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_shows_neither_errors_nor_places_of_this_machine(path):
    for output in outputs(path):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        assert not PRIVATE.search(str(output.get("text", output.get("data", {}).get("text/plain"))))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_pictures_have_words_for_who_does_not_see_them(path):
    for output in outputs(path):
        if "image/png" in output.get("data", {}):
            assert len(output.metadata["image/png"]["alt"].split()) > 4


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_can_be_read_in_minutes(path):
    for cell in cells(path, "code"):
        assert len(cell.source.splitlines()) <= LINES, cell.id
    for cell in cells(path, "markdown"):
        for sentence in re.split(r"(?<=[.?:;])\s|\n|\|", cell.source):
            assert len(sentence.split()) <= WORDS, sentence


def test_private_places_are_seen():
    for text in ("in /home/ann/x.py", "'/tmp/a'", r"C:\Users"):
        assert PRIVATE.search(text)
    for text in ("results/tmp/x", "a/home", "1/2", "https://example.org/home"):
        assert not PRIVATE.search(text)
