"""What the fuzz tests share: how many cases are drawn, and what became of them.

`M4JAX_FUZZ=2000 python -m pytest -n0 tests/fuzz` draws 2,000 cases a test in place of a few.
"""

import collections
import os

from hypothesis import HealthCheck, settings

from m4jax.errors import InputError

CASES = int(os.environ.get("M4JAX_FUZZ", "0"))
OUTCOMES: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)


def cases(few):
    """Returns settings that draw `few` cases, always the same ones, or as many as are asked for."""
    return settings(
        max_examples=CASES or few,
        derandomize=True,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def attempt(kind, function):
    """Returns what the function returns, or None where it refuses its input in one clear message.

    Whatever else it raises is a traceback in the face of a user, and fails the test.
    """
    try:
        result = function()
    except InputError as error:
        assert str(error).strip() and "\n" not in str(error), error  # a message is a line
        OUTCOMES[kind]["refused"] += 1
        return None
    OUTCOMES[kind]["taken"] += 1
    return result
