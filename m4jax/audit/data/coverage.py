"""How much is known at all: captions, their language, attributes that they name."""

import collections

import numpy as np

from m4jax.audit.inputs.shown import Shown
from m4jax.report.page.content import DATA, DUPLICATES, Table

REPEATED = 10  # captions that are told
COMMON = 0.95  # of the examples have a label that tells them apart no more
LONGEST = 120  # letters of a caption in a table


def coverage(shown: Shown) -> tuple[Table, tuple[str, ...]]:
    """Returns a table of how many examples say what, and sentences on what is not known."""
    n, rows = len(shown), []
    texts = sum(map(len, shown.captions))
    without = sum(not x for x in shown.captions)
    rows.append(("examples", n, 1.0))
    if texts:
        rows.append(("with a caption", n - without, (n - without) / n))
        rows.append(("captions", texts, ""))
        rows.append(("whose captions name no person", *_of(shown.nobody)))
    unknown = []
    for name, attribute in shown.attributes.items():
        for code, value in enumerate(attribute.names):
            rows.append((f"{name}: {value}", *_of(attribute.codes == code)))
        several = shown.several.get(name, 0)
        missing = int((attribute.codes < 0).sum())
        if several:
            rows.append((f"{name}: several named", several, several / n))
        if not missing:
            continue
        rows.append((f"{name}: none named" if several else f"{name}: unknown",
                     missing - several, (missing - several) / n))  # fmt: skip
        unknown.append(
            f"The {name} of {missing:,} of {n:,} examples ({missing / n:.1%}) is not known."
        )
    some = np.diff(shown.matrix.tocsr().indptr) > 0
    rows.append(("with a label", *_of(some)))
    number = shown.frequency
    occur = number > 0
    if len(occur) - occur.sum():
        unknown.append(
            f"Of {len(occur) - occur.sum():,} of {len(occur):,} labels there is no example."
        )
    common = [name for name, k in zip(shown.labels, number, strict=True) if k >= COMMON * n]
    if common and n >= 2:
        unknown.append(
            f"On {COMMON:.0%} or more of the examples stand the labels {', '.join(common[:5])}"
            f"{', …' if len(common) > 5 else ''}: they tell hardly any two examples apart, so that "
            "shares within them are those of all, and their gaps about 0."
        )
    unknown += _language(shown)
    columns, units = ("what", "number", "share of examples"), ("", "", "percent")
    return Table(DATA, "What is known of the examples", columns, tuple(rows), units), tuple(unknown)


def repeated_captions(shown: Shown) -> Table | None:
    """Returns the captions that several examples have, the commonest first; None without any.

    Captions that differ in upper and lower case or in spaces alone are the same.
    """
    counts: collections.Counter[str] = collections.Counter()
    for texts in shown.captions:
        counts.update({" ".join(text.lower().split()) for text in texts})
    many = [(text, n) for text, n in counts.most_common() if n > 1]
    if not many:
        return None
    rows = tuple((_short(text), n) for text, n in many[:REPEATED])
    extra = sum(n - 1 for _, n in many)
    return Table(
        DUPLICATES,
        "Captions that several examples have",
        ("caption", "examples"),
        rows,
        note=f"{len(many):,} captions are those of several examples, {extra:,} times more than "
        f"once in all; the {len(rows)} commonest are shown.",
    )


def _language(shown: Shown) -> list[str]:
    language = shown.lexicon and shown.lexicon.language
    if not language:
        return []
    every = [text for texts in shown.captions for text in texts]
    share, words = language.share(every)
    if share >= language.least:
        return []
    return [
        f"It is not known whether the captions are in {language.name}: {share:.1%} of {words:,} "
        f"words are among its commonest, fewer than {language.least:.0%}. What they name may have "
        "been missed."
    ]


def _of(mask: np.ndarray) -> tuple[int, float]:
    return int(mask.sum()), float(mask.mean())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
