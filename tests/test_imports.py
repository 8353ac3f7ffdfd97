"""The rooms import in one direction only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHARED = {"errors", "files", "limits", "progress", "settings", "stopping", "terminal"}
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "limits": {"errors"},
    "progress": {"terminal"},
    "stopping": {"terminal"},
    "terminal": set(),
    "settings": {"errors"},
    "balance": {"errors"},  # else jax and numpy alone: it can be taken out and used elsewhere
    "data": SHARED,
    "models": SHARED,
    "evaluation": SHARED,
    "training": SHARED | {"balance", "data", "models"},
    "report": SHARED | {"evaluation"},  # from one table: neither runs nor models
    "tables": SHARED | {"balance", "data", "report"},
    "run": SHARED | {"balance", "data", "models", "evaluation", "training", "tables"},
    "grid": SHARED
    | {"balance", "data", "models", "evaluation", "training", "report", "tables", "run"},
    "audit": SHARED
    | {"balance", "data", "models", "evaluation", "training", "report", "tables", "run"},
}
SOURCES = sorted((ROOT / "m4jax").rglob("*.py"))


def imported(path):
    """Yields the dotted names that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    return path.relative_to(ROOT / "m4jax").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_in_one_direction(path):
    for name in imported(path):
        parts = name.split(".")
        assert parts[0] not in ("experiments", "configs", "tests", "tensorflow", "torch", "pickle")
        if parts[0] == "m4jax" and len(parts) > 1 and room(path) != "__init__":
            assert parts[1] in ALLOWED[room(path)] | {room(path)}, f"{path} imports {name}"


def test_every_room_is_in_the_table():
    assert {room(path) for path in SOURCES} == set(ALLOWED) | {"__init__"}


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "m4jax/balance").rglob("*.py")),
    ids=lambda p: f"{p.parent.name}/{p.name}",
)
def test_balance_needs_jax_numpy_and_scipy_alone(path):
    for name in imported(path):
        top = name.split(".")[0]
        assert top in {"m4jax", "jax", "numpy", "scipy"} | sys.stdlib_module_names


def test_a_study_starts_without_what_draws():
    """It takes a second to import; workers never need it."""
    code = "import sys, m4jax.grid.study, m4jax.run.work; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
