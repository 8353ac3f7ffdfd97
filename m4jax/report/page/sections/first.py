"""The first screen: what was measured, three numbers in words, what is not known."""

from m4jax.report.page import charts, sentences
from m4jax.report.page.content import OUTCOMES, Page, Sentence
from m4jax.report.page.html import Markup, element, join, name, short
from m4jax.report.page.numbers import count
from m4jax.report.page.sections.closing import WORDS
from m4jax.report.page.sections.parts import folded, paragraph
from m4jax.report.page.words import writing

SHOWN = 6  # of what is not known; the rest is folded away
MARKS = dict(zip(OUTCOMES, ("✓", "✗", "?"), strict=True))
CLASSES = dict(zip(OUTCOMES, ("good", "bad", "unsure"), strict=True))
PLURALS = dict(zip(OUTCOMES, ("within", "outside", "can’t be told"), strict=True))


def header(page: Page) -> Markup:
    """Returns the title and what was measured."""
    day = f"Audit of {sentences.dated(page.when)}" if page.when else "Audit"
    facts = [
        element("div", element("dt", name(fact.name)), element("dd", fact.text))
        for fact in page.facts
    ]
    return element(
        "header",
        element("p", day, class_="kicker"),
        element("h1", page.title),
        element("dl", *facts, class_="facts") if facts else None,
        paragraph(page.nothing, "nothing") if page.nothing else None,
        status(page),
    )


def status(page: Page) -> Markup | None:
    """Returns how the limits stand, and how many numbers changed, in a line."""
    found = sentences.outcomes(page)
    marks = [
        element("a", f"{MARKS[x]} {count(found[x])} {PLURALS[x]}", href="#limits",
                class_=f"mark {CLASSES[x]}")
        for x in OUTCOMES if x in found
    ]  # fmt: skip
    parts = [element("span", "Limits:"), *marks] if marks else []
    if page.changes:
        changed = sum(bool(x.changed) for x in page.changes)
        told = f"{count(changed)} of {count(len(page.changes))} numbers changed"
        parts += [element("span", "Since the earlier audit:"),
                  element("a", told, href="#changes", class_="mark")]  # fmt: skip
    return element("p", *parts, class_="status") if parts else None


def body(page: Page) -> Markup:
    """Returns the numbers that matter, and what is not known."""
    told = sentences.headline(page)
    numbers = element("ol", *(_card(page, x) for x in told)) if told else paragraph(
        "No number could be told: the reasons stand below.")  # fmt: skip
    return join(
        element("section", element("h2", "What stands out", id="headline-title"), numbers,
                _explained(page),
                id="headline", aria_labelledby="headline-title"),
        element("section", element("h2", "What is not known", id="unknown-title"),
                *_unknown(page), id="unknown", aria_labelledby="unknown-title"),
    )  # fmt: skip


def _explained(page: Page) -> Markup | None:
    """Returns where words are explained, and what can be done."""
    if not page.measures:
        return None
    links = [element("a", "words on this page", href=f"#{WORDS}")]
    links += [element("a", "what to do next", href="#next")] if page.steps else []
    return element("p", "See ", join(*links, between=" and "), ".", class_="hint")


def _unknown(page: Page) -> list[Markup]:
    texts = sentences.unknown(page) or ["Nothing was left out that was asked for."]
    shown = SHOWN if len(texts) > SHOWN + 1 else len(texts)
    lists = [element("ul", *(element("li", text) for text in part))
             for part in (texts[:shown], texts[shown:]) if part]  # fmt: skip
    if len(lists) > 1:
        lists[1] = folded(f"And {count(len(texts) - shown)} more", lists[1])
    return lists


def _card(page: Page, sentence: Sentence) -> Markup:
    measure = sentence.measure
    if measure is None:
        return element("li", paragraph(sentence.text))
    drawn = charts.gauge(measure) if measure.told else None
    number = writing(measure).full(measure.value)
    others = " · ".join(x for x in (short(measure.source),
                                    sentences.elsewhere(measure, page.measures)) if x)  # fmt: skip
    return element("li", element("p", number, class_="big"), paragraph(sentence.text), drawn,
                   paragraph(others, "hint") if others else None)  # fmt: skip
