"""What the commands share: their flags, and how an error is shown."""

import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags
from rich.console import Console

import configs
from m4jax import limits, stopping, terminal
from m4jax.errors import InputError, explain, nearest

REQUIRED = {"config": "configs/quickstart.py", "workdir": "runs/quickstart"}  # with an example

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A file with get_config(); fields are set by --config.FIELD=VALUE."
)
WORKDIR = flags.DEFINE_string("workdir", None, "The directory of everything that is written.")


def run(main: Callable[[Console], int]) -> None:
    """Runs `main` and ends with its exit code.

    2 stands for bad input, 130 for Ctrl-C, 143 for SIGTERM, and 1 for all else.
    """

    def guarded(argv: list[str]) -> int:
        logging.set_verbosity(logging.ERROR)  # TFDS and Orbax warn of what is as it should be
        if len(argv) > 1:
            raise SystemExit(_complain(f"error: unexpected {argv[1]!r}; flags are --name=value", 2))
        try:
            with stopping.on_sigterm():
                return _told(main, terminal.console())
        except stopping.Terminated:
            return _complain(stopping.TOLD, stopping.CODE)

    app.run(guarded, flags_parser=_parse)


def _told(main: Callable[[Console], int], console: Console) -> int:
    """Runs `main`; of what a user can mend, a line is printed in place of a traceback."""
    try:
        return main(console)
    except KeyboardInterrupt:
        if stopping.asked():  # it came while the process was ending already
            raise stopping.Terminated from None
        return _complain("interrupted; the same command does the rest", 130)
    except Exception as error:  # whatever it is: only what can be explained ends here
        if stopping.asked():  # libraries turn what a signal raises into errors of their own
            raise stopping.Terminated from error
        told = explain(error)
        if told is None:
            raise
        return _complain(f"error: {told}", 2 if isinstance(error, InputError) else 1)


def config() -> dict[str, Any]:
    """Returns the configuration that the flags name, as plain values."""
    try:
        return _CONFIG.value.to_dict()
    except OSError:
        path = Path(flags.FLAGS["config"].config_filename.partition(":")[0])
        beside = [str(x) for x in path.parent.glob("*.py") if x.stem != "__init__"]
        hint = f"; {nearest(str(path), beside)}" if beside else ""
        raise InputError(f"--config: can't read {path}{hint}") from None


def workdir() -> Path:
    """Returns the directory that `--workdir` names, as an absolute path.

    Raises:
        InputError: if it is empty or a file, or can't be written: under a locale of ASCII, say.
    """
    if not WORKDIR.value.strip():
        raise InputError("--workdir: expected a directory, got an empty name")
    path = Path(WORKDIR.value).absolute()
    for one in (path, *path.parents):
        if one.exists() and not one.is_dir():
            raise InputError(f"--workdir: {one} is a file; name a directory, there or not")
    if not path.exists():
        _check_can_be_made(path)
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"--workdir: its name is not {sys.getfilesystemencoding()}, the encoding of this "
            "locale; set LC_ALL=C.UTF-8 and unset PYTHONUTF8"
        ) from None
    return path


def _check_can_be_made(path: Path) -> None:
    """Raises `InputError` if nothing can be written where the directory would be."""
    above = next(one for one in path.parents if one.exists())
    try:
        with tempfile.TemporaryDirectory(dir=above):  # what permissions say is not the whole truth
            pass
    except OSError as error:
        raise InputError(
            f"--workdir: {path} can't be made, since nothing can be written in {above} "
            f"({error.strerror}); name another directory, or mend the permissions"
        ) from None


def override(field: str, value: Any) -> None:
    """Sets a field of the configuration, for flags that have a name of their own."""
    _CONFIG.value[field] = value


def default_workers() -> int:
    """Returns one worker a core, or one in all where there is an accelerator to be shared."""
    return 1 if has_accelerator() else limits.cores()


def has_accelerator() -> bool:
    """Tells whether this machine has a GPU or a TPU, without waking JAX."""
    return any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/accel0", "/dev/vfio/0"))


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; for an unknown field, the message names the nearest one."""
    try:
        rest = flags.FLAGS([argv[0], *map(configs.located, argv[1:])])
    except (AttributeError, KeyError) as error:
        # ml_collections quotes the field and suggests another one on a second line.
        message = str(error).replace("\\n", ": ").replace("\\", "").replace("'", "")
        if "no attribute get_config" in message:
            told = f"{_config_file(argv)} has no get_config(), as configs/quickstart.py has"
            sys.exit(_complain(f"error: --config: {told}", 2))
        sys.exit(_complain(f"error: --config: unknown field {message}", 2))
    except flags.Error as error:
        # Where get_config() raises, its traceback is quoted: the last line says what is wrong.
        sys.exit(_complain(f"error: {_plain(str(error).splitlines()[-1])}; see --help", 2))
    except Exception as error:  # of the configuration's file, which is run when the flag is parsed
        told = f"{_config_file(argv)} can't be run: {type(error).__name__}: {error}"
        if not isinstance(error, SyntaxError):  # which says it itself
            told += f" (line {traceback.extract_tb(error.__traceback__)[-1].lineno})"
        sys.exit(_complain(f"error: --config: {told}", 2))
    for name, example in REQUIRED.items():
        if flags.FLAGS[name].value is None:
            sys.exit(_complain(f"error: --{name} is missing, as in --{name}={example}", 2))
    return rest


def _config_file(argv: list[str]) -> str:
    """Returns the file that the arguments name as the configuration."""
    values = [one.partition("=")[2] for one in argv if one.lstrip("-").startswith("config=")]
    return values[-1] if values else "the file"


def _plain(message: str) -> str:
    """Returns what absl says of a value that is no number, in words of people."""
    for what, told in (("int", "a whole number"), ("float", "a number")):
        pattern = rf"(invalid literal for {what}\(\)[^:]*|could not convert string to {what}): "
        message = re.sub(pattern, f"expected {told}, got ", message)
    return message


def _complain(message: str, code: int) -> int:
    terminal.complain(message)
    return code
