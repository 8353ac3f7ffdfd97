"""Association bias: which classes a model sees more in one group's pictures than in another's."""

from collections.abc import Iterator

import numpy as np

from m4jax.evaluation import intervals
from m4jax.evaluation.measures import permutation, wordings
from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.cells import Cells
from m4jax.evaluation.measures.measure import Measure, measured
from m4jax.evaluation.measures.sensitivity import range_of, spread
from m4jax.evaluation.measures.wordings import Wording
from m4jax.evaluation.resampling import Draws

METRIC, REST = "association_bias", "association_bias_rest"
MEAN, MAX = "association_bias_mean", "association_bias_max"
BLOCK = 64  # classes at a time
SENSITIVE = 100  # classes up to which each template is asked alone


def association(asked: Asked) -> Iterator[Measure]:
    """Yields the association bias (AB) of each class for each attribute, their mean and largest.

        AB_r = mean P_r over pictures of the first value − mean P_r over those of the second
        P = softmax(logit scale · cosines) over the classes

    Of more than two values AB_r is the largest mean minus the least, and each value's mean is
    compared with the mean of the others', each of these counted equally. A class that is itself a
    word for a value ("Man") is not asked about. p is corrected for the number of classes, and of
    values; see `permutation`.

    Source: "CLIP the Bias", definition 4; more than two values: derived.
    """
    if asked.texts is None:
        return
    classes = asked_classes(asked)
    if len(classes) < 2:
        return
    usual = wordings.default(asked)
    note = wordings.missing(asked, list(classes.values()), usual)
    for attribute in asked.pictures.attributes:
        known, _ = asked.known(attribute)
        cells = Cells(asked.pictures, known.codes, known.names, asked.settings)
        if note or len(cells) < 2:
            yield asked.untold(METRIC, note or cells.note, attribute=attribute)
            continue
        probability = probabilities(asked, cells, classes, usual)
        means = _means(cells, probability)
        yield from _by_class(asked, attribute, cells, list(classes), probability, means)
        yield from _norms(asked, attribute, cells, list(classes), means)
        if len(classes) <= SENSITIVE:
            yield from _by_template(asked, attribute, cells, classes)


def asked_classes(asked: Asked) -> dict[str, str]:
    """Returns the classes of the prompts that are not themselves words for a value."""
    axes = asked.prompts.attributes
    return {
        name: phrase
        for name, phrase in asked.prompts.classes.items()
        if all(asked.prompts.value(a, text) is None for a in axes for text in (name, phrase))
    }


def probabilities(
    asked: Asked, cells: Cells, classes: dict[str, str], wording: Wording
) -> np.ndarray:
    """Returns softmax(logit scale · cosines) over classes, float32 [m, c], of `cells.rows`."""
    embedded = wordings.embedded(asked, list(classes.values()), wording)
    result = np.empty((len(cells.rows), len(classes)), np.float32)
    for start in range(0, len(cells.rows), 1024):
        part = slice(start, start + 1024)
        cosines = asked.pictures.embeddings[cells.rows[part]] @ embedded.T
        logits = cosines.astype(np.float64) * asked.texts.logit_scale
        likelihood = np.exp(logits - logits.max(1, keepdims=True))
        result[part] = likelihood / likelihood.sum(1, keepdims=True)
    return result


def _means(cells: Cells, probability: np.ndarray) -> Draws:
    """Returns the draws of mean P by value and class, estimate [1, v, c], some classes a time."""
    blocks = [
        cells.means(probability[:, start : start + BLOCK])
        for start in range(0, probability.shape[1], BLOCK)
    ]
    estimate = np.concatenate([block.estimate for block in blocks], -1)
    samples = np.concatenate([block.samples.astype(np.float32) for block in blocks], -1)
    return Draws(estimate, samples, len(cells.rows), blocks[0].groups, blocks[0].tail)


def _contrasts(means: Draws) -> Draws:
    """Returns the draws of first − second, [1, 1, c], or of each value − the others, [1, v, c]."""
    k = means.estimate.shape[1]
    if k == 2:
        return means.map(lambda x: x[..., :1, :] - x[..., 1:, :])
    return means.map(lambda x: x - (x.sum(-2, keepdims=True) - x) / (k - 1))


def _by_class(
    asked: Asked, attribute: str, cells: Cells, classes: list[str], probability: np.ndarray,
    means: Draws,
) -> Iterator[Measure]:  # fmt: skip
    p = permutation.corrected(cells, probability)
    contrasts, two = _contrasts(means), len(cells) == 2
    about = {"attribute": attribute, "sample": cells.sample}
    about["note"] = f"left out: {cells.note}" if cells.note else ""
    for r, label in enumerate(classes):
        if not two:
            of = means.map(lambda x, r=r: x[..., r])
            order = np.argsort(of.estimate[0], kind="stable")
            which = f"{cells.names[order[-1]]} − {cells.names[order[0]]}"
            fields = asked.about(METRIC, label=label, which=which, p=float(p[:, r].min()), **about)
            yield measured(intervals.norm(spread, of), spread(of.samples)[:, 0], **fields)
        for v in range(contrasts.estimate.shape[1]):
            one = contrasts.map(lambda x, v=v, r=r: x[..., v, r].astype(np.float64))
            group = " − ".join(cells.names) if two else f"{cells.names[v]} − the others"
            fields = asked.about(
                METRIC if two else REST, group=group, label=label, p=float(p[v, r]), **about
            )
            yield measured(intervals.percentile(one), one.samples[:, 0], **fields)


def _norms(
    asked: Asked, attribute: str, cells: Cells, classes: list[str], means: Draws, wording: str = ""
) -> Iterator[Measure]:
    """Yields mean |AB| and, of the default wording, the largest |AB|."""
    k = len(cells)

    def by_class(x: np.ndarray) -> np.ndarray:  # [..., k·c] -> |AB| [..., c]
        return spread(x.reshape(*x.shape[:-1], k, -1).swapaxes(-1, -2))

    flat = means.map(lambda x: x.reshape(*x.shape[:-2], -1))
    about = {"attribute": attribute, "sample": cells.sample, "wording": wording}
    functions = {MEAN: lambda x: by_class(x).mean(-1), MAX: lambda x: by_class(x).max(-1)}
    for metric in (MEAN,) if wording else (MEAN, MAX):
        interval = intervals.norm(functions[metric], flat)
        which = "" if metric == MEAN else classes[int(by_class(flat.estimate[0]).argmax())]
        samples = functions[metric](flat.samples)[:, 0]
        yield measured(interval, samples, **asked.about(metric, which=which, **about))


def _by_template(
    asked: Asked, attribute: str, cells: Cells, classes: dict[str, str]
) -> Iterator[Measure]:
    """Yields mean |AB| under each template alone, and its range."""
    found, notes = [], []
    for wording in wordings.others(asked):
        note = wordings.missing(asked, list(classes.values()), wording)
        notes.append(note)
        if not note:
            means = _means(cells, probabilities(asked, cells, classes, wording))
            found += _norms(asked, attribute, cells, list(classes), means, wording.name)
    yield from found
    fields = asked.about(
        f"{MEAN}_range", wording=wordings.TEMPLATES, attribute=attribute, sample=cells.sample
    )
    yield from range_of(found, asked.settings.level, notes, **fields)
