"""Parameters from and to the files of open_clip, OpenAI, transformers and big_vision."""

from m4jax.models.convert.api import (
    FORMATS,
    MODEL,
    VARIANT,
    export,
    from_peer,
    load,
    read_model,
    read_params,
    save,
    to_peer,
)

__all__ = [
    "FORMATS",
    "MODEL",
    "VARIANT",
    "export",
    "from_peer",
    "load",
    "read_model",
    "read_params",
    "save",
    "to_peer",
]
