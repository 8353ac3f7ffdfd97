"""What Hugging Face's `datasets` writes of the columns of a table: here the names of classes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_KEY = b"huggingface"  # of the metadata of a schema


def classes(metadata: Mapping[bytes, bytes] | None) -> dict[str, Sequence[str]]:
    """Returns field -> names of its classes, from the metadata of a schema."""
    try:
        told = json.loads((metadata or {}).get(_KEY, b"{}"))
        return classes_of(told["info"]["features"])
    except (ValueError, LookupError, TypeError, RecursionError):  # of another, or damaged
        return {}


def classes_of(features: Any) -> dict[str, Sequence[str]]:
    """Returns field -> names of its classes, from features as `dataset_info.json` has them."""
    if not isinstance(features, Mapping):
        return {}
    return {
        name: told["names"]
        for name, told in features.items()
        if isinstance(told, Mapping) and told.get("_type") == "ClassLabel"
        and isinstance(told.get("names"), list)
        and all(isinstance(x, str) for x in told["names"])
    }  # fmt: skip
