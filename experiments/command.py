"""What the commands share: their flags, and how an error is shown."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags
from rich.console import Console

from m4jax import limits
from m4jax.errors import InputError, NonFiniteError

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "A file with get_config(); fields are set by --config.FIELD=VALUE."
)
WORKDIR = flags.DEFINE_string("workdir", None, "The directory of everything that is written.")


def run(main: Callable[[Console], int]) -> None:
    """Runs `main` and ends with its exit code; 2 stands for bad input, 130 for Ctrl-C."""
    flags.mark_flags_as_required(["config", "workdir"])
    # Where there is no terminal (a pipe, a log) its width is unknown: wide enough for the tables.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)

    def guarded(argv: list[str]) -> int:
        logging.set_verbosity(logging.ERROR)  # TFDS and Orbax warn of what is as it should be
        if len(argv) > 1:
            raise app.UsageError(f"unexpected arguments: {argv[1:]}")
        try:
            return main(console)
        except InputError as error:
            return _complain(f"error: {error}", 2)
        except NonFiniteError as error:
            return _complain(f"error: {error}", 1)
        except OSError as error:
            return _complain(f"error: {error}; when it is mended, the same command goes on", 1)
        except KeyboardInterrupt:
            return _complain("interrupted; the same command does the rest", 130)

    app.run(guarded, flags_parser=_parse)


def config() -> dict[str, Any]:
    """Returns the configuration that the flags name, as plain values."""
    try:
        return _CONFIG.value.to_dict()
    except OSError:
        raise InputError(f"--config: can't read {flags.FLAGS['config'].config_filename}") from None


def workdir() -> Path:
    """Returns the directory that `--workdir` names, as an absolute path.

    Raises:
        InputError: if its name can't be written: under a locale of ASCII alone, say.
    """
    path = Path(WORKDIR.value).absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"--workdir: its name is not {sys.getfilesystemencoding()}, the encoding of this "
            "locale; set LC_ALL=C.UTF-8 and unset PYTHONUTF8"
        ) from None
    return path


def override(field: str, value: Any) -> None:
    """Sets a field of the configuration, for flags that have a name of their own."""
    _CONFIG.value[field] = value


def default_workers() -> int:
    """Returns one worker a core, or one in all where there is an accelerator to be shared."""
    return 1 if has_accelerator() else cores()


def has_accelerator() -> bool:
    """Tells whether this machine has a GPU or a TPU, without waking JAX."""
    return any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/accel0", "/dev/vfio/0"))


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return limits.cores()


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags; for an unknown field, the message names the nearest one."""
    try:
        return flags.FLAGS(argv)
    except (AttributeError, KeyError) as error:
        # ml_collections quotes the field and suggests another one on a second line.
        message = str(error).replace("\\n", ": ").replace("\\", "").replace("'", "")
        sys.exit(_complain(f"error: --config: unknown field {message}", 2))
    except flags.Error as error:
        # Where get_config() raises, its traceback is quoted: the last line says what is wrong.
        sys.exit(_complain(f"error: {str(error).splitlines()[-1]}; see --help", 2))


def _complain(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
