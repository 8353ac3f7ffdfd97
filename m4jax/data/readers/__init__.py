"""What people have, read alike: pictures and captions in folders, shards, tables and lists."""

from m4jax.data.readers.collection import Collection
from m4jax.data.readers.fields import CONTENTS
from m4jax.data.readers.opening import open_collection

__all__ = ["CONTENTS", "Collection", "open_collection"]
