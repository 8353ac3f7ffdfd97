"""The figure of the training data: the association of each label with the attribute."""

import numpy as np
from matplotlib.figure import Figure

from m4jax.report import panels, style
from m4jax.report.results import Results, Rows

BESIDE = 5  # versions, of which tables have room beside each other


def data_bias(results: Results, worlds: int = 1) -> tuple[Figure, Rows] | None:
    """Draws the association of each label with gender in the data, version by version.

    `worlds`: of how many draws of the data the numbers are means.
    """
    results = results.plain
    table = results.select(kind="data", metric="association_bias")
    versions = table.versions
    columns = [_with_prevalence(results, version) for version in versions]
    parts = {"Occupations": ("occupations",), "Things": ("any_thing", "things")}
    numbers = {title: _by_label(table, splits) for title, splits in parts.items()}
    numbers = {title: by_label for title, by_label in numbers.items() if by_label}
    if not numbers:
        return None
    rows = [len(by_label) for by_label in numbers.values()]
    across = len(numbers) if len(versions) <= BESIDE else 1
    high = max(rows) if across > 1 else sum(rows)
    size = style.WIDTH, 0.6 + 1.1 * len(rows) / across + 0.17 * high
    figure = Figure(figsize=size, layout="constrained")
    every = [value for by_label in numbers.values() for row in by_label.values() for value in row]
    limit, beyond = _color_limit(np.array(every).reshape(-1, len(versions)))
    ratios = None if across > 1 else rows
    axes = figure.subplots(len(rows) // across, across, squeeze=False, height_ratios=ratios)
    axes = axes.flatten().tolist()
    for ax, (title, by_label) in zip(axes, numbers.items(), strict=True):
        values = np.array(list(by_label.values())).reshape(-1, len(versions))
        image = panels.heat_map(ax, values, labels=list(by_label), columns=columns, limit=limit)
        ax.set_title(title)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=45, pad=0.02,
                          extend="both" if beyond else "neither")  # fmt: skip
    bar.set_label("P(label | man) − P(label | woman) in the data, percentage points")
    style.heading(figure, "Association bias of the training data")
    examples = results.select(kind="data", metric="examples")["n"]
    style.foot(
        figure,
        n=(f"{int(examples.max()):,} examples" if len(examples) else "all examples")
        + f" in each of {worlds} worlds, whose means are shown" * (worlds > 1),
        bars="none: the data are counted whole",
        more="Men: their share among persons − the share aimed at; colours end at the 95th "
        "percentile of the first version",
        wrong="captions name gender otherwise than pictures show it",
    )
    return figure, [
        {"version": version, "panel": title, "label": label, "association_bias": value}
        for title, by_label in numbers.items()
        for label, row in by_label.items()
        for version, value in zip(versions, row, strict=True)
    ]


def _by_label(table: Results, splits: tuple[str, ...]) -> dict[str, list[float]]:
    """Returns label -> value of each version; in each split by falling value in the first."""
    versions, rows = table.versions, {}
    for split in splits:
        part = table.select(split=split)
        by_label = {
            label: [part.one(label=label, version=version).value for version in versions]
            for label in dict.fromkeys(part["label"].tolist())
        }
        rows |= dict(sorted(by_label.items(), key=lambda item: -np.nan_to_num(item[1][0])))
    return rows


def _color_limit(table: np.ndarray) -> tuple[float, bool]:
    """Returns the percentage at which colours end, and whether numbers in the table exceed it.

    That is the 95th percentile of the first version, lest one label leave the others pale.
    """
    percent = 100 * np.abs(table)
    first = percent[:, 0][np.isfinite(percent[:, 0])]
    limit = float(max(np.quantile(first, 0.95) if first.size else 0.0, 0.1))
    return limit, bool(np.nanmax(percent, initial=0.0) > limit)


def _with_prevalence(results: Results, version: str) -> str:
    """Returns the name of a version, and by how much its share of men is beside the aim."""
    beside = results.one(kind="data", version=version, metric="representation_bias", label="man")
    name = style.display(version)
    return f"{name}\nmen {style.signed(100 * beside.value)}" if beside.measured else name
