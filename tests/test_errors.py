"""Errors end in one line, with the mend that fits."""

import errno
import os

import jax
import numpy as np
import pytest

from m4jax.errors import InputError, NonFiniteError, explain

GOES_ON = "same command"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EMFILE])
def test_what_can_be_mended_goes_on(number):
    told = explain(OSError(number, os.strerror(number), "/data/a"))
    assert "/data/a" in told and GOES_ON in told and "\n" not in told


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/data/a"),
        IsADirectoryError(errno.EISDIR, "Is a directory", "/data/a"),
        OSError("Could not read dataset info of /data/a"),
        OSError(errno.ENAMETOOLONG, "File name too long", "/data/a"),
    ],
)
def test_what_no_mending_of_files_helps_promises_nothing(error):
    assert "/data/a" in explain(error) and GOES_ON not in explain(error)


def test_want_of_memory_is_told_with_what_to_lower():
    with pytest.raises(jax.errors.JaxRuntimeError) as caught:
        jax.numpy.zeros((2**46,), np.uint8).block_until_ready()
    assert "RESOURCE_EXHAUSTED" in str(caught.value)
    for error in (caught.value, MemoryError(), MemoryError("Unable to allocate 4 TiB")):
        told = explain(error)
        assert told.startswith("out of memory") and "batch size" in told and "\n" not in told


def test_a_bug_is_none_of_them():
    assert explain(KeyError("a")) is None and explain(RuntimeError("INTERNAL")) is None
    assert explain(InputError("a")) == "a" and explain(NonFiniteError("b")) == "b"
