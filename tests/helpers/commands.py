"""The commands of `experiments`, run within the tests' process: no start and no import to wait for.

Tests that need a process (to kill it, or two of them) start one themselves.
"""

import contextlib
import io
import os
import runpy
import sys
import warnings
from pathlib import Path
from subprocess import CompletedProcess
from unittest import mock

from absl import app, flags, logging

ROOT = Path(__file__).parents[2]


def run(module, *arguments):
    """Returns exit code, output and errors of `python -m experiments.MODULE ARGUMENTS`."""
    output, errors, code = io.StringIO(), io.StringIO(), 0
    argv = [module, *map(str, arguments)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_fresh())
        stack.enter_context(mock.patch.object(sys, "argv", argv))
        stack.enter_context(contextlib.chdir(ROOT))
        stack.enter_context(contextlib.redirect_stdout(output))
        stack.enter_context(contextlib.redirect_stderr(errors))
        stack.enter_context(warnings.catch_warnings())
        # So ml_collections reads the configuration.
        warnings.filterwarnings("ignore", r"the load_module\(\)", DeprecationWarning)
        try:
            runpy.run_module(f"experiments.{module}", run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
    return CompletedProcess(argv, code, output.getvalue(), errors.getvalue())


@contextlib.contextmanager
def _fresh():
    """Lets the commands define their flags anew, and takes back what they set."""
    app.define_help_flags()  # once a process, so they are none of the commands' own
    before, verbosity = set(flags.FLAGS), logging.get_verbosity()
    environment = dict(os.environ)
    _forget_commands()
    try:
        yield
    finally:
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()
        _forget_commands()
        logging.set_verbosity(verbosity)
        os.environ.clear()
        os.environ.update(environment)


def _forget_commands():
    for name in [name for name in sys.modules if name.split(".")[0] == "experiments"]:
        del sys.modules[name]
