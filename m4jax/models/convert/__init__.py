"""Parameters from and to the files of open_clip, OpenAI, Hugging Face transformers and big_vision."""

from m4jax.models.convert.api import FORMATS, export, from_peer, load, read_model, save, to_peer

__all__ = ["FORMATS", "export", "from_peer", "load", "read_model", "save", "to_peer"]
