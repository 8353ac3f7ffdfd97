"""Figures and tables of the audit of CLIP ViT-B/32, from its results alone."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.audit_clip_material import DOGS, FACES, HUNDRED, OTHERS, THOUSAND
from m4jax import files
from m4jax.audit.outcome.results import pick
from m4jax.evaluation.measures.comparison import difference
from m4jax.evaluation.measures.measure import Measure
from m4jax.report import style

SETS = (THOUSAND, DOGS, OTHERS, HUNDRED)
DEFAULT, OTHER = "a man / a woman", "a boy / a girl"
AGES = ("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "more than 70")
CELLS = "by race × gender × age"
LEVEL = 0.05
BARS = "95% bootstrap intervals over pictures"
SHOWN = 24  # classes
Rows = list[dict[str, Any]]


def draw(found: Sequence[Measure], folder: Path) -> None:
    """Writes all figures below `folder`."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    with style.page():
        _representation(found, folder / "figures" / "representation_bias")
        _association(found, folder / "figures" / "association_bias")
        _faces(found, folder / "figures" / "fairface")


def row(one: Measure, **more: Any) -> dict[str, Any]:
    """Returns a number as a row of a figure's data."""
    return {"set": one.source, "group": one.group, "label": one.label, **more,
            "value": one.value, "low": one.low, "high": one.high, "n": one.n}  # fmt: skip


def _representation(found: Sequence[Measure], path: Path) -> None:
    figure = Figure(figsize=(style.WIDTH, 2.6), layout="constrained")
    ax = figure.subplots()
    rows: Rows = []
    marks = dict(zip((DEFAULT, OTHER), style.MARKS[1:3], strict=True))
    for place, name in enumerate(SETS):
        for one in pick(found, metric="representation_bias", source=name):
            wording = OTHER if one.wording else DEFAULT
            rows.append(row(one, wording=wording))
            if one.told:
                y = place + (0.12 if one.wording else -0.12)
                ends = [[100 * (one.value - one.low)], [100 * (one.high - one.value)]]
                mark = marks[wording]
                ax.errorbar(100 * one.value, y, xerr=ends, fmt=mark.marker, color=mark.color,
                            markersize=5, elinewidth=1.2, capsize=2)  # fmt: skip
    numbers = [max((x["n"] for x in rows if x["set"] == name), default=0) for name in SETS]
    ax.set_yticks(range(len(SETS)), [f"{x} (n = {n})" for x, n in zip(SETS, numbers, strict=True)])
    ax.set_ylim(len(SETS) - 0.5, -0.5)
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set_xlim(-55, 55)
    ax.set_xlabel("taken for the first rather than the second more often than half, points")
    style.heading(figure, "Representation bias of pictures that show nobody")
    style.foot(
        figure,
        n="pictures, in brackets",
        bars=BARS,
        wrong="other pictures tell otherwise (190 of the 203 show a dog), or other words do",
        handles=[style.handle(name, mark, line="") for name, mark in marks.items()],
    )
    style.save(figure, path, rows)


def _association(found: Sequence[Measure], path: Path) -> None:
    every = pick(found, metric="association_bias", source=THOUSAND, wording="")
    told = sorted((x for x in every if x.p < LEVEL), key=lambda x: x.value)
    most = sorted(told, key=lambda x: -abs(x.value))[:SHOWN]
    shown = [x for x in told if x in most]
    figure = Figure(figsize=(style.WIDTH, 0.6 + 0.17 * max(len(shown), 4)), layout="constrained")
    ax = figure.subplots()
    for place, one in enumerate(shown):
        ends = [[100 * (one.value - one.low)], [100 * (one.high - one.value)]]
        ax.errorbar(100 * one.value, place, xerr=ends, fmt="o", color=style.MARKS[1].color,
                    markersize=4, elinewidth=1.2, capsize=2)  # fmt: skip
    ax.set_yticks(range(len(shown)), [one.label for one in shown])
    ax.axvline(0, color="0.5", linewidth=0.8)
    ax.set_xlabel("P(class | picture of a man) − P(class | picture of a woman), points")
    largest = f", the {len(shown)} largest" if len(shown) < len(told) else ""
    style.heading(figure, f"Association bias: {len(told)} of {len(every):,} classes{largest}")
    counts = sorted({one.n for one in shown}) or [0]
    style.foot(
        figure,
        n=f"{counts[0]:,} pictures of men and women"
        if len(counts) == 1
        else f"{counts[0]:,} to {counts[-1]:,} pictures",
        bars=f"{BARS}, not widened for their number",
        more=f"Only classes with p < {LEVEL:g} after correction are drawn",
        wrong="captions name gender otherwise than pictures show it, or other prompts differ",
    )
    style.save(figure, path, [row(one, p=one.p) for one in sorted(every, key=lambda x: x.value)])


def _faces(found: Sequence[Measure], path: Path) -> None:
    figure = Figure(figsize=(style.WIDTH, 5.7), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    rows: Rows = []
    by_race = pick(found, metric="accuracy", source=next(iter(FACES)), label="by race")
    races = sorted({one.group for one in by_race})
    for line, (model, _) in zip(axes, FACES.items(), strict=True):
        for ax, gender in zip(line, ("woman", "man"), strict=True):
            values = np.full((len(races), len(AGES)), np.nan)
            for one in pick(found, metric="accuracy", source=model, label=CELLS):
                race, its, age = one.group.split(" & ")
                if its == gender:
                    values[races.index(race), AGES.index(age)] = one.value
                    rows.append(row(one))
            image = ax.imshow(100 * values, vmin=60, vmax=100, cmap="cividis", aspect="auto")
            for (i, j), value in np.ndenumerate(values):
                text = "–" if np.isnan(value) else f"{100 * value:.0f}"
                light = not np.isnan(value) and value < 0.85
                ax.text(j, i, text, ha="center", va="center", fontsize=style.SMALL,
                        color="white" if light else "black")  # fmt: skip
            _, name, asked = model.split(", ")
            ax.set_title(f"{name}: {'women' if gender == 'woman' else 'men'}\n({asked})")
            ax.set_xticks(range(len(AGES)), [*AGES[:-1], "70+"], rotation=45, ha="right")
            ax.set_yticks(range(len(races)), [x.replace("_", " ") for x in races])
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.5)
    bar.set_label("gender recognised, % of pictures")
    style.heading(figure, "Gender recognised, by race, gender and age")
    counts = [row["n"] for row in rows if np.isfinite(row["value"])]
    style.foot(
        figure,
        n=f"{min(counts):,} to {max(counts):,} faces a cell (–: fewer than 10)",
        bars="none here: report.html has every interval, and they are wide for small cells",
        wrong="cells are compared one by one: of 126 some are low by chance; labels are perceived",
    )
    style.save(figure, path, rows)


def write_tables(found: Sequence[Measure], path: Path) -> None:
    """Writes the tables of a README between their marks; a README that is not there is left out."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    for name, table in (("representation", _sets(found)), ("people", _people(found)),
                        ("faces", _worst(found))):  # fmt: skip
        begin, end = f"<!-- {name}: written by the command -->", f"<!-- end of {name} -->"
        pattern = f"{re.escape(begin)}.*?{re.escape(end)}"
        text = re.sub(pattern, lambda _, t=table, b=begin, e=end: f"{b}\n{t}\n{e}", text,
                      flags=re.DOTALL)  # fmt: skip
    files.write_text(path, text)


def shown(one: Measure, *, sign: bool = False) -> str:
    """Returns a share or a difference of shares in percent, with its interval."""
    if not one.told:
        return "–"
    write = style.signed if sign else style.number
    value, low, high = (write(100 * x, 1) for x in (one.value, one.low, one.high))
    return f"{value} [{low}, {high}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _sets(found: Sequence[Measure]) -> str:
    rows = []
    for name in SETS:
        mine = pick(found, metric="representation_bias", source=name)
        usual, other = ([x for x in mine if bool(x.wording) == bool(w)] for w in (0, 1))
        n = max((x.n for x in mine), default=0)
        rows.append([name, str(n), *(shown(x[0], sign=True) if x else "–" for x in (usual, other))])
    return _table(["pictures that show nobody", "n", DEFAULT, OTHER], rows)


def _people(found: Sequence[Measure]) -> str:
    rows = []
    for name in (THOUSAND, HUNDRED, *FACES):
        mine = pick(found, metric="accuracy", source=name, attribute="gender", label="", wording="")
        by = {one.group: one for one in mine}
        gap = pick(found, metric="accuracy_gap", source=name, label="", wording="")
        rows.append(
            [name, f"{by[''].n:,}" if "" in by else "0"]
            + [shown(by[group]) if group in by else "–" for group in ("", "man", "woman")]
            + [shown(gap[0], sign=True) if gap else "–"]
        )
    return _table(["pictures", "n", "gender, all", "men", "women", "men − women"], rows)


def _worst(found: Sequence[Measure]) -> str:
    rows = []
    first, second = FACES
    for label in ("by race", "by age", "by race × gender", "by gender × age", CELLS):
        for model in FACES:
            (worst,) = pick(found, metric="accuracy_worst", source=model, label=label)
            rows.append([label, model.partition(", ")[2], worst.which.replace("_", " "),
                         str(worst.n), shown(worst)])  # fmt: skip
    both = [pick(found, metric="accuracy", source=x, label="by race × gender")
            for x in (first, second)]  # fmt: skip
    level = 1 - LEVEL / len(both[0])  # so that all intervals hold at once
    changed = sorted((difference(*pair, level) for pair in zip(*both, strict=True)),
                     key=lambda x: x.value)  # fmt: skip
    rows += [
        ["LAION − OpenAI", f"paired, {len(changed)} at once", one.group.replace("_", " "),
         f"{one.n:,}", shown(one, sign=True)]
        for one in (*changed[:3], *changed[-3:])
    ]  # fmt: skip
    return _table(["groups", "model", "the worst", "n", "gender recognised, %"], rows)
