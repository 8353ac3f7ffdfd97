"""COCO's JSON: pictures with a number, captions that name it; the pictures' folder beside, or none.

An image is one example with all its captions. Its uid is the name of its file without the suffix.
The JSON is read as a whole, as COCO's tools do.
"""

import gzip
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from m4jax.data.readers import fields
from m4jax.data.readers.listed import Listed, Packer
from m4jax.errors import InputError

KIND = "coco"


def open_coco(path: str, *, image: str = "", caption: str = "", uid: str = "") -> Listed | None:
    """Opens COCO's JSON; None if it is other JSON.

    Args:
        path: of the file, gzipped or not.
        image: the folder of the pictures; "": found beside the file, if it is there.
        caption: field of the annotations; "": "caption".
        uid: field of the images ("id"), `fields.CONTENTS`, or "": the name of the file.

    Raises:
        InputError: if it is no JSON, or there is no such folder or field.
    """
    content = _read(path)
    if not isinstance(content, Mapping) or "images" not in content:
        return None
    images, annotations = _lists(path, content)
    caption = caption or "caption"
    root = _root(path, image, images)
    left_out: dict[str, str] = {}
    captions = _captions(path, annotations, caption, {x["id"] for x in images}, left_out)
    types = fields.Types()
    for one in images:
        types.see(one)
    name = fields.choose_uid(uid, types.names, path)
    packer = Packer(types, fields.others(types.names, name, "file_name"))
    for one in images:
        file = one["file_name"]
        clean = fields.clean_path(file)
        if clean is None:
            left_out[file] = "a name that leads out of the folder"
        elif root and not os.path.isfile(os.path.join(root, clean)):
            left_out[file] = f"no such picture in {root}"
        else:
            own = fields.uid_text(one.get(name), f"{path}: {file}") if name else ""
            packer.add(clean, captions.get(one["id"], []), one, own)
    return Listed(
        KIND, path, root, packer.packed(), left_out, about=[caption, uid], beside=[path],
        contents=uid == fields.CONTENTS,
    )  # fmt: skip


def _read(path: str) -> Any:
    try:
        with gzip.open(path) if path.lower().endswith(".gz") else open(path, "rb") as file:
            return json.load(file)
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: can't be read ({error})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON in UTF-8 ({error})") from None


def _lists(path: str, content: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Returns the images and the annotations."""
    images, annotations = content["images"], content.get("annotations", [])
    if not isinstance(images, list) or not isinstance(annotations, list):
        raise InputError(f"{path}: expected COCO's lists 'images' and 'annotations'")
    for number, one in enumerate(images):
        fit = isinstance(one, dict) and isinstance(one.get("file_name"), str)
        if not fit or not isinstance(one.get("id"), int | str):
            raise InputError(f"{path}: image {number:,}: expected an id and a file_name")
    return images, annotations


def _captions(
    path: str, annotations: Sequence[Any], field: str, known: set, left_out: dict[str, str]
) -> dict[Any, list[str]]:
    """Returns id of an image -> its captions, in their order."""
    found: dict[Any, list[str]] = {}
    for number, one in enumerate(annotations):
        if not isinstance(one, dict) or field not in one:
            raise InputError(f"{path}: annotation {number:,} has no field {field!r}; is it one of "
                             "captions?")  # fmt: skip
        image = one.get("image_id")
        if not isinstance(image, int | str) or image not in known:
            left_out[f"annotation {number}"] = f"of image {image!r}, which is not listed"
            continue
        found.setdefault(image, []).extend(fields.texts(one[field]))
    return found


def _root(path: str, asked: str, images: Sequence[Mapping[str, Any]]) -> str:
    """Returns the folder of the pictures; "" if none is found beside the file."""
    if asked:
        if not os.path.isdir(asked):
            raise InputError(f"{path}: image={asked!r} is no folder of its pictures")
        return asked
    named = [x for one in images[:10] if (x := fields.clean_path(one["file_name"]))]
    for folder in _folders(Path(path).resolve().parent):
        if any((folder / name).is_file() for name in named):
            return str(folder)
    return ""


def _folders(here: Path) -> Iterator[Path]:
    """Yields where COCO's pictures may lie: here, one folder below, or beside this folder."""
    for base in (here, here.parent):
        yield base
        try:
            yield from sorted(x for x in base.iterdir() if x.is_dir() and x.name[0] != ".")
        except OSError:
            continue
