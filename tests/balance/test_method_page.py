"""The method's page names functions that exist, and every file of the room."""

import functools
import importlib
import re
from pathlib import Path

import pytest

import m4jax.balance

ROOM = Path(m4jax.balance.__file__).parent
TEXT = "".join((ROOM / name).read_text(encoding="utf-8") for name in ("METHOD.md", "README.md"))
PATHS = sorted(path for path in ROOM.rglob("*.py") if path.stem != "__init__")
FILES = {path.stem for path in PATHS}
NAMES = sorted(set(re.findall(rf"`((?:{'|'.join(sorted(FILES))})(?:\.\w+)+)`", TEXT)))


def exists(module, attributes):
    """Tells whether a file of that name, in the room or in one of its folders, has the name."""
    for path in (path for path in PATHS if path.stem == module):
        dotted = ".".join(path.relative_to(ROOM).with_suffix("").parts)
        found = importlib.import_module(f"m4jax.balance.{dotted}")
        try:
            functools.reduce(getattr, attributes, found)
        except AttributeError:
            continue
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_what_the_page_names_exists(name):
    module, *attributes = name.split(".")
    assert exists(module, attributes)


def test_the_page_names_what_it_must():
    assert {"dual.values", "newton.step", "interior.minimise", "online.step"} <= set(NAMES)
    files = re.findall(r"`(\w+)[.`]", TEXT)
    assert set(FILES) <= set(files)


def test_one_reads_seven_files_for_the_mathematics():
    order = re.search(r"(`problem` .*`engine`)", TEXT)[1]
    assert len(re.findall(r"`[\w/]+`", order)) <= 9
