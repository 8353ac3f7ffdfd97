"""The page of an audit: one file of HTML that needs nothing else and can be sent on."""

from m4jax.report.page.content import (
    BALANCING,
    DATA,
    DUPLICATES,
    GROUPS,
    MODEL,
    OUTSIDE,
    UNCLEAR,
    WITHIN,
    Change,
    Example,
    Fact,
    Limit,
    Page,
    Past,
    Point,
    Sentence,
    Step,
    Table,
)
from m4jax.report.page.words import say
from m4jax.report.page.write import render, write

__all__ = [
    "BALANCING",
    "DATA",
    "DUPLICATES",
    "GROUPS",
    "MODEL",
    "OUTSIDE",
    "UNCLEAR",
    "WITHIN",
    "Change",
    "Example",
    "Fact",
    "Limit",
    "Page",
    "Past",
    "Point",
    "Sentence",
    "Step",
    "Table",
    "render",
    "say",
    "write",
]
