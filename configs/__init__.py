"""Configurations: plain Python with get_config(), every field commented."""

from pathlib import Path


def located(argument: str) -> str:
    """Returns a command's argument, with the path of a configuration of ours where it lies.

    "configs/quickstart.py" is found in the checkout, and without one among the installed packages.
    """
    flag, equals, value = argument.partition("=") if "=" in argument else ("", "", argument)
    path, colon, more = value.partition(":")
    if flag.lstrip("-") not in ("", "config") or Path(path).parent != Path(__name__):
        return argument
    installed = Path(__file__).with_name(Path(path).name)
    found = path if Path(path).exists() or not installed.exists() else str(installed)
    return f"{flag}{equals}{found}{colon}{more}"
