"""A plausible table of results, without any run."""

import math

import numpy as np

from m4jax.report import results

VERSIONS = ("original", "balanced", "balanced_proxies", "oracle")
OCCUPATIONS = (
    "firefighter", "health worker", "astronaut", "factory worker", "scientist", "office worker",
    "student", "teacher", "judge", "singer", "police officer", "artist", "guard", "mechanic",
    "farmer", "construction worker", "detective", "technologist", "cook", "pilot", "dancer",
    "childminder",
)  # fmt: skip
THINGS = (
    "heart", "book", "clock", "moon", "cat", "flower", "tree", "car", "truck", "cruiser", "plane",
    "building", "star", "ball", "shoe", "hat", "microphone", "computer", "pen", "lock", "hammer",
    "tractor", "globe", "umbrella", "rocket", "remedy", "bottle", "painting", "scale", "lens",
    "pan", "gear",
)  # fmt: skip
WOMEN = (5, 91, 12, 28, 41, 83, 50, 76, 36, 34, 18, 42, 21, 2, 14, 3, 18, 21, 41, 7, 80, 92)
WOMEN = np.array(WOMEN) / 100
# How much of the original's association and representation bias each version keeps.
KEPT = {"original": (1.0, 1.0), "balanced": (0.2, 0.5), "balanced_proxies": (0.25, 0.3),
        "oracle": (0.15, 0.25)}  # fmt: skip
QUALITY = {
    ("gender_acc1", "faces"): 0.91, ("acc1", "workers"): 0.85, ("acc1", "objects"): 0.7,
    ("text_retrieval_recall@5", "scenes"): 0.62, ("image_retrieval_recall@5", "scenes"): 0.6,
    ("gender_acc1", "shift"): 0.7, ("acc1", "shift"): 0.55,
}  # fmt: skip


def row(kind, version, metric, value, *, half=math.nan, **more):
    empty = {"run_id": "", "seed": -1, "step": -1, "split": "", "label": "", "n": 500,
             "metric_version": "1", "draws": ()}  # fmt: skip
    ends = {"ci_low": value - half, "ci_high": value + half}
    return {
        **empty,
        "kind": kind,
        "version": version,
        "metric": metric,
        "value": value,
        **ends,
    } | more


def model_rows(kind, version, rng, **more):
    """The model metrics of a run, or of a version."""
    association, representation = KEPT[version]
    gaps = 0.25 * association * (0.5 - WOMEN) + rng.normal(0, 0.005, len(WOMEN))
    rows = [
        row(kind, version, "association_bias", gap, half=0.012, split="faces", label=name, **more)
        for name, gap in zip(OCCUPATIONS, gaps, strict=True)
    ]
    summary = {
        ("association_bias_mean", "faces"): (np.abs(gaps).mean(), 0.006),
        ("association_bias_max", "faces"): (np.abs(gaps).max(), 0.02),
        ("association_correlation", "faces"): (np.corrcoef(gaps, 0.5 - WOMEN)[0, 1], 0.02),
        ("representation_bias", "objects"): (0.3 * representation + rng.normal(0, 0.02), 0.04),
    }
    for key, value in QUALITY.items():
        summary[key] = (value - 0.02 * (version != "original") + rng.normal(0, 0.01), 0.02)
    for (metric, split), (value, half) in summary.items():
        rows.append(row(kind, version, metric, float(value), half=half, split=split, **more))
    return rows


def difference_rows(pooled, first):
    """Every metric of the version minus that of the first, with an interval."""
    return [
        {**one, "kind": "difference", "value": one["value"] - other["value"],
         "ci_low": one["value"] - other["value"] - 0.015,
         "ci_high": one["value"] - other["value"] + 0.015}
        for one, other in zip(pooled, first, strict=True)
    ]  # fmt: skip


def data_rows(version, rng):
    constrained = {"original": 1.0, "balanced": 0.02, "balanced_proxies": 0.01, "oracle": 0.1}
    factor = constrained[version]
    gaps = 0.15 * factor * (0.5 - WOMEN)
    things = 0.02 * np.linspace(-1, 1, 32) * (factor if "proxies" in version else 1)
    found = [
        row("data", version, "association_bias", gap, split=split, label=label)
        for split, names, values in (
            ("occupations", OCCUPATIONS, gaps),
            ("any_thing", ("any thing",), [0.1 * factor]),
            ("things", THINGS, rng.permutation(things)),
        )
        for label, gap in zip(names, values, strict=True)
    ]
    balanced = version.startswith("balanced")
    more = {
        "keep_rate": 0.5 if balanced else 1.0,
        "effective_sample_size": 18_000.0 if balanced else 40_000.0,
        "examples": 40_000.0,
    }
    spread = {"association_bias_mean": np.abs(gaps).mean(), "association_bias_max": gaps.max()}
    found.append(row("data", version, "representation_bias", 0.15 * factor, label="man"))
    found += [row("data", version, name, value) for name, value in more.items()]
    return found + [
        row("data", version, name, float(value), split="occupations")
        for name, value in spread.items()
    ]


def plausible_rows(versions=VERSIONS, seeds=(0, 1)):
    """Rows of every kind, in the order in which a study collects them."""
    runs, pooled, differences, data = [], [], [], []
    rng = np.random.default_rng(7)
    for seed in seeds:
        for version in versions:
            runs += model_rows("run", version, rng, seed=seed, run_id=f"{version}-{seed}")
    first = None
    for version in versions:
        rows = model_rows("version", version, rng)
        pooled += rows
        differences += difference_rows(rows, first) if first else []
        first = first or rows
        data += data_rows(version, np.random.default_rng(3))
    world = [
        row("world", "census", "women_share", share, label=name)
        for name, share in zip(OCCUPATIONS, WOMEN.tolist(), strict=True)
    ]
    return [*runs, *pooled, *differences, *data, *world]


def table(rows):
    """The rows as `results.read` would return them."""
    columns = {name: np.array([r[name] for r in rows], object) for name in results.SCHEMA.names}
    kinds = {"seed": int, "step": int, "n": int, "value": float, "ci_low": float, "ci_high": float}
    return results.Results(
        {
            name: column if name == "draws" else column.astype(kinds.get(name, str))
            for name, column in columns.items()
        }
    )


def changed(rows, where, **values):
    """The rows with values replaced where all the fields in `where` agree."""
    return [r | values if all(r[k] == v for k, v in where.items()) else r for r in rows]
