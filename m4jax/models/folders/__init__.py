"""Models as people have them: folders of transformers, open_clip, big_vision, and our own."""

from m4jax.models.folders.opened import Opened
from m4jax.models.folders.opening import open_folder

__all__ = ["Opened", "open_folder"]
