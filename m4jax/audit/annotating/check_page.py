"""The page on which people check a sample: a picture, its caption, what is to be answered.

It holds the sample itself, asks nothing of any other machine, and saves the answers as a file.
"""

import base64
import hashlib
import importlib.resources
import os
from collections.abc import Mapping, Sequence

from m4jax import files
from m4jax.audit.annotating.hand_check import NO, UNCLEAR, YES, Item, Question
from m4jax.report.page.html import Markup, element, escape, join

TITLE = "What do these examples show?"
HOW = (
    "Answer what you see, not what you guess: “unclear” is an answer. The page does not tell what "
    "was annotated, so that it can't lead you; of labels, some are asked that the example has not. "
    "Keys: Tab goes on, the arrows choose. Answers stay in this browser until you save them."
)


def write(
    path: str | os.PathLike, items: Sequence[Item], pictures: Mapping[str, bytes], *, digest: str
) -> None:
    """Writes the page as one file; the same sample gives the same bytes.

    Args:
        path: of the file.
        items: the sample.
        pictures: uid -> a small JPEG; of uids without one the caption alone is shown.
        digest: what tells the sample, under which the browser keeps the answers.
    """
    files.write_text(path, render(items, pictures, digest=digest))


def render(items: Sequence[Item], pictures: Mapping[str, bytes], *, digest: str) -> str:
    """Returns the page as HTML."""
    style, script = (_own(f"check.{kind}") for kind in ("css", "js"))
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{known}'; img-src data:"
    )
    head = join(
        element("meta", charset="utf-8"),
        element("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("title", TITLE),
        element("style", Markup(style)),
    )
    bar = element(
        "div",
        element("output", f"0 of {len(items)} answered", id="done", aria_live="polite"),
        element("button", "Save the answers", type="button", id="save"),
        element("span", "answers.csv is put where the browser puts downloads", id="where"),
        class_="bar",
    )
    cards = [_card(number, item, pictures.get(item.uid)) for number, item in enumerate(items, 1)]
    noscript = element(
        "noscript",
        element("p", "Saving needs JavaScript. Without it, write answers.csv with the columns "
                     "uid,question,answer."),
    )  # fmt: skip
    body = join(
        element("header", element("h1", TITLE), element("p", HOW), noscript, bar),
        element("main", *cards, id="sample", data_digest=digest),
        element("script", Markup(script)),
    )
    page = element("html", element("head", head), element("body", body), lang="en")
    return f"<!doctype html>\n{page}\n"


def _card(number: int, item: Item, picture: bytes | None) -> Markup:
    shown = None
    if picture is not None:
        data = "data:image/jpeg;base64," + base64.b64encode(picture).decode()
        shown = element("img", src=Markup(data), alt=f"picture {number}")
    questions = [_question(f"q{number}-{i}", item.uid, q) for i, q in enumerate(item.questions)]
    return element(
        "article",
        element("h2", str(number)),
        shown,
        *(  # a line each: several captions of a picture are lines of one text
            element("p", element("bdi", line), class_="caption")
            for line in item.caption.splitlines()
            if line.strip()
        ),
        *questions,
    )


def _question(place: str, uid: str, question: Question) -> Markup:
    choices = [
        element(
            "label",
            element(
                "input", type="radio", name_=place, value=option, data_uid=uid,
                data_question=question.name,
            ),
            " ",
            option,
        )
        for option in (*question.options, UNCLEAR)
    ]  # fmt: skip
    asked = question.name if question.options == (YES, NO) else " or ".join(question.options)
    return element("fieldset", element("legend", f"{asked}?"), *choices)


def _own(name: str) -> str:
    """Returns a file of this folder; a style or a script never ends its element early."""
    text = (importlib.resources.files(__package__) / name).read_text(encoding="utf-8")
    if "</" in text:
        raise ValueError(f"{name}: holds {escape('</')}")
    return text
