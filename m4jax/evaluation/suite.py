"""The whole evaluation: every metric of a model, pooled over runs, or compared between versions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation import intervals
from m4jax.evaluation.intervals import Interval
from m4jax.evaluation.metrics import METRICS, VERSION, Metric
from m4jax.evaluation.predictions import FIELDS, Arrays, Embed, predict
from m4jax.evaluation.prompts import Prompts
from m4jax.evaluation.resampling import Draws, Settings
from m4jax.evaluation.split import Split

DRAWS = 200  # resamples of which every metric's deviation is kept


@dataclass(frozen=True)
class Result:
    """One number: a metric on a split, with its interval; NaN where it can't be estimated.

    Attributes:
        metric: its name, `association_bias` say.
        split: the split it was measured on.
        label: the occupation, or "" where the metric is about all of them.
        value: the estimate.
        ci_low: lower end of the interval.
        ci_high: upper end of the interval.
        n: number of pictures.
        metric_version: "3+emoji_scenes_v3": the version of the metrics and that of the prompts.
        draws: by how much the metric of each of the first resamples of the pictures differs from
            their mean, times −Φ⁻¹(tail)/1.96 with the `tail_probability` of so many groups: 1.96
            times their deviation is then half an interval for few groups too. () for single labels
            and differences. All runs are resampled alike, so that the pictures' share in the
            uncertainty of any contrast of runs follows from these.
    """

    metric: str
    split: str
    label: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    metric_version: str
    draws: tuple[float, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Results, and the predictions they can be recomputed from."""

    results: list[Result]
    predictions: Arrays


def evaluate(
    splits: Mapping[str, Mapping[str, np.ndarray]],
    *,
    embed_images: Embed,
    embed_texts: Embed,
    logit_scale: float,
    prompts: Prompts,
    data_association: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Evaluates a model on the splits that are given.

    Args:
        splits: name -> arrays. All have images [n, h, w, 3] and group [n] (the emoji: pictures of
            one are not independent). faces: gender [n] (1 man, 0 woman). workers: gender and
            occupation [n], an index into the prompts' occupations. objects: thing [n]. scenes:
            captions, n texts; where these word one content in several ways also content [n], ids:
            each wording is then right. shift: as workers, occupation −1 for a plain face. shots:
            occupation and thing [n], −1 for none: labelled pictures for the linear probes of
            workers and objects.
        embed_images: images [n, h, w, 3] -> [n, d]; it cuts them into batches itself.
        embed_texts: list of k texts -> [k, d].
        logit_scale: factor of the cosines before the softmax over occupations.
        prompts: see `prompts.load`.
        data_association: [c] AB of the training data, NaN where it is not known.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        `recompute([predictions])`, and the predictions.

    Raises:
        InputError: for ill-shaped input, or embeddings that are not finite.
    """
    predictions = predict(
        splits,
        embed_images=embed_images,
        embed_texts=embed_texts,
        logit_scale=logit_scale,
        prompts=prompts,
        data_association=data_association,
    )
    return Evaluation(recompute([predictions], resamples=resamples, seed=seed), predictions)


def recompute(runs: Sequence[Arrays], *, resamples: int = 1000, seed: int = 0) -> list[Result]:
    """Computes every metric from the predictions of one run, or pooled over several.

    A pooled value is the mean over runs of the metric; the pictures are resampled for all runs
    together, so that the interval speaks of the pictures, for these runs.

    Args:
        runs: predictions of runs on the same pictures.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Returns:
        The results.

    Raises:
        InputError: if the runs saw other pictures, prompts or splits.
    """
    version = _check_same(runs)
    return [
        _result(metric, label, metric.interval(draws), version, _deviations(metric, label, draws))
        for metric, label, draws in _measure(runs, Settings(resamples=resamples, seed=seed))
    ]


def difference(
    runs: Sequence[Arrays],
    minus: Sequence[Arrays],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Result]:
    """Computes every metric of some runs minus that of others, paired by picture.

    Args:
        runs: predictions of the first version's runs.
        minus: predictions of the second version's, on the same pictures; as many or not.
        resamples: bootstrap resamples; the same pictures are drawn for both.
        seed: of the bootstrap.

    Returns:
        The results, each `value` a difference first − second.

    Raises:
        InputError: if the runs saw other pictures, prompts or splits.
    """
    version = _check_same([*runs, *minus])
    settings = Settings(resamples=resamples, seed=seed)
    pairs = zip(_measure(runs, settings), _measure(minus, settings), strict=True)
    return [
        _result(metric, label, metric.interval(first, second), version)
        for (metric, label, first), (_, _, second) in pairs
    ]


def _result(
    metric: Metric, label: str, interval: Interval, version: str, draws: tuple[float, ...] = ()
) -> Result:
    ends = interval.value, interval.low, interval.high
    return Result(metric.name, metric.split, label, *ends, interval.n, version, draws)


def _deviations(metric: Metric, label: str, draws: Draws) -> tuple[float, ...]:
    """Returns `Result.draws`, to five digits; () where they say nothing."""
    if label or metric.interval is intervals.point:
        return ()
    samples = draws.samples[:DRAWS]
    samples = (metric.scalar(samples) if metric.scalar else samples).mean(1)
    if not np.isfinite(samples).all():
        return ()
    normal = NormalDist()
    stretch = normal.inv_cdf(draws.tail) / normal.inv_cdf((1 - Settings.level) / 2)
    return tuple(float(f"{x:.5g}") for x in stretch * (samples - samples.mean()))


def _check_same(runs: Sequence[Arrays]) -> str:
    """Checks that all runs answered the same questions; returns the version of the results."""
    if not runs:
        raise InputError("predictions: expected those of one run at least, got none")
    shared = {"prompts/version", "prompts/occupation", "prompts/sensitivity", "prompts/pairs"}
    # The shots are of a run's own world: they are part of the model that answers.
    shared |= {
        f"{split}/{field}" for split in FIELDS if split != "shots" for field in FIELDS[split]
    }
    for run in runs[1:]:
        if set(run) != set(runs[0]):
            raise InputError(
                "predictions: the runs have other splits, "
                f"differing in {sorted(set(run) ^ set(runs[0]))}; evaluate them alike"
            )
        for key in sorted(shared & set(run)):
            if not np.array_equal(run[key], runs[0][key]):
                raise InputError(f"predictions: the runs differ in {key}; evaluate them alike")
    return f"{VERSION}+{runs[0]['prompts/version']}"


def _measure(runs: Sequence[Arrays], settings: Settings) -> Iterator[tuple[Metric, str, Draws]]:
    """Yields each metric that can be computed, a label of it, and the draws."""
    splits = {name: Split(runs, name, settings) for name in FIELDS}
    for metric in METRICS:
        if "group" in splits[metric.split]:
            for label, draws in metric.draws(splits[metric.split]).items():
                yield metric, label, draws
