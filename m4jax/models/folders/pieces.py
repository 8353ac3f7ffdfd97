"""Which tokenizer a folder has: its file, and the kind that its texts are prepared as."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m4jax import files
from m4jax.errors import InputError

JSON = "tokenizer.json"
MODELS = ("spiece.model", "tokenizer.model", "sentencepiece.model")
MERGES, VOCABULARY = "merges.txt", "vocab.json"
END = {"</s>": "siglip", "<eos>": "siglip2"}  # the piece of id 1 -> kind
NONE = "the folder has no tokenizer"
OPENAI = "bpe_simple_vocab_16e6.txt.gz"  # OpenAI's list of merges, which open_clip brings along
OPENAI_SIZE = 49_408


def find(folder: Path, *, siglip: bool, vocab_size: int) -> str:
    """Returns the name of a folder's tokenizer, "KIND:FILE"; "" if it has none.

    Args:
        folder: of the model.
        siglip: whether the model is a SigLIP, else a CLIP.
        vocab_size: number of token ids of the model.

    Raises:
        InputError: if the tokenizer has other ids than the model, or is of no kind that there is.
    """
    path = folder / JSON
    if path.is_file():
        ids = _ids(files.read_json(path), path)
        if max(ids.values()) >= vocab_size:
            raise InputError(
                f"{path}: has ids up to {max(ids.values()):,}, the model {vocab_size:,} of them; "
                "it is of another model"
            )
        if not siglip:
            return f"clip:{path}"
        end = next((piece for piece, number in ids.items() if number == 1), "")
        if end not in END:
            raise InputError(
                f"{path}: its piece of id 1 is {end!r:.40}; SigLIP's is </s>, SigLIP 2's <eos>"
            )
        return f"{END[end]}:{path}"
    if siglip:
        found = next((folder / name for name in MODELS if (folder / name).is_file()), None)
        return "" if found is None else f"{_sentencepiece_kind(found)}:{found}"
    return f"clip:{folder / MERGES}" if (folder / MERGES).is_file() else ""


def openai(folder: Path, vocab_size: int) -> str:
    """Returns the name of OpenAI's vocabulary: in the folder, or as an installed open_clip has it.

    open_clip takes it for every CLIP whose configuration names no other.
    """
    spec = importlib.util.find_spec("open_clip")
    places = [folder, *map(Path, (spec and spec.submodule_search_locations) or ())]
    found = next((place / OPENAI for place in places if (place / OPENAI).is_file()), None)
    return f"clip:{found}" if found is not None and vocab_size == OPENAI_SIZE else ""


def missing(named: str) -> str:
    """Returns what to say of a folder without a tokenizer, which its configuration may name."""
    what = f"the tokenizer.json of {named!r}" if named else "the tokenizer.json published with it"
    return f"{NONE}, so texts can't be encoded: put {what} into the folder"


def _ids(content: Any, path: Path) -> Mapping[str, int]:
    """Returns piece ↦ id of a `tokenizer.json`."""
    try:
        vocabulary = content["model"]["vocab"]
        if isinstance(vocabulary, list):  # of pieces and their scores, in the order of ids
            ids = {piece: number for number, (piece, _) in enumerate(vocabulary)}
        else:
            ids = dict(vocabulary)
        ids |= {added["content"]: added["id"] for added in content.get("added_tokens") or ()}
        if not ids or not all(type(number) is int for number in ids.values()):
            raise ValueError("no ids")
    except (TypeError, KeyError, ValueError, AttributeError):
        raise InputError(f"{path}: not a tokenizer.json of the library tokenizers") from None
    return ids


def _sentencepiece_kind(path: Path) -> str:
    """Returns the kind of a SentencePiece model, told by its first pieces.

    The file is a sequence of pieces, each with its text; that of id 1 is among its first bytes.
    """
    with open(path, "rb") as file:
        start = file.read(4096)
    places = {kind: start.find(piece.encode()) for piece, kind in END.items()}
    found = {place: kind for kind, place in places.items() if place >= 0}
    if not found:
        raise InputError(f"{path}: has neither </s> nor <eos> as its end; no tokenizer of SigLIP's")
    return found[min(found)]
