"""What is built from a clone: the wheel runs without it, the sources leave results out."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = ("m4jax", "experiments", "configs")
BESIDE = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md",
          "CITATION.cff", "CONTRIBUTING.md", "constraints.txt", "constraints-beam.txt")  # fmt: skip
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sources, of copies of what is shipped and of a result and a test."""
    clone, out = tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("dist")
    for name in SHIPPED:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        shutil.copy(ROOT / name, clone)
    for name in ("results/tables.py", "tests/test_one.py"):
        (clone / name).parent.mkdir()
        (clone / name).touch()
    # What pyproject.toml asks for, which a virtual environment need not have.
    tools = str(tmp_path_factory.mktemp("tools"))
    install = ["-m", "pip", "install", "-q", "--target", tools, "setuptools>=77"]
    for kind in ("wheel", "sdist"):
        build = f"from setuptools.build_meta import *; build_{kind}({str(out)!r})"
        for command in (install, ["-c", build]) if kind == "wheel" else (["-c", build],):
            done = subprocess.run(
                [sys.executable, *command],
                cwd=clone,
                env=os.environ | {"PYTHONPATH": tools},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stderr
    return out


def test_the_sources_hold_what_installs_and_no_results(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert set(BESIDE) <= names
    folders = {name.partition("/")[0] for name in names if "/" in name}
    assert folders == {*SHIPPED, "m4jax.egg-info"}


def test_the_wheel_has_every_file_of_the_packages_and_runs_without_a_checkout(built, tmp_path):
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "installed")
    for name in SHIPPED:
        for one in (ROOT / name).rglob("*"):
            if one.is_file() and one.suffix not in (".pyc", ".md"):
                assert (tmp_path / "installed" / one.relative_to(ROOT)).exists(), one
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "captions.txt").write_text("a man reads a book\na woman reads\n" * 9)
    command = ["-m", "experiments.audit", "--config=configs/audit.py", "--workdir=page"]
    done = subprocess.run(
        [sys.executable, *command, "--config.data=captions.txt"],
        cwd=tmp_path / "empty",
        env=os.environ | {"PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "empty" / "page" / "report.html").exists()
