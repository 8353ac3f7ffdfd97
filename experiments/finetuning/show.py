"""What the study shows: levels, differences from the model that was there, tests, figures."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.finetuning import figures
from experiments.finetuning.runs import BALANCED, CONTROL, ORACLE, ORIGINAL
from experiments.finetuning.settings import TuneConfig
from experiments.finetuning.table import NAMES, QUALITY, Study
from experiments.measure_annotation import fill
from m4jax import files
from m4jax.evaluation import paired
from m4jax.report import style
from m4jax.report.results import write_csv

BIAS = ("RB", "mean |AB|")
MARGINS = {**dict.fromkeys(QUALITY[:3], 0.02), **dict.fromkeys(QUALITY[3:], 0.015)}
CLOSE = {"|RB|": 0.05, "mean |AB|": 0.005}  # to the model trained on balanced data
MARKED = {
    name: (f"<!-- {name}: written by experiments/finetune.py -->", f"<!-- end of {name} -->")
    for name in ("levels", "differences", "tests", "margins")
}


def write(folder: Path, study: Study, tuning: TuneConfig) -> None:
    """Writes `effects.csv`, `tests.csv`, figures, and fills the README's tables."""
    rows = [*effects(study, tuning)]
    tested, kept = tests(study, tuning), margins(study, tuning)
    write_csv(folder / "effects.csv", rows)
    write_csv(folder / "tests.csv", tested)
    write_csv(folder / "margins.csv", kept)
    texts = {
        "levels": levels(study),
        "differences": differences(study),
        "tests": _tests_text(tested),
        "margins": _margins_text(kept),
    }
    page = folder / "README.md"
    if not page.exists():
        empty = [f"## {name.capitalize()}\n\n{a}\n{b}\n" for name, (a, b) in MARKED.items()]
        files.write_text(page, "\n".join(empty))
    for name, text in texts.items():
        fill(page, text, MARKED[name])
    figures.write(folder / "figures", study, tuning)


def title(condition: str) -> str:
    """Returns what a condition is called."""
    word, _, rest = condition.partition(" ")
    if condition == ORIGINAL:
        return "original, before"
    if condition == BALANCED:
        return "balanced from the start"
    if condition == ORACLE:
        return "oracle: a world at parity"
    if word == "frozen":
        tower, steps = rest.split()
        return f"fine-tuned, balanced, {tower} tower frozen, {steps} steps"
    if word == "alpha":
        return f"interpolated, α = {rest}"
    if word == "projected":
        return {"both": "projected, texts and pictures"}.get(rest, f"projected, {rest}")
    return f"fine-tuned, {'original data' if word == CONTROL else word}, {rest} steps"


def _lines(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"
             for row in [head, *rows]]  # fmt: skip
    return "\n".join([lines[0], "| --- " * len(head) + "|", *lines[1:]])


def levels(study: Study) -> str:
    """Returns the table of levels: mean over seeds, in parentheses their standard deviation."""
    rows = []
    for condition in study.conditions:
        cells = [title(condition)]
        for name in NAMES:
            mean, deviation = study.level(condition, name, study.seeds)
            written = style.signed(100 * mean) if name == "RB" else style.number(100 * mean, 1)
            cells.append(
                f"{written} ({style.number(100 * deviation, 1)})" if np.isfinite(mean) else "–"
            )
        rows.append(cells)
    return _lines(["", *NAMES], rows)


def differences(study: Study) -> str:
    """Returns the table of differences from the original, with intervals over both chances."""
    rows = []
    for condition in study.conditions:
        if condition != ORIGINAL:
            found = [study.effect(condition, ORIGINAL, name, study.seeds) for name in NAMES]
            rows.append([title(condition), *map(_written, found)])
    return _lines(["minus the original", *NAMES], rows)


def _written(effect: Mapping[str, float]) -> str:
    if not np.isfinite(effect["mean"]):
        return "–"
    mean, low, high = (style.signed(100 * effect[x]) for x in ("mean", "low", "high"))
    apart = [style.number(100 * effect[x], 1) for x in ("seeds", "pictures")]
    return f"{mean} [{low}, {high}] ±{apart[0]} / {apart[1]}"


def effects(study: Study, tuning: TuneConfig) -> Iterable[dict[str, Any]]:
    """Yields every difference from the original, from the control and from balanced data."""
    for condition in study.conditions:
        against = [ORIGINAL, BALANCED]
        against += [f"{CONTROL} {steps}" for steps in tuning.steps if f" {steps}" in condition]
        for minus in against:
            if minus != condition:
                for name in NAMES:
                    of = {"condition": condition, "minus": minus, "metric": name}
                    yield of | study.effect(condition, minus, name, study.seeds)


def tests(study: Study, tuning: TuneConfig) -> list[dict[str, Any]]:
    """Returns the tests that were written down before, with p corrected by Holm."""
    tuned = f"{BALANCED} {tuning.tested}"
    rows = [
        {"condition": tuned, "minus": minus, "metric": name}
        | study.effect(tuned, minus, name, study.seeds)
        for minus in (ORIGINAL, f"{CONTROL} {tuning.tested}", BALANCED)
        for name in BIAS
    ]
    for row, p in zip(rows, paired.holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = float(p)
        row["decided"] = bool(p < 0.05 and not row["low"] <= 0 <= row["high"])
    return rows


def margins(study: Study, tuning: TuneConfig) -> list[dict[str, Any]]:
    """Returns what is lost against the control, and how near it is to balanced from the start."""
    tuned, rows = f"{BALANCED} {tuning.tested}", []
    for name, margin in MARGINS.items():
        found = study.effect(tuned, f"{CONTROL} {tuning.tested}", name, study.seeds)
        said = "no loss beyond it" if found["low"] > -margin else "can't tell"
        said = "a loss beyond it" if found["high"] < -margin else said
        rows.append({"against": CONTROL, "metric": name, "margin": margin, **found, "says": said})
    for name, margin in CLOSE.items():
        found = study.effect(tuned, BALANCED, name, study.seeds)
        inside = -margin < found["low"] and found["high"] < margin
        outside = found["low"] > margin or found["high"] < -margin
        said = "within it" if inside else "outside" if outside else "can't tell"
        rows.append({"against": BALANCED, "metric": name, "margin": margin, **found, "says": said})
    return rows


def _tests_text(rows: list[dict[str, Any]]) -> str:
    return _lines(
        ["", "minus", "", "difference [95%]", "p", "p (Holm)", ""],
        [
            [title(row["condition"]), title(row["minus"]), row["metric"], _written(row),
             f"{row['p']:.3f}", f"{row['p_holm']:.3f}",
             "decided" if row["decided"] else "undecided"]
            for row in rows
        ],
    )  # fmt: skip


def _margins_text(rows: list[dict[str, Any]]) -> str:
    return _lines(
        ["against", "", "margin, points", "difference [95%]", ""],
        [
            [{CONTROL: "the control"}.get(row["against"], title(row["against"])), row["metric"],
             style.number(100 * row["margin"], 1), _written(row), row["says"]]
            for row in rows
        ],
    )  # fmt: skip
