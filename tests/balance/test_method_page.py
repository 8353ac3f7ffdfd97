"""The method's page names functions that exist, and every file of the room."""

import functools
import importlib
import re
from pathlib import Path

import pytest

import m4jax.balance

ROOM = Path(m4jax.balance.__file__).parent
TEXT = (ROOM / "README.md").read_text(encoding="utf-8")
FILES = sorted(path.stem for path in ROOM.glob("*.py") if path.stem != "__init__")
NAMES = sorted(set(re.findall(rf"`((?:{'|'.join(FILES)})(?:\.\w+)+)`", TEXT)))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_exists(name):
    module, *attributes = name.split(".")
    functools.reduce(getattr, attributes, importlib.import_module(f"m4jax.balance.{module}"))


def test_the_page_names_what_it_must():
    assert {"dual.values", "newton.step", "interior.minimise", "online.step"} <= set(NAMES)
    files = re.findall(r"`(\w+)[.`]", TEXT)
    assert set(FILES) <= set(files)


def test_one_reads_seven_files_for_the_mathematics():
    order = re.search(r"(`problem` → .*`): the mathematics", TEXT)[1]
    assert len(re.findall(r"\w+", order)) == 7
