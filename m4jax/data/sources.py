"""The table of sources: kind -> class, see `examples.Source`. A new source is a line here."""

from m4jax.data.examples import Source
from m4jax.data.pairs import Pairs
from m4jax.data.testbed.world import World

SOURCES: dict[str, type[Source]] = {kind.kind: kind for kind in (World, Pairs)}
