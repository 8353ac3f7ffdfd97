"""What all parts of the page are made with."""

import dataclasses
from typing import Any

from m4jax.report.page.html import Markup, element, join


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        identity: its id; ids of what it holds begin with it.
        title: its heading, a text of ours.
        body: what it holds.
    """

    identity: str
    title: str
    body: Markup

    @property
    def markup(self) -> Markup:
        """The section with its heading."""
        heading = element("h2", self.title, id=f"{self.identity}-title")
        return element("section", heading, self.body, id=self.identity,
                       aria_labelledby=f"{self.identity}-title")  # fmt: skip


def section(identity: str, title: str, *parts: Any) -> Section | None:
    """Returns a section; None if nothing stands in it."""
    body = join(*parts)
    return Section(identity, title, body) if body else None


def paragraph(text: str, class_: str | None = None) -> Markup:
    """Returns a paragraph."""
    return element("p", text, class_=class_)


def folded(summary: str, *parts: Any) -> Markup:
    """Returns what a script folds away; without one, and in print, all of it is seen."""
    return element("details", element("summary", summary), *parts, open=True)
