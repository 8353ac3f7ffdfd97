"""HTML that is safe to put together: text from outside is escaped, elements know that they are."""

import html
from typing import Any

from m4jax.terminal import plain

LONGEST = 160  # characters of a text that stands in a cell or a label; longer ones are cut
_VOID = ("img", "meta")  # elements of HTML without an end
_SHAPES = ("circle", "path", "rect")  # those of SVG end in "/>"


class Markup(str):
    """Text that is HTML already; whatever is not gets escaped."""

    __slots__ = ()


def escape(value: Any) -> Markup:
    """Returns any text as HTML that shows just this text, on one line.

    Controls, marks that turn the direction of writing and halves of pairs are written out
    (`\\x1b`), as in the terminal; what is `Markup` stays as it is.
    """
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(plain(value), quote=True))


def short(value: Any, longest: int = LONGEST, *, told: bool = True) -> str:
    """Returns a text cut in its middle, with its length, if it is longer than `longest`.

    Without `told` it is cut at its end, and ends in "…" alone.
    """
    text = plain(value)
    if len(text) <= longest:
        return text
    if not told:
        return f"{text[:longest].rstrip()}…"
    return f"{text[: longest * 2 // 3]} … {text[-longest // 4 :]} ({len(text):,} characters)"


def join(*parts: Any, between: str = "") -> Markup:
    """Returns parts one after the other, each escaped unless it is `Markup`."""
    return Markup(between.join(escape(part) for part in parts if part is not None))


def element(tag: str, /, *children: Any, **attributes: Any) -> Markup:
    """Returns an element.

    Args:
        tag: name of the element; our own, never from outside.
        *children: texts (escaped), `Markup`, or None, which is left out.
        **attributes: their values; None and False leave one out, True writes its name alone.
            A trailing "_" is dropped, others become "-": class_, aria_sort.
    """
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID or tag in _SHAPES:
        return Markup(f"<{tag}{told}{'/' if tag in _SHAPES else ''}>")
    return Markup(f"<{tag}{told}>{join(*children)}</{tag}>")


def name(value: Any, longest: int = LONGEST) -> Markup:
    """Returns a name from outside: cut if it is long, its direction of writing its own."""
    return element("bdi", short(value, longest))
