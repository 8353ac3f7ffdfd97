"""What people have, read alike: pictures and captions in folders, shards, tables and lists."""

from m4jax.data.readers.collection import Collection, NoSplitError
from m4jax.data.readers.fields import CONTENTS
from m4jax.data.readers.opening import expand, is_pattern, open_collection

__all__ = ["CONTENTS", "Collection", "NoSplitError", "expand", "is_pattern", "open_collection"]
