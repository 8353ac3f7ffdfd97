"""Leases: who is at work on what, in a directory that several processes and machines may share.

A lease is a file `<name>.lease` that says who holds it; the time of its last change is the last
heartbeat. It ends when it is released, when its holder is seen to be dead (on the same machine), or
when no heartbeat came for `STALE` seconds; another process may then take it over.
"""

import contextlib
import os
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

from m4jax import files
from m4jax.errors import InputError

HEARTBEAT = 10.0  # seconds between two signs of life
STALE = 90.0  # seconds without one after which a lease counts for nothing


class Leases:
    """The leases of this process.

    Taking one is decided under a file lock, so that of several processes one gets it; a holder that
    was suspended for so long that it lost a lease finds it among `lost`.

    Args:
        folder: of the lease files.
        heartbeat: seconds between two heartbeats.
        stale: seconds after which a lease without heartbeat may be taken over.
    """

    def __init__(
        self, folder: str | os.PathLike, *, heartbeat: float = HEARTBEAT, stale: float = STALE
    ):
        self._folder, self._stale, self._heartbeat = Path(folder), stale, heartbeat
        self._folder.mkdir(parents=True, exist_ok=True)
        self._token = uuid.uuid4().hex
        self._held: set[str] = set()
        self._lost: set[str] = set()
        self._guard, self._closed = threading.Lock(), threading.Event()
        threading.Thread(target=self._beat, daemon=True).start()

    def __enter__(self) -> "Leases":
        return self

    def __exit__(self, *error) -> None:
        self._closed.set()
        for name in list(self._held):
            self.release(name)

    def take(self, *names: str) -> bool:
        """Takes all the leases, or none of them if another process holds one."""
        with files.locked(self._folder / "mutex"):
            if not all(self._is_free(name) for name in names):
                return False
            for name in names:
                files.write_sealed(self._path(name), {"token": self._token, **_identity()})
            with self._guard:
                self._held.update(names)
                self._lost.difference_update(names)
            return True

    def release(self, *names: str) -> None:
        """Gives the leases back."""
        with files.locked(self._folder / "mutex"):
            for name in names:
                if self._is_mine(name):
                    self._path(name).unlink(missing_ok=True)
        with self._guard:
            self._held.difference_update(names)
            self._lost.difference_update(names)

    def lost(self) -> set[str]:
        """Returns the leases that another process has taken over."""
        with self._guard:
            return set(self._lost)

    def _is_free(self, name: str) -> bool:
        holder = read(self._folder, name, stale=self._stale)
        return holder is None or holder.get("token") == self._token

    def _is_mine(self, name: str) -> bool:
        return (_content(self._path(name)) or {}).get("token") == self._token

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lease"

    def _beat(self) -> None:
        while not self._closed.wait(self._heartbeat):
            with self._guard:
                held = set(self._held - self._lost)
            for name in held:
                if self._is_mine(name):
                    with contextlib.suppress(OSError):
                        os.utime(self._path(name))
                else:
                    with self._guard:
                        self._lost.update({name} & self._held)


def read(folder: str | os.PathLike, name: str, *, stale: float = STALE) -> dict[str, Any] | None:
    """Returns who holds a lease, or None if nobody does."""
    path = Path(folder) / f"{name}.lease"
    holder = _content(path)
    if holder is None or _is_dead(holder):
        return None
    try:
        quiet = _now(path.parent) - path.stat().st_mtime
    except OSError:  # just released
        return None
    return holder if quiet <= stale else None


def _content(path: Path) -> dict[str, Any] | None:
    try:
        content = files.read_sealed(path)
    except (InputError, OSError):
        return None
    whole = isinstance(content, dict) and {"token", *_identity()} <= content.keys()
    return content if whole else None  # torn, or not a lease


def _now(folder: Path) -> float:
    """Returns the time by the file system's clock, which all machines that share it agree on."""
    probe = folder / f".now.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _identity() -> dict[str, Any]:
    return {"machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def _machine() -> str:
    """Returns what makes a process number unique: the machine, its boot, the namespace."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _started(pid: int) -> str:
    """Returns when a process of this machine started, "" if that is unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_dead(holder: dict[str, Any]) -> bool:
    """Tells whether a holder on this machine has ended; of others nothing is known."""
    if holder.get("machine") != _machine() or not _started(os.getpid()):
        return False
    return _started(holder["pid"]) != holder["started"]
