"""The house stays easy to see: no circles, short files and functions, a page in each room."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [
    path for part in ("m4jax", "experiments") for path in sorted((ROOT / part).rglob("*.py"))
]
ROOMS = [path for path in sorted((ROOT / "m4jax").iterdir()) if (path / "__init__.py").exists()]
FILE_LINES, BODY_LINES, README_LINES = 300, 50, 80


def name_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in SOURCES}


def imported(path):
    """Yields the modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def circles(imports):
    """Returns the modules on circles: what is left when those without imports are taken away."""
    left = {name: set(names) for name, names in imports.items()}
    while free := {name for name, names in left.items() if not names & left.keys()}:
        left = {name: names for name, names in left.items() if name not in free}
    return sorted(left)


def test_circles_are_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_no_module_imports_itself_by_a_way_round():
    imports = {name: set(imported(path)) - {name} for name, path in MODULES.items()}
    assert circles(imports) == []


def test_files_are_short():
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in MODULES.items()}
    assert {name: n for name, n in lines.items() if n > FILE_LINES} == {}


def test_functions_are_short():
    long = {}
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                size = body[-1].end_lineno - body[0].lineno + 1 if body else 0
                if size > BODY_LINES:
                    long[f"{name}.{node.name}"] = size
    assert long == {}


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_each_room_says_on_a_page_what_it_is(room):
    text = (room / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)  # code runs elsewhere
    assert prose.count("\n") <= README_LINES
    for path in room.rglob("*.py"):  # every file is named, but for what only gathers the others
        pages = [folder / "README.md" for folder in (path.parent, room)]
        text = "".join(page.read_text(encoding="utf-8") for page in pages if page.exists())
        assert path.name == "__init__.py" or f"`{path.name}`" in text or f"`{path.stem}" in text, (
            f"{path.relative_to(room)} is not in the README of {room.name}"
        )
