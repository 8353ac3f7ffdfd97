"""Association tests: what groups of pictures, or sets of words, lie nearer to.

Of a target w and two sets of attribute words A and B

    s(w) = mean_{a ∈ A} cos(w, a) − mean_{b ∈ B} cos(w, b)
    d = (mean_{x ∈ X} s(x) − mean_{y ∈ Y} s(y)) / sd_{X ∪ Y} s

with n − 1 below the sd, as W4ngatang/sent-bias has it, and n in dccuchile/wefe. d lies between −2
and 2 about.

Source: Caliskan, Bryson & Narayanan 2017 (WEAT: words); Steed & Caliskan 2021 (iEAT: pictures).
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.contrast import contrast, permutation_p
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.ranking import few
from m4jax.evaluation.paired import holm
from m4jax.evaluation.resampling import Resampler

TEXTS = "texts"  # the source of numbers that are of no pictures
LEAST_WORDS = 8  # in a set of target words, to be resampled; the published sets have so many


def association(targets: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns s [n] of targets [n, d] with attributes A [a, d] and B [b, d], all of unit length."""
    return targets @ (first.mean(0) - second.mean(0))


def picture_effects(asked: Asked) -> Iterator[Measure]:
    """Yields the effect sizes d of every attribute's values with each pair of word sets.

    X are the pictures of one value, Y those of the other, or of all others where there are more
    than two. p is two-sided, by exchanging groups of pictures, and corrected (Holm) for the number
    of tests of the attribute.
    """
    if asked.texts is None or asked.words is None:
        return
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
        about = {"attribute": attribute, "version": asked.words_version}
        if len(cells) < 2:
            yield asked.untold("eat", few(cells), **about)
            continue
        about["sample"] = cells.sample
        tests = {pair: asked.unknown(_texts(asked, pair)) for pair in asked.words.effects.pictures}
        known = [pair for pair, unknown in tests.items() if not unknown]
        if tests and not known:
            yield asked.untold("eat", next(iter(tests.values())), **about)
            continue
        for pair, unknown in tests.items():
            if unknown:
                yield asked.untold("eat", unknown, label=" / ".join(pair), **about)
        if known:
            yield from _of_pictures(asked, cells, known, about)


def _of_pictures(
    asked: Asked, cells: Cells, tests: list[tuple[str, str]], about: dict
) -> Iterator[Measure]:
    pictures = asked.pictures.embeddings[cells.rows]
    scores = np.stack(
        [association(pictures, *(_embedded(asked, name) for name in pair)) for pair in tests], -1
    )
    told = 1 if len(cells) == 2 else len(cells)  # of two, the second is the first, sign changed
    p = permutation_p(scores, cells.codes, asked.pictures.groups[cells.rows])[:told]
    p = holm(p.ravel()).reshape(p.shape)
    draws = contrast(cells.resampler, scores, cells.codes)
    for v in range(told):
        group = f"{cells.names[v]} − {cells.names[1] if told == 1 else 'others'}"
        for place, names in enumerate(tests):
            of = draws.map(lambda x, v=v, place=place: x[..., v, place])
            fields = asked.about(
                "eat", group=group, label=" / ".join(names), note=cells.note,
                p=float(p[v, place]), **about,
            )  # fmt: skip
            yield measured(intervals.percentile(of), of.samples[:, 0], **fields)


def text_effects(asked: Asked) -> Iterator[Measure]:
    """Yields the effect sizes d between sets of words; they are of no pictures, whatever the set.

    The interval is over other words like these: words are resampled within X and Y; with 8 in each
    its simulated coverage is 0.905 in place of 0.95. p is two-sided and corrected (Holm) for the
    number of tests.
    """
    if asked.texts is None or asked.words is None:
        return
    about = {"source": TEXTS, "version": asked.words_version}
    tests = {test: asked.unknown(_texts(asked, test)) for test in asked.words.effects.texts}
    if tests and all(tests.values()):
        yield asked.untold("weat", next(iter(tests.values())), **about)
        return
    found = []
    for test, unknown in tests.items():
        label, group = " / ".join(test[2:]), " − ".join(test[:2])
        if unknown:
            yield asked.untold("weat", unknown, label=label, group=group, **about)
            continue
        x, y, a, b = (_embedded(asked, name) for name in test)
        scores = association(np.concatenate([x, y]), a, b)[:, None]
        found.append((label, group, scores, np.repeat([0, 1], [len(x), len(y)])))
    p = holm([permutation_p(scores, codes)[0, 0] for _, _, scores, codes in found])
    for (label, group, scores, codes), corrected in zip(found, p, strict=True):
        settings = dataclasses.replace(
            asked.settings, minimum=min(LEAST_WORDS, asked.settings.minimum)
        )
        of = contrast(Resampler(np.arange(len(scores)), codes, settings=settings), scores, codes)
        of = of.map(lambda x: x[..., 0, 0])
        told = np.isfinite(of.estimate[0])
        note = "" if told else f"fewer than {settings.minimum} words in a set"
        p_told = float(corrected) if told else math.nan
        fields = {"label": label, "group": group, "p": p_told, "note": note, **about}
        yield measured(intervals.percentile(of), of.samples[:, 0], **asked.about("weat", **fields))


def _texts(asked: Asked, names: tuple[str, ...]) -> list[str]:
    template = asked.words.effects.template
    return [text for name in names for text in asked.words.texts(name, template).values()]


def _embedded(asked: Asked, name: str) -> np.ndarray:
    return asked.texts(_texts(asked, (name,))).astype(np.float64)
