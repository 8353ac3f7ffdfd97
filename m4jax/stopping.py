"""SIGTERM, by which schedulers and clouds ask a process to end: what is under way ends in order.

Inside `on_sigterm` the signal raises `Terminated` in the main thread, or, inside `later`, is taken
note of: `asked` is then true, and who is at work there ends at the next good place. Whatever does
not end by itself within `GRACE` seconds (a call into a library, say) ends all the same: every file
is written whole, and all work can be resumed.
"""

import contextlib
import os
import signal
import threading
import types
from collections.abc import Iterator

from m4jax.terminal import complain

CODE = 128 + signal.SIGTERM  # the exit code that shells give to such an end
GRACE = 5.0  # seconds; schedulers wait for 30 or more, before they kill
TOLD = "terminated; the same command does the rest"


class Terminated(SystemExit):
    """The process was asked to end."""

    def __init__(self):
        super().__init__(CODE)


class _Asked:
    """What this process was asked, and whether it waits with the answer."""

    def __init__(self):
        self.yes, self.waits, self.saves = False, 0, 0


_STATE = _Asked()


def asked() -> bool:
    """Tells whether the process was asked to end."""
    return _STATE.yes


@contextlib.contextmanager
def on_sigterm() -> Iterator[None]:
    """Answers SIGTERM inside the block, as the module says; in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before, _STATE.yes = {number: signal.getsignal(number) for number in numbers}, False
    inner, outer = os.pipe()
    os.set_blocking(outer, False)
    wakened = signal.set_wakeup_fd(outer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, _answer)
    over = threading.Event()
    # Python's handlers wait for the library that is at work; this thread does not.
    threading.Thread(target=_watch, args=(inner, over), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakened)  # before the thread ends, which hears it
        over.set()
        for number in numbers:
            signal.signal(number, before[number] or signal.SIG_DFL)
        os.close(outer)  # the thread then ends
        _STATE.yes = False


@contextlib.contextmanager
def later() -> Iterator[None]:
    """Takes note of the signal inside the block, which asks for it (`asked`) and ends itself.

    If it does not, `Terminated` is raised when it is left.
    """
    _STATE.waits += 1
    try:
        yield
    finally:
        _STATE.waits -= 1
    if _STATE.yes and not _STATE.waits:
        raise Terminated


@contextlib.contextmanager
def saving() -> Iterator[None]:
    """Gives the block all the time that it takes: what it writes would be lost otherwise."""
    _STATE.saves += 1
    try:
        yield
    finally:
        _STATE.saves -= 1


def _answer(number: int, frame: types.FrameType | None) -> None:
    del number, frame
    again, _STATE.yes = _STATE.yes, True
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient Ctrl-C would break its way out
    if not again and not _STATE.waits:
        raise Terminated


def _watch(pipe: int, over: threading.Event) -> None:
    """Ends the process where it does not end by itself."""
    with open(pipe, "rb", buffering=0) as heard:
        while number := heard.read(1):
            if number[0] == signal.SIGTERM:
                break
        else:
            return
    while not over.wait(GRACE):
        if not _STATE.saves:
            complain(TOLD)
            os._exit(CODE)
