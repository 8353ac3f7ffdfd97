"""Accuracy: whether a model knows the group of who is shown, and what is shown, of each group."""

from collections.abc import Iterator

import numpy as np

from m4jax.evaluation.measures import wordings
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import Measure
from m4jax.evaluation.measures.sensitivity import join, over_wordings
from m4jax.evaluation.measures.splits import by_split, name_of, over_all, splits
from m4jax.evaluation.measures.wordings import Wording
from m4jax.evaluation.ranks import TIE, class_ranks
from m4jax.evaluation.resampling import Draws

METRIC, CLASSES = "accuracy", "class_accuracy"


def accuracy(asked: Asked) -> Iterator[Measure]:
    """Yields how often the values of each attribute are recognised: over all, by group, worst, gap.

    An answer is what a model has predicted where there are predictions, else the value whose words
    are nearest to the picture; a tie is wrong. Groups are the values of the attribute itself, those
    of the other ones ("by race"), and intersections of two and three.

    Source: group accuracy: "CLIP the Bias", recognising the attribute; intersections: Buolamwini
        and Gebru 2018.
    """
    for attribute in asked.pictures.attributes:
        known, predicted = asked.known(attribute)
        right, note = None, ""
        if predicted is not None:
            answered = (known.codes >= 0) & (predicted >= 0)
            right = np.where(answered, predicted == known.codes, np.nan)
            missing = int(((known.codes >= 0) & (predicted < 0)).sum())
            note = f"{missing:,} pictures without an answer are not counted" if missing else ""
        elif asked.texts is not None:
            right, note = _recognised(asked, attribute, wordings.default(asked))
            if right is None:
                yield asked.untold(METRIC, note, attribute=attribute)
        if right is None:
            continue
        yield from over_all(asked, METRIC, right, attribute=attribute, note=note)
        for split in splits(asked):
            label = "" if split == (attribute,) else name_of(split)
            yield from by_split(asked, METRIC, right, split, attribute=attribute, label=label)
        if predicted is None:
            yield from _sensitivity(asked, attribute, right)


def class_accuracy(asked: Asked) -> Iterator[Measure]:
    """Yields how often the class of a picture is recognised: over all, by group, worst, gap.

    Of pictures with labels that are among the classes of the prompts: right if the nearest class is
    one of them; a tie with a wrong one is wrong. The disparity is the largest gap between groups.

    Source: disparity: Wang et al. 2025, "Scaling Pre-training to One Hundred Billion Data for
        Vision Language Models".
    """
    names = [name for name in asked.prompts.classes if name in asked.pictures.labels]
    if asked.texts is None or not names:
        return
    usual, classes = wordings.default(asked), asked.prompts.classes
    if note := wordings.missing(asked, list(classes.values()), usual):
        yield asked.untold(CLASSES, note)
        return
    shown = np.zeros((len(asked.pictures), len(classes)), bool)
    for place, name in enumerate(classes):
        if name in asked.pictures.labels:
            shown[:, place] = asked.pictures.labels[name]
    rows = np.flatnonzero(shown.any(1))
    embedded = wordings.embedded(asked, list(classes.values()), usual)
    right = np.full(len(asked.pictures), np.nan)
    for part in np.array_split(rows, len(rows) // 1024 + 1):
        similarity = asked.pictures.embeddings[part] @ embedded.T
        best = np.where(shown[part], similarity, -np.inf).max(1)
        wrong = np.where(shown[part], -np.inf, similarity).max(1)
        right[part] = best - wrong > TIE
    yield from over_all(asked, CLASSES, right)
    for split in splits(asked):
        yield from by_split(asked, CLASSES, right, split, label=name_of(split))


def _recognised(
    asked: Asked, attribute: str, wording: Wording
) -> tuple[np.ndarray | None, str]:  # fmt: skip
    """Returns [n] 1: right, 0: wrong, NaN: its value is not known; or None, and why."""
    known, _ = asked.known(attribute)
    values = [asked.prompts.value(attribute, name) for name in known.names]
    if None in values or len(set(values)) < len(values):
        unclear = [n for n, v in zip(known.names, values, strict=True) if values.count(v) > 1]
        unclear += [n for n, v in zip(known.names, values, strict=True) if v is None]
        return None, (
            f"no words of its own for {', '.join(map(repr, dict.fromkeys(unclear)))}: name the "
            f"values of {attribute!r} in the prompts"
        )
    phrases = wordings.words(asked, attribute, values, wording)
    if note := wordings.missing(asked, phrases, wording):
        return None, note
    right = np.full(len(asked.pictures), np.nan)
    rows = known.codes >= 0
    similarity = asked.pictures.embeddings[rows] @ wordings.embedded(asked, phrases, wording).T
    right[rows] = class_ranks(similarity, known.codes[rows]) == 0
    return right, ""


def _sensitivity(asked: Asked, attribute: str, right: np.ndarray) -> Iterator[Measure]:
    """Yields the accuracy, and the gap of two values, under each wording."""
    known, _ = asked.known(attribute)
    cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
    whole = Cells.whole(asked.pictures, known.codes >= 0, asked.settings)
    for family in wordings.FAMILIES:
        asks = [w for w in wordings.others(asked, attribute) if w.family == family]
        if not asks or not len(whole):
            continue
        found = {"": right} if family == wordings.WORDS else {}
        notes = []
        for wording in asks:
            answer, note = _recognised(asked, attribute, wording)
            notes.append(note)
            if answer is not None:
                found[wording.name] = answer
        note = join(list(dict.fromkeys(notes))[:3])
        every = {name: _share(whole, answer) for name, answer in found.items()}
        about = {"attribute": attribute, "sample": whole.sample}
        yield from over_wordings(asked, METRIC, family, every, note, **about)
        if len(cells) == len(known.names) == 2:
            gaps = {k: cells.both(cells.means(x[cells.rows, None])) for k, x in found.items()}
            about = {"attribute": attribute, "group": " − ".join(cells.names)}
            about["sample"] = cells.sample
            yield from over_wordings(asked, f"{METRIC}_gap", family, gaps, note, **about)


def _share(whole: Cells, right: np.ndarray) -> Draws:
    return whole.of(whole.means(right[whole.rows, None]), 0, bounds=(0.0, 1.0))
