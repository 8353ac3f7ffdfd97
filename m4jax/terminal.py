"""What is printed: text is text, whatever it holds; only the program itself sets colours.

Names, captions and error messages come from outside. In a terminal they could be markup ("[/x]"
ends a style that was never begun), or sequences that move the cursor, retitle the window or hide
what stands before them.
"""

import sys
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

WIDTH = 110  # where there is no terminal (a pipe, a log): wide enough for the tables
# What no terminal shows as a character: controls (C0 but for the line's end, DEL, C1), the marks
# that turn the direction of writing, separators of lines and paragraphs, halves of pairs, and
# characters of no width.
_UNSEEN = (
    *range(0x0A),
    *range(0x0B, 0x20),
    *range(0x7F, 0xA0),
    0x200B,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xD800, 0xE000),
    0xFEFF,
)
_SHOWN = {code: repr(chr(code))[1:-1] for code in _UNSEEN}
_IN_LINE = _SHOWN | {0x0A: "\\n"}


def plain(text: Any, *, lines: bool = False) -> str:
    """Returns text in which characters that a terminal acts upon are written out, `\\x1b` say.

    Args:
        text: anything; what is no string is turned into one.
        lines: whether it may have several lines; otherwise their ends are written out, too.
    """
    return str(text).translate(_SHOWN if lines else _IN_LINE)


def text(*parts: Any, lines: bool = False) -> Text:
    """Returns what prints as it stands: strings, or pairs of a string and of a style of our own."""
    styled = [part if isinstance(part, tuple) else (part, "") for part in parts]
    return Text.assemble(*((plain(content, lines=lines), style) for content, style in styled))


class _PlainConsole(Console):
    """A console that knows no markup, and writes out what a terminal would act upon."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(plain(text, lines=True), **options)


def console(file: TextIO | None = None, **options: Any) -> Console:
    """Returns the console of a command; strings that it prints are text, not markup.

    Args:
        file: where to; by default standard output.
        options: of `rich.console.Console`.
    """
    target = file or sys.stdout
    forgive(target)
    wide = {} if target.isatty() else {"width": WIDTH}
    plainly = {"markup": False, "emoji": False, "highlight": False}
    return _PlainConsole(file=file, **wide | plainly | options)


def forgive(stream: TextIO) -> None:
    """Lets a stream of a narrow encoding (ASCII, say) write out what it has no character for."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def complain(message: Any) -> None:
    """Prints a message to standard error."""
    forgive(sys.stderr)
    print(plain(message, lines=True), file=sys.stderr, flush=True)
