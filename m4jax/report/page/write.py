"""Puts the page together and writes it."""

import base64
import functools
import hashlib
import importlib.resources
import os

from m4jax import files
from m4jax.report.page.content import Page
from m4jax.report.page.html import Markup, element, join
from m4jax.report.page.sections import (
    about,
    closing,
    extras,
    first,
    numbers_by_theme,
    watching,
)
from m4jax.report.page.sections.parts import Section

SECTIONS = (
    watching.limits, watching.changes, numbers_by_theme.data, extras.groups, extras.balancing,
    extras.duplicates, numbers_by_theme.model, watching.past, extras.examples,
    closing.steps, closing.words, about.methods, about.versions,
)  # fmt: skip


def write(path: str | os.PathLike, page: Page) -> None:
    """Writes a page as one file of HTML. The same page gives the same bytes.

    Args:
        path: of the file; one that is there is replaced.
        page: what stands on it.

    Raises:
        InputError: if an example is no picture, or a table's rows don't fit its columns.
    """
    files.write_text(path, render(page))


def render(page: Page) -> str:
    """Returns the page as HTML, which asks for nothing outside of itself."""
    found = [section for make in SECTIONS if (section := make(page)) is not None]
    body = join(
        element("a", "Skip to the numbers", href="#main", class_="skip"),
        first.header(page),
        element("main", first.body(page), _contents(found), *(x.markup for x in found), id="main"),
        element("footer", element("p", "Made by m4jax. This file needs no network; it may be sent "
                                       "on and printed.")),
        Markup(f"<script>{_own('script.js')}</script>"),
    )  # fmt: skip
    document = element("html", _head(page), element("body", body), lang="en")
    return f"<!doctype html>\n{document}\n"


def _head(page: Page) -> Markup:
    style, script = (_own(file) for file in ("style.css", "script.js"))
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", page.title),
        Markup(f"<style>{style}</style>"),
    )


def _contents(found: list[Section]) -> Markup | None:
    if not found:
        return None
    links = (element("li", element("a", x.title, href=f"#{x.identity}")) for x in found)
    return element("nav", element("ul", *links), aria_label="Contents")


@functools.cache
def _own(file: str) -> str:
    """Returns a file of this folder's; what it holds is ours and needs no escaping."""
    text = importlib.resources.files(__package__).joinpath(file).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
