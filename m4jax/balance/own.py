"""What users write themselves, named by an import path: "my_module:MY_OBJECTIVE".

The module is found as `import my_module` would find it. Its code runs when `load` is called, which
only a command does that balances; to know it by its contents it is not run.
"""

import hashlib
import importlib
import re
from importlib import machinery
from pathlib import Path
from typing import Any

PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
HOW = "expected MODULE:NAME, as in my_module:MY_OBJECTIVE for a line in my_module.py"


def is_path(text: Any) -> bool:
    """Tells whether a text is an import path: neither one of our names nor a constraint is."""
    return isinstance(text, str) and PATH.fullmatch(text.strip()) is not None


def contents(path: str) -> str:
    """Returns the SHA-256 of the file that an import path names; what it imports does not count.

    Raises:
        ValueError: if there is no such module, or it is no file of Python's.
    """
    return hashlib.sha256(_file(path).read_bytes()).hexdigest()


def load(path: str, kind: str) -> Any:
    """Returns what an import path names; this runs the module.

    Args:
        path: MODULE:NAME.
        kind: what is expected there, for messages: "an objective" say.

    Raises:
        ValueError: if there is no such module or name in it, or the module raises.
    """
    file = _file(path)
    module, _, name = path.strip().partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # whatever the user's code raises
        raise ValueError(f"{kind} {path!r}: {file} raises {type(error).__name__}: {error}") from (
            error
        )
    if not hasattr(found, name):
        raise ValueError(f"{kind} {path!r}: {file} has no {name}; {HOW}")
    return getattr(found, name)


def _file(path: str) -> Path:
    """Returns the file of an import path, without running anything."""
    if not is_path(path):
        raise ValueError(f"{path!r}: {HOW}")
    *packages, last = path.strip().partition(":")[0].split(".")
    places, name = None, ""
    importlib.invalidate_caches()  # it may have been written just now
    for part in (*packages, last):
        name = f"{name}.{part}" if name else part
        spec = machinery.PathFinder.find_spec(name, places)
        if spec is None:
            raise ValueError(
                f"{path!r}: there is no module {name}; {HOW}, in the directory where the command "
                "is given or on PYTHONPATH"
            )
        places = spec.submodule_search_locations
    if not spec.origin or Path(spec.origin).suffix != ".py":
        raise ValueError(f"{path!r}: {name} is no file of Python's; {HOW}")
    return Path(spec.origin)


def check(paths: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raises `ValueError` if the files of import paths are not those that were expected.

    Args:
        paths: of what is about to be loaded.
        expected: `contents` of each when what it is for was named.
    """
    for path, known in zip(paths, expected, strict=True):
        if contents(path) != known:
            raise ValueError(
                f"{path}: {_file(path)} has changed since this run was named; give the command "
                "again, and it is a run of its own"
            )
