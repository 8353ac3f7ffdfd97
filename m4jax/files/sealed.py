"""JSON and other files that are known by their checksums when they are read back."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m4jax.errors import DamagedError, InputError
from m4jax.files.contents import digest, sha256
from m4jax.files.writing import write_text

SEAL = "sha256"  # the last key of a sealed file
MANIFEST = "manifest.json"


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `value` as indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file that a person may have written; raises `InputError` naming the file.

    NaN and infinity are no JSON, and no object has a key twice: the first would be lost.
    """
    try:
        return parse(Path(path).read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: not a readable file ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a JSON file ({error}); restore or delete it") from None


def write_sealed(path: str | os.PathLike, mapping: Mapping[str, Any]) -> None:
    """Writes a JSON object, atomically, with its own checksum as the last key, `SEAL`.

    The checksum is the SHA-256 of the rest as canonical JSON; see `digest`.
    """
    if SEAL in mapping:
        raise ValueError(f"the key {SEAL!r} is that of the seal")
    mapping = json.loads(json.dumps(mapping, allow_nan=False))  # as it will be read: keys are text
    write_json(path, mapping | {SEAL: digest(mapping, 64)})


def read_sealed(path: str | os.PathLike) -> dict[str, Any]:
    """Returns what `write_sealed` wrote.

    Raises:
        InputError: if there is no such file.
        DamagedError: if it is not what was written.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file")
    try:
        content = parse(Path(path).read_bytes())
        sum_ = content.pop(SEAL, None) if isinstance(content, dict) else None
        intact = sum_ is not None and sum_ == digest(content, 64)
    except (OSError, ValueError, RecursionError):
        intact = False
    if not intact:
        raise DamagedError(
            f"{path}: its checksum is missing or differs: damaged, changed by hand, or of an "
            "earlier version; restore it, or delete it and run again"
        )
    return content


def seal_file(path: str | os.PathLike, **facts: Any) -> None:
    """Writes the SHA-256 of the file `path`, and some facts, to the sealed `<stem>.json` beside it.

    It comes last, and so marks the file as whole.
    """
    write_sealed(Path(path).with_suffix(".json"), facts | {"file_sha256": sha256(path)})


def sealed_file(path: str | os.PathLike) -> dict[str, Any]:
    """Returns the facts that `seal_file` noted, after comparing the file with its SHA-256.

    Raises:
        InputError: if the file or its seal is missing.
        DamagedError: if either is not what was written.
    """
    facts, actual = read_sealed(Path(path).with_suffix(".json")), sha256(path)
    if not actual:
        raise InputError(f"{path}: no such file")
    if facts.pop("file_sha256", None) != actual:
        raise DamagedError(f"{path}: damaged (its SHA-256 differs); restore it, or delete it and "
                           "run again")  # fmt: skip
    return facts


def write_manifest(folder: str | os.PathLike, **facts: Any) -> None:
    """Writes `manifest.json`: size and SHA-256 of every file in `folder`, and some facts."""
    paths = sorted(path for path in Path(folder).iterdir() if path.name != MANIFEST)
    entries = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths}
    write_sealed(Path(folder) / MANIFEST, facts | {"files": entries})


def intact(folder: str | os.PathLike, name: str) -> Path:
    """Returns the path of a file of `folder` that is what its manifest says.

    Raises:
        InputError: if there is no manifest, or the file is not in it.
        DamagedError: if the manifest or the file is not what it was.
    """
    path = Path(folder) / name
    entry = read_sealed(Path(folder) / MANIFEST)["files"].get(name)
    if entry is None:
        raise InputError(f"{folder}: its manifest has no file {name!r}")
    actual = sha256(path)
    if actual != entry["sha256"]:
        reason = "damaged (its SHA-256 differs)" if actual else "missing"
        raise DamagedError(f"{path} is {reason}; delete {folder} and run again: it is made anew")
    return path


def parse(content: bytes) -> Any:
    """Returns the value of JSON; raises a `ValueError` or `RecursionError`."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"the key {twice!r} comes twice in an object")
        return dict(pairs)

    return json.loads(content.decode("utf-8"), parse_constant=refuse, object_pairs_hook=once)
