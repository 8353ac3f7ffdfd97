"""Which field is the picture, the caption, the uid; and values of any kind made columns."""

import codecs
import json
import os
import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from m4jax.data.readers.collection import CAPTIONS, UID
from m4jax.data.text import decoded
from m4jax.errors import InputError, nearest

SUFFIXES = (  # of pictures' files, see `pictures.FORMATS`
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "jp2", "ppm", "pgm", "ico",
)  # fmt: skip
# Names by which fields are known, in any case; of several tiers the first of which there are any.
IMAGES = (("image", "picture", "photo", "img", *SUFFIXES, "image_bytes"),)
PATHS = (
    ("file_name", "filename", "image_path", "image_file", "file_path", "filepath", "path", "file",
     "image", "picture", "photo", "img", "image_name"),
)  # fmt: skip
CAPTION = (
    ("caption", "captions", "text", "txt", "sentence", "sentences"),
    ("alt_text", "alt", "description", "title"),
)
UIDS = (("uid",), ("__key__", "key"))
NONE = "none"  # as `image`: the captions of a table alone, whether there are pictures or not
CONTENTS = "contents"  # as `uid`: made from contents, even where there are names
_INT = 1 << 63
_LONGEST = 4096  # letters of a path
_SHOWN = 30  # names in an error


def say(what: str, names: Sequence[str]) -> str:
    """Returns how to name the field of a kind, in Python and on the command line."""
    return (
        f"Say {what}= one of {', '.join(map(str, names[:_SHOWN]))} (to a command, say "
        f"--config.{what}={shlex.quote(str(names[0]))})"
    )


def choose(
    asked: str, names: Sequence[str], known: Iterable[Sequence[str]], what: str, where: str
) -> str:
    """Returns the field that was asked for, or the one whose name is known; "" if there is none.

    Args:
        asked: its name; "": found by itself.
        names: of the fields that there are.
        known: tiers of names, in lower case.
        what: the field is: "caption".
        where: the names are from.

    Raises:
        InputError: if there is no such field, or several have known names.
    """
    if asked:
        if asked not in names:
            hint = nearest(asked, names[:_SHOWN]) if names else "it has no fields"
            raise InputError(f"{where}: no field {asked!r} to be the {what}; {hint}")
        return asked
    for tier in known:
        found = [name for name in names if name.lower() in tier]
        if len(found) > 1:
            raise InputError(f"{where}: which field is the {what}? {say(what, found)}")
        if found:
            return found[0]
    return ""


def choose_uid(asked: str, names: Sequence[str], where: str, known: int = 1) -> str:
    """Returns the field of the uid; "" if there is none, or it is made from contents.

    Args:
        asked: its name, `CONTENTS`, or "".
        names: of the fields that there are.
        where: the names are from.
        known: how many tiers of `UIDS` count: "uid" alone where files have names, too.

    Raises:
        InputError: see `choose`.
    """
    if asked == CONTENTS:
        return ""
    return choose(asked, names, UIDS[:known], "uid", where)


def others(names: Iterable[str], *taken: str) -> dict[str, str]:
    """Returns field -> column of the fields that are not taken as uid, caption or picture.

    A column is called as its field, but `uid_` or `captions_` where that would be another column.
    """
    left = [name for name in names if name not in taken]
    columns: dict[str, str] = {}
    for name in left:
        column = name
        while column in (UID, CAPTIONS) or (column != name and column in left):
            column += "_"
        columns[name] = column
    return columns


def texts(value: Any) -> list[str]:
    """Returns the captions in a value: a text, its bytes, or a list of them; what is none goes."""
    if isinstance(value, list | tuple):
        return [text for one in value for text in texts(one)]
    try:
        return [decoded(value)]
    except ValueError:
        return []


def without_ends(content: bytes) -> bytes:
    """Returns the content of a text file without a byte order mark and the line ends behind it."""
    return content.removeprefix(codecs.BOM_UTF8).rstrip(b"\r\n")


def uid_text(value: Any, where: str) -> str:
    """Returns a uid as text; raises `InputError` if it is neither text nor a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    try:
        return decoded(value)
    except ValueError as error:
        raise InputError(f"{where}: uid: {error}; expected text or a whole number") from None


def plain(text: str) -> str:
    """Returns a text that has an encoding: half surrogate pairs are written as escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def clean_path(name: str) -> str | None:
    """Returns a relative path in one spelling; None if it leads out of its folder.

    Absolute paths, `..`, NUL and names longer than file systems have lead out.
    """
    if not name or name[0] == "/" or "\0" in name or len(name) > _LONGEST:
        return None
    if name[0] != "." and name[-1] != "/" and "/." not in name and "//" not in name:
        return name  # as nearly all are
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return None
    return "/".join(parts)


def spellings(name: str) -> tuple[str, ...]:
    """Returns a name as it stands and in Unicode's two normal forms: Macs write the longer one."""
    if name.isascii():
        return (name,)
    forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return tuple(dict.fromkeys((name, *forms)))


def key_of(name: str) -> str:
    """Returns the path of a picture without its suffix, which is its uid."""
    return os.path.splitext(name)[0]


class Types:
    """What values the fields of records have, and the columns that follow.

    A field of whole numbers is int64, with fractions among them float64, of truths bool, of texts
    string; of several kinds, or of lists and mappings, it is a string with the JSON of each.
    """

    def __init__(self):
        self._found: dict[str, set[type]] = {}

    def see(self, record: Mapping[str, Any]) -> None:
        """Takes note of a record."""
        for name, value in record.items():
            kind = type(value)
            if kind is int and not -_INT <= value < _INT:
                kind = str
            try:
                self._found[name].add(kind)
            except KeyError:
                self._found[name] = {kind}

    @property
    def names(self) -> tuple[str, ...]:
        """All fields, in the order in which they came."""
        return tuple(self._found)

    def kind(self, name: str) -> pa.DataType:
        """Returns the type of a field's column."""
        kinds = self._found[name] - {type(None)}
        if kinds == {bool}:
            return pa.bool_()
        if kinds == {int}:
            return pa.int64()
        if kinds and kinds <= {int, float}:
            return pa.float64()
        return pa.string()


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Returns values as a column of a type that `Types` gave; what doesn't fit it is NULL."""
    if pa.types.is_string(kind):
        return pa.array([_string(value) for value in values], kind)
    fit = {pa.bool_(): bool, pa.int64(): int}.get(kind, (int, float))
    return pa.array([x if isinstance(x, fit) else None for x in values], kind)


def _string(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else plain(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return json.dumps(value, ensure_ascii=False, default=str)
