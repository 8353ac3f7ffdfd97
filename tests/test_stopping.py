"""SIGTERM: what is under way ends in order, or else after some seconds."""

import os
import signal
import subprocess
import sys
import time

import pytest

from m4jax import stopping


def ask():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)


def test_it_ends_the_process_with_the_code_of_shells():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, stopping.on_sigterm():
        ask()
    assert ended.value.code == 143 and isinstance(ended.value, stopping.Terminated)
    assert signal.getsignal(signal.SIGTERM) is before and not stopping.asked()


def test_it_waits_for_a_good_place():
    reached = False
    with stopping.on_sigterm(), pytest.raises(stopping.Terminated), stopping.later():
        ask()
        reached = stopping.asked()
    assert reached


def test_a_second_one_does_not_disturb_the_end():
    with stopping.on_sigterm():
        with pytest.raises(stopping.Terminated):
            ask()
        ask()


def test_ctrl_c_does_not_disturb_the_end():
    before = signal.getsignal(signal.SIGINT)
    with stopping.on_sigterm():
        with pytest.raises(stopping.Terminated):
            ask()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    assert signal.getsignal(signal.SIGINT) is before


SCRIPT = """
import threading, time
from m4jax import stopping
stopping.GRACE = 0.2
with stopping.on_sigterm(), stopping.later():
    print("begun", flush=True)
    time.sleep(60)
"""


def test_what_does_not_end_by_itself_ends_all_the_same():
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.terminate()
        assert process.wait(10) == 143
        assert process.stderr.read() == "terminated; the same command does the rest\n"
