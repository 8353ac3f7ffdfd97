"""JSON lines, each with a checksum that chains it to the line before."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from m4jax.errors import DamagedError, InputError
from m4jax.files.contents import digest
from m4jax.files.sealed import parse
from m4jax.files.writing import atomic

CHECK = "check"  # the last key of a line


def append_jsonl(path: str | os.PathLike, record: Mapping[str, Any]) -> None:
    """Appends one record as a line; a kill in mid-write tears at most this last line.

    The line's last key, `CHECK`, is a checksum of the record and of the check of the line before:
    a line that is changed, left out, doubled or swapped is noticed. What is not finite becomes
    null. A torn line is cut off first.

    Raises:
        DamagedError: if the line before has no check.
    """
    with open(path, "a+b") as file:
        last, end = _last_line(file)
        try:
            before = parse(last)[CHECK] if last else ""
        except (ValueError, RecursionError, LookupError, TypeError):
            raise DamagedError(f"{path}: its last line has no check; delete it") from None
        file.truncate(end)
        file.write(_lines([record], before))


def write_jsonl(path: str | os.PathLike, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes all records at once, atomically, as `append_jsonl` would one after another."""
    with atomic(path) as temporary:
        temporary.write_bytes(_lines(records))


def read_jsonl(path: str | os.PathLike) -> list[dict[str, Any]]:
    """Returns the records of lines that m4jax wrote, or `[]`; a torn last line is left out.

    Raises:
        DamagedError: naming the first line that is not what was written.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: not a readable file ({error.strerror})") from None
    records, before = [], ""
    # A whole line ends in \n: the last one is torn, unless it was its end that was changed.
    for number, line in enumerate(lines if _checked(lines[-1][:-1]) else lines[:-1], start=1):
        record = _checked(line, before)
        if record is None:
            raise DamagedError(
                f"{path}, line {number}: its check is missing or differs: damaged, changed by "
                "hand, or of an earlier version; restore it, or delete it and run again"
            )
        before = record.pop(CHECK)
        records.append(record)
    return records


def _lines(records: Iterable[Mapping[str, Any]], before: str = "") -> bytes:
    """Returns the records as lines, each with its check; `before` is that of the line before."""
    lines = []
    for record in records:
        if CHECK in record:
            raise ValueError(f"the key {CHECK!r} is that of the check")
        plain = {k: None if _is_not_finite(x) else x for k, x in record.items()}
        plain = json.loads(json.dumps(plain, allow_nan=False))
        before = _check(plain, before)
        lines.append(json.dumps(plain | {CHECK: before}) + "\n")
    return "".join(lines).encode()


def _check(record: Mapping[str, Any], before: str) -> str:
    return digest([before, record], 8)


def _checked(line: bytes, before: str | None = None) -> dict[str, Any] | None:
    """Returns the record of a line, with its check, or None if it is not what was written.

    Without the check of the line `before`, it is enough that the line is whole.
    """
    try:
        record = parse(line)
        rest = {key: value for key, value in record.items() if key != CHECK}
        whole = before is None or record[CHECK] == _check(rest, before)
    except (ValueError, RecursionError, LookupError, AttributeError):
        return None
    return record if whole else None


def _last_line(file: BinaryIO) -> tuple[bytes, int]:
    """Returns the last whole line, b"" if there is none, and where it ends."""
    size, block = file.seek(0, os.SEEK_END), 1 << 16
    while True:
        start = max(0, size - block)
        file.seek(start)
        tail = file.read()
        end = tail.rfind(b"\n") + 1
        begin = tail.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if begin or not start:
            return tail[begin:end], start + end
        block *= 2


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
