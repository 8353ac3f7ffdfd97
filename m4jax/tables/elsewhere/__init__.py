"""Weights used by others' training code: what is kept, by uid, in the form that it reads."""

from m4jax.tables.elsewhere.chosen import Chosen, Coverage, choose, read
from m4jax.tables.elsewhere.config import FORMATS, UseConfig
from m4jax.tables.elsewhere.kept import Kept
from m4jax.tables.elsewhere.using import Used, use

__all__ = ["FORMATS", "Chosen", "Coverage", "Kept", "UseConfig", "Used", "choose", "read", "use"]
