"""What to do next, and what the words on the page mean."""

from m4jax.report.page.content import Page
from m4jax.report.page.html import element, join
from m4jax.report.page.sections.parts import Section, paragraph, section

WORDS = "words"  # the section's identity, which the first screen links to


def steps(page: Page) -> Section | None:
    """Returns what to do next, with its commands."""
    items = (
        element(
            "li",
            paragraph(step.text),
            *(element("pre", element("code", x), tabindex="0") for x in step.commands),
        )
        for step in page.steps
    )
    return section("next", "What to do next", element("ol", *items) if page.steps else None)


def words(page: Page) -> Section | None:
    """Returns the terms that stand on this page, a line each."""
    told = [
        ("share", "of the examples of which it is known, how many are of a group: of 80 with known "
                  "gender 60 men are 75%."),
        ("gap", "how much more often a label stands with one group than with the other, in points: "
                "12% of men and 5% of women are a gap of 7 points."),
        ("interval", "a range that holds the number behind the data in "
                     f"{100 * page.level:g} of 100 such audits."),
        ("p", "how often chance alone would give a departure as large, corrected for the number of "
              "labels; below 0.05 it counts."),
        ("can’t tell, few", "too few independent examples, of one picture or person say, for a "
                            "number, or nearly. It does not mean fair."),
        ("label, group", "what is shown (nurse), and who (man); known by captions, columns or a "
                         "model."),
    ]  # fmt: skip
    if any(page.reached) or page.frontier:
        told += [
            ("to balance", "to give each example a weight, the chance with which it is kept, so "
                           "that shares come within a distance of their target, an even split."),
            ("effective after", "so many examples with equal weights would tell as much as the "
                                "weighted ones."),
        ]  # fmt: skip
    if not page.measures:
        return None
    rows = (element("div", element("dt", term), element("dd", text)) for term, text in told)
    return section(WORDS, "Words on this page", join(element("dl", *rows, class_="facts")))
