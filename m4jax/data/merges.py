"""Lists of merges of byte-pair encoding, as OpenAI and transformers write them."""

import gzip
import io
import zlib
from pathlib import Path

from m4jax import files
from m4jax.errors import InputError

CLIP_MERGES = 49_152 - 256 - 2  # of the 262,144 pairs in OpenAI's file CLIP uses the first
CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
VOCABULARY = "vocab.json"  # the ids of the pieces, beside a merges.txt
_MOST_BYTES = 1 << 26  # of a list of merges; OpenAI's has 3 MB


def read_merges(content: bytes) -> list[tuple[str, str]]:
    """Returns the merges that CLIP uses of OpenAI's gzipped list; raises `InputError`."""
    try:
        with gzip.open(io.BytesIO(content)) as file:
            text = file.read(_MOST_BYTES)
            if file.read(1):
                raise InputError(f"the merges: more than {_MOST_BYTES:,} bytes of text")
        lines = text.decode().split("\n")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"the merges are no gzipped text ({error})") from None
    merges = [tuple(line.split()) for line in lines[1 : CLIP_MERGES + 1]]  # the first is a title
    if len(merges) < CLIP_MERGES or any(len(pair) != 2 for pair in merges):
        raise InputError(f"the merges: expected a title and {CLIP_MERGES:,} lines of two pieces")
    return merges


def read_text_merges(content: bytes) -> list[tuple[str, str]]:
    """Returns the merges of a `merges.txt`: a line of two pieces each, after a title."""
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"the merges are no text ({error})") from None
    lines = lines[1:] if lines[0].startswith("#version") else lines
    merges = [tuple(line.split()) for line in lines if line.strip()]
    if not merges or any(len(pair) != 2 for pair in merges):
        raise InputError("the merges: expected lines of two pieces")
    return merges


def read_ids(path: Path) -> dict[str, int]:
    """Returns piece ↦ id of a `vocab.json`, the special ones among them."""
    ids = files.read_json(path)
    if not isinstance(ids, dict) or not all(type(number) is int for number in ids.values()):
        raise InputError(f"{path}: expected an object of pieces and their ids")
    lacking = [piece for piece in CLIP_SPECIAL if piece not in ids]
    if lacking:
        raise InputError(f"{path}: has no {lacking[0]}, with which CLIP's texts begin and end")
    return ids
