"""A file system of Beam's by the scheme `bucket`: what a store in the cloud is to the code.

`bucket:///tmp/x` is the local `/tmp/x`; nothing outside Beam can open that path.
"""

import os
from pathlib import Path

from apache_beam.io.filesystem import BeamIOError, FileMetadata
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = "bucket"


def inside(path):
    """Returns the local path."""
    if not path.startswith(f"{SCHEME}://"):
        raise BeamIOError(f"not of this file system: {path}")
    return path.removeprefix(f"{SCHEME}://")


class BucketFileSystem(LocalFileSystem):
    """Strips the scheme and leaves the rest to the local file system."""

    @classmethod
    def scheme(cls):
        return SCHEME

    def _list(self, dir_or_prefix):
        root = Path(inside(dir_or_prefix))
        for path in root.rglob("*") if root.is_dir() else root.parent.glob(f"{root.name}*"):
            if path.is_file():
                yield self.metadata(f"{SCHEME}://{path}")

    def create(self, path, *args, **more):
        return super().create(inside(path), *args, **more)

    def open(self, path, *args, **more):
        try:
            return super().open(inside(path), *args, **more)
        except FileNotFoundError as error:
            raise BeamIOError(str(error)) from None

    def exists(self, path):
        return os.path.exists(inside(path))

    def metadata(self, path):
        about = os.stat(inside(path))
        return FileMetadata(path, about.st_size, about.st_mtime)

    def delete(self, paths):
        for path in paths:
            os.remove(inside(path))
