"""Models as people have them: folders of transformers, open_clip, big_vision, and our own."""

from m4jax.models.folders.opened import Opened
from m4jax.models.folders.opening import open_folder
from m4jax.models.folders.write import Words, write_hugging_face

__all__ = ["Opened", "Words", "open_folder", "write_hugging_face"]
