"""The commands that pages show, taken apart as a shell and absl would, without running them."""

import ast
import re
import shlex
import sys
import warnings
from unittest import mock

from absl import flags
from ml_collections import config_flags

from helpers import markdown
from helpers.markdown import ROOT

COMMAND = re.compile(r"python(?:3\.\d+)? -m ([\w.]+)((?:(?!&&|\|\|| \| | < |`|\s#).)*)")
SCRIPT = re.compile(r"python ((?:tests|experiments)/[\w/]+\.py)")
LOOSE = re.compile(r"--config\.([\w.]+)")
OTHERS = ("pytest", "m4jax.balance.conformance")  # which have no configuration
COMMON = ("experiments/command.py", "experiments/single.py")  # whose flags a command may take over


def pieces(text):
    """Yields each block of code and each span of code of a page, with its lines joined."""
    for block in markdown.code_blocks(text):
        yield re.sub(r"\\\n\s*", "", block)
    for span in re.findall(r"`([^`]+)`", markdown.without_code(text)):
        yield " ".join(span.split())


def commands(text):
    """Yields (module, arguments) of each `python -m` of a page."""
    for piece in pieces(text):
        for module, rest in COMMAND.findall(piece):
            yield module, shlex.split(rest)


def bare_flags(text):
    """Yields lists of flags that stand without a command: `--config.x=… --against=…`."""
    for piece in pieces(text):
        for line in piece.splitlines():
            if line.startswith("--"):
                yield shlex.split(line, comments=True)


def flags_of(module):
    """Returns the names of the flags that a command of `experiments` defines or takes over."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    own = path.read_text(encoding="utf-8")
    names = {"config"}
    for file in (path, *(ROOT / common for common in COMMON)):
        if file == path or re.search(rf"\b{file.stem}\b", own):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and "DEFINE" in ast.unparse(node.func):
                    names.add(node.args[0].value)
    return names


def parse(arguments):
    """Reads the configuration and its fields as the command would; raises as it would."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, "", flag_values=values)
    asked = ["command", *(one for one in arguments if re.match(r"--config[.=]", one))]
    with warnings.catch_warnings(), mock.patch.object(sys, "argv", asked):
        warnings.filterwarnings("ignore", r"the load_module\(\)", DeprecationWarning)
        values(asked)
    return values["config"].value


def accepts(module, config, arguments):
    """Tells whether a command has all these flags; of one without a value the name counts."""
    valued = [one for one in arguments if "=" in one or not one.startswith("--config.")]
    if wrong(module, [f"--config={config}", *valued]):
        return False
    named = [one.removeprefix("--config.") for one in arguments if one not in valued]
    read = parse([f"--config={config}"]) if named else None
    return all(_has(read, name) for name in named)


def _has(config, name):
    for part in name.split("."):
        if not hasattr(config, "keys") or part not in config:
            return False
        config = config[part]
    return True


def wrong(module, arguments):
    """Returns what is wrong with a command: "" if its module, flags and fields are there."""
    if module.split(".")[0] not in ("experiments", "configs"):
        return "" if module in OTHERS else f"{module}: no command of ours"
    if not (ROOT / f"{module.replace('.', '/')}.py").exists():
        return f"no module {module}"
    if module.startswith("configs."):
        return "" if not arguments else f"{module} takes no flags"
    given = {re.match(r"--(no)?([\w]+)", one)[2] for one in arguments if one.startswith("--")}
    if absent := given - flags_of(module):
        return f"{module}: no flag {absent}"
    if stray := [one for one in arguments if not one.startswith("--")]:
        return f"{module}: {stray}"
    for one in arguments:
        if one.startswith("--config=") and not (ROOT / one[9:].partition(":")[0]).is_file():
            return f"{module}: no file {one[9:]}"
    try:
        parse(arguments)
    except (AttributeError, KeyError, ValueError, TypeError, OSError, flags.Error) as error:
        return f"{module}: {type(error).__name__}: {error}"
    return ""
