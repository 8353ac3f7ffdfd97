"""The whole evaluation: every metric of a model, pooled over runs, or compared between versions."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m4jax.errors import InputError
from m4jax.evaluation import bias, intervals
from m4jax.evaluation.intervals import Draws, Interval
from m4jax.evaluation.predictions import FIELDS, Arrays, Embed, predict
from m4jax.evaluation.prompts import Prompts
from m4jax.evaluation.statistics import Resampler, Settings

DRAWS = 200  # resamples of which every metric's deviation is kept
VERSION = 2  # to be raised with every change of what a metric means


@dataclass(frozen=True)
class Result:
    """One number: a metric on a split, with its interval; NaN where it can't be estimated.

    Args:
        metric: its name, `association_bias` say.
        split: the split it was measured on.
        label: the occupation, or "" where the metric is about all of them.
        value: the estimate.
        ci_low: lower end of the interval.
        ci_high: upper end of the interval.
        n: number of pictures.
        metric_version: "2+emoji_scenes_v2": the version of the metrics and that of the prompts.
        draws: by how much the metric of each of the first resamples of the pictures differs from
            their mean; () for single labels and differences. All runs are resampled alike, so that
            the pictures' share in the uncertainty of any contrast of runs follows from these.
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


@dataclass(frozen=True)
class _Metric:
    name: str
    split: str
    label: str
    draws: Draws
    interval: Callable[..., Interval] = intervals.percentile
    scalar: Callable[[np.ndarray], np.ndarray] | None = None  # of a statistic that is a vector


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
        splits: name -> arrays. All have images [n, h, w, 3] and group [n] (the sprite: pictures of
            one are not independent). faces: gender [n] (1 man, 0 woman). workers: gender and
            occupation [n], an index into the prompts' occupations. objects: thing [n]. scenes:
            captions, n texts. shift: as workers, occupation −1 for a plain face. shots: occupation
            and thing [n], −1 for none: labelled pictures for the linear probes of workers and
            objects.
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
    metrics = _metrics(runs, Settings(resamples=resamples, seed=seed))
    return [
        _result(metric, metric.interval(metric.draws), version, _deviations(metric))
        for metric in metrics
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
    pairs = zip(_metrics(runs, settings), _metrics(minus, settings), strict=True)
    return [_result(a, a.interval(a.draws, b.draws), version) for a, b in pairs]


def _result(
    metric: _Metric, interval: Interval, version: str, draws: tuple[float, ...] = ()
) -> Result:
    ends = interval.value, interval.low, interval.high
    return Result(metric.name, metric.split, metric.label, *ends, interval.n, version, draws)


def _deviations(metric: _Metric) -> tuple[float, ...]:
    """Returns `Result.draws`, to five digits; () where they say nothing."""
    if metric.label or metric.interval is intervals.point:
        return ()
    samples = metric.draws.samples[:DRAWS]
    samples = (metric.scalar(samples) if metric.scalar else samples).mean(1)
    if not np.isfinite(samples).all():
        return ()
    return tuple(float(f"{x:.5g}") for x in samples - samples.mean())


def _check_same(runs: Sequence[Arrays]) -> str:
    """Checks that all runs answered the same questions; returns the version of the results."""
    if not runs:
        raise InputError("predictions: expected those of one run at least, got none")
    asked = {"prompts/version", "prompts/occupation", "prompts/sensitivity"}
    # The shots are of a run's own world: they are part of the model that answers.
    asked |= {f"{split}/{field}" for split in FIELDS if split != "shots" for field in FIELDS[split]}
    for run in runs[1:]:
        if set(run) != set(runs[0]):
            raise InputError(
                "predictions: the runs have other splits, "
                f"differing in {sorted(set(run) ^ set(runs[0]))}; evaluate them alike"
            )
        for key in sorted(asked & set(run)):
            if not np.array_equal(run[key], runs[0][key]):
                raise InputError(f"predictions: the runs differ in {key}; evaluate them alike")
    return f"{VERSION}+{runs[0]['prompts/version']}"


def _metrics(runs: Sequence[Arrays], settings: Settings) -> list[_Metric]:
    result = []
    for split, function in _SPLITS.items():
        if f"{split}/group" in runs[0]:
            result += function(functools.partial(_stack, runs), split, settings)
    return result


def _stack(runs: Sequence[Arrays], key: str) -> np.ndarray:
    """Returns an array of all runs, [runs, ...]."""
    return np.stack([run[key] for run in runs])


def _shares(
    resampler: Resampler, ranks: np.ndarray, split: str, names: Mapping[str, int]
) -> list[_Metric]:
    """Returns, for each name and its k, the share of ranks [runs, n] below k."""
    return [
        _Metric(name, split, "", resampler.mean(ranks < k, bounds=(0.0, 1.0)))
        for name, k in names.items()
    ]


def _faces(stack: Callable, split: str, settings: Settings) -> list[_Metric]:
    man = stack("faces/gender")[0]
    resampler = Resampler(stack("faces/group")[0], man, settings=settings)
    gaps = bias.association_bias(resampler, stack("faces/occupation_probability"), man)
    labels = stack("prompts/occupation")[0].tolist()
    one = [
        _Metric("association_bias", split, label, gaps.map(lambda x, r=r: x[..., r]))
        for r, label in enumerate(labels)
    ]
    norms = {"mean": intervals.mean_absolute, "max": intervals.max_absolute}
    of_all = [
        _Metric(
            f"association_bias_{name}", split, "", gaps, functools.partial(intervals.norm, f), f
        )
        for name, f in norms.items()
    ]
    projected = intervals.project(gaps, stack("data/association"))
    correlation = _Metric(
        "association_correlation", split, "", projected, intervals.correlation,
        intervals.correlations,
    )  # fmt: skip
    genders = _shares(resampler, stack("faces/gender_rank"), split, {"gender_acc1": 1})
    alone = intervals.mean_absolute(stack("faces/prompt_gap"))
    by_prompt = _by_prompt("association_bias_mean_by_prompt", split, alone, stack, gaps)
    return [*one, *of_all, correlation, *genders, *by_prompt]


def _by_prompt(
    name: str, split: str, values: np.ndarray, stack: Callable, draws: Draws
) -> list[_Metric]:
    """Returns a metric [runs, T] under each template alone."""
    templates = stack("prompts/sensitivity")[0].tolist()
    if not np.isfinite(draws.estimate).any():  # too few pictures to say anything
        values = np.full_like(values, np.nan)
    return [
        _Metric(name, split, template, Draws(of, of[None], draws.n, draws.groups, draws.tail),
                intervals.point)
        for template, of in zip(templates, values.T, strict=True)
    ]  # fmt: skip


def _workers(stack: Callable, split: str, settings: Settings) -> list[_Metric]:
    group = stack(f"{split}/group")[0]
    everyone = Resampler(group, settings=settings)
    result = _shares(everyone, stack(f"{split}/gender_rank"), split, {"gender_acc1": 1})
    at_work = stack(f"{split}/occupation")[0] >= 0
    if at_work.any():
        ranks = stack(f"{split}/occupation_rank")[:, at_work]
        resampler = Resampler(group[at_work], settings=settings)
        result += _shares(resampler, ranks, split, {"acc1": 1, "acc5": 5})
        result += _probed(resampler, stack, split)
    return result


def _probed(resampler: Resampler, stack: Callable, split: str) -> list[_Metric]:
    """Returns the accuracy of the linear probe, where there were shots."""
    try:
        ranks = stack(f"{split}/fewshot_rank")
    except KeyError:
        return []
    return _shares(resampler, ranks, split, {"fewshot_acc1": 1})


def _objects(stack: Callable, split: str, settings: Settings) -> list[_Metric]:
    resampler = Resampler(stack("objects/group")[0], settings=settings)
    draws = bias.representation_bias(resampler, stack("objects/prefers_man"))
    preferred = _Metric("representation_bias", split, "", draws)
    names = {"acc1": 1, "acc5": 5}
    shares = _shares(resampler, stack("objects/thing_rank"), split, names)
    alone = stack("objects/prompt_preference")
    by_prompt = _by_prompt("representation_bias_by_prompt", split, alone, stack, draws)
    return [preferred, *shares, *_probed(resampler, stack, split), *by_prompt]


def _scenes(stack: Callable, split: str, settings: Settings) -> list[_Metric]:
    resampler = Resampler(stack("scenes/group")[0], settings=settings)
    result = []
    for kind in ("image", "text"):
        names = {f"{kind}_retrieval_recall@{k}": k for k in (1, 5)}
        result += _shares(resampler, stack(f"scenes/{kind}_rank"), split, names)
    return result


_SPLITS = {
    "faces": _faces,
    "workers": _workers,
    "objects": _objects,
    "scenes": _scenes,
    "shift": _workers,
}
