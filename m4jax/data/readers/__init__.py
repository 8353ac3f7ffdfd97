"""What people have, read alike: pictures and captions in folders, shards, tables and lists."""

from m4jax.data.readers.collection import Collection

__all__ = ["Collection"]
