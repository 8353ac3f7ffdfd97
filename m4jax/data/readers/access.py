"""Reading at any place of many files, by many threads, with few of them open."""

import collections
import os
import threading

from m4jax.errors import InputError

OPEN = 64  # files that are open at once


class _Handle:
    """A file that is open, until nobody reads it any more."""

    def __init__(self, path: str):
        self.number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self):
        if hasattr(self, "number"):
            os.close(self.number)


class Files:
    """Files by their numbers; what is copied to another process opens them anew.

    Args:
        paths: of the files.
    """

    def __init__(self, paths: list[str]):
        self.paths = paths
        self._start()

    def _start(self) -> None:
        self._open: collections.OrderedDict[int, _Handle] = collections.OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict:
        return {"paths": self.paths}

    def __setstate__(self, state: dict) -> None:
        self.paths = state["paths"]
        self._start()

    def read(self, number: int, offset: int, size: int) -> bytes:
        """Returns `size` bytes of a file from `offset` on, fewer only at its end.

        Raises:
            InputError: if the file is not there or can't be read.
        """
        try:
            handle = self._handle(number)
            content = os.pread(handle.number, size, offset)
            while len(content) < size:  # a read may be cut short at 2 GiB, or by the network
                more = os.pread(handle.number, size - len(content), offset + len(content))
                if not more:
                    break
                content += more
        except OSError as error:
            raise InputError(f"{self.paths[number]}: {error.strerror}") from None
        return content

    def _handle(self, number: int) -> _Handle:
        with self._lock:
            handle = self._open.get(number)
            if handle is None:
                handle = self._open[number] = _Handle(self.paths[number])
            self._open.move_to_end(number)
            if len(self._open) > OPEN:
                self._open.popitem(last=False)
        return handle
