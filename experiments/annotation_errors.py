r"""What errors of annotation do to balance, and what bounds for the true attribute mend.

    python -m experiments.annotation_errors --config=configs/annotation_errors.py \
        --workdir=results/annotation-errors

Some of the testbed's genders are flipped at random. Weights see the flipped ones; what they do is
measured by the true ones: the distance of the share of men within each occupation, and of their
association, from those of the oracle, the world at parity. Writes `draws.csv` (every draw),
`shares.csv` and `shares.png`, and prints the means.
"""

import dataclasses
import warnings
import zlib
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments import command
from m4jax import balance, progress
from m4jax.balance.feasibility import MARGIN
from m4jax.data.annotation import Annotation
from m4jax.data.testbed.world import World
from m4jax.report import style
from m4jax.report.results import Rows, write_csv

VERSIONS = {
    "original": "not balanced",
    "annotated": "balanced by annotation",
    "same size": "the same, kept as many as below",
    "true": "bounds for the true attribute",
    "no errors": "balanced by true genders",
}
# Streams of random numbers of their own: the testbed draws its scenes from [seed, 1].
FLIPPED, CHECKED = zlib.crc32(b"flipped"), zlib.crc32(b"checked")
NUMBERS = ("share", "association", "kept", "effective")


def main(console: Console) -> int:
    """Measures, draws, and prints the means."""
    config, folder = command.config(), command.workdir()
    world = World(**config["world"])
    parity = dataclasses.replace(world, men=0.5, association=0.0, company=0.0)
    notes: list[Annotation] = []
    rows: Rows = []

    def prepare(tell: progress.Progress) -> None:
        for one in (world, parity):
            one.prepare(folder / "data", tell)
            notes.append(one.train(folder / "data").annotate(tuple(config["labels"])))

    def measure(tell: progress.Progress) -> None:
        jobs = [(share, seed) for share in config["flipped"] for seed in range(config["seeds"])]
        for done, (share, seed) in enumerate(jobs):
            tell("draws", done, len(jobs))
            rows.extend(draw(*notes, share, seed, config))

    progress.run_stages(console, {"worlds": prepare, "measure": measure})
    write_csv(folder / "draws.csv", rows)
    with style.page():
        style.save(picture(rows), folder / "shares", summary(rows))
    show(console, rows)
    return 0


def draw(
    notes: Annotation, oracle: Annotation, flipped: float, seed: int, config: dict[str, Any]
) -> Rows:
    """Returns one row for each data version of one draw of the errors."""
    truth = notes.attributes[:, 0]
    seen = flip(truth, flipped, seed)
    table = confusion(truth, seen, config["checked"], seed)
    found = balance.posterior(seen, notes.labels, table)
    word = balance.true_band("man", config["points"])
    plain = balance.band(config["points"])
    corrected, rate = weights(seen, notes.labels, [word], columns=found.columns("man"))
    made = {
        "original": np.ones(len(truth)),
        "annotated": weights(seen, notes.labels, [plain])[0],
        "same size": weights(seen, notes.labels, [plain], rate=rate)[0],
        "true": corrected,
        "no errors": weights(truth, notes.labels, [plain])[0],
    }
    aim = shares(oracle, np.ones(len(oracle.labels)))
    return [
        {"flipped": flipped, "seed": seed, "version": name} | measures(notes, q, aim)
        for name, q in made.items()
    ]


def flip(truth: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Returns the attribute with a share of its known values flipped at random."""
    wrong = np.random.default_rng([seed, FLIPPED]).random(len(truth)) < share
    return np.where(wrong, 1 - truth, truth)


def confusion(truth: np.ndarray, seen: np.ndarray, checked: int, seed: int) -> np.ndarray:
    """Returns the confusion matrix `[2, 2]` of a random sample of those with a gender."""
    known, rng = np.flatnonzero(~np.isnan(truth)), np.random.default_rng([seed, CHECKED])
    sample = rng.choice(known, min(checked, len(known)), replace=False)
    place = 2 * (1 - truth[sample]) + (1 - seen[sample])
    return np.bincount(place.astype(int), minlength=4).reshape(2, 2)


def weights(
    man: np.ndarray, labels: np.ndarray, constraints: list[Any], rate: float = 1.0, **data: Any
) -> tuple[np.ndarray, float]:
    """Returns weights at the largest keep rate, or at `rate` if that is less, and the keep rate."""
    names = {"attribute_names": ("man",)}
    problem = balance.Problem(man[:, None], labels, constraints=constraints, **names, **data)
    rate = min(rate, balance.max_keep_rate(problem).keep_rate * (1 - MARGIN))
    with warnings.catch_warnings():  # what the bounds can't reach is measured here
        warnings.simplefilter("ignore", balance.BalanceWarning)
        return balance.solve(dataclasses.replace(problem, keep_rate=rate)).weights, rate


def shares(notes: Annotation, q: np.ndarray) -> np.ndarray:
    """Returns the true share of men within each label, and P(label | man) − P(label | woman)."""
    truth, labels = notes.attributes, notes.labels
    man = np.nan_to_num(truth[:, 0])
    known = ~np.isnan(truth[:, 0])
    mass = (q * known) @ labels
    share = np.divide((q * man) @ labels, mass, out=np.full(len(mass), np.nan), where=mass > 0)
    return np.stack([share, balance.bias(truth, labels, q).association[0]])


def measures(notes: Annotation, q: np.ndarray, aim: np.ndarray) -> dict[str, float]:
    """Returns the mean distances from the oracle in points, the share that is kept, Kish's n."""
    distance = 100 * np.nanmean(np.abs(shares(notes, q) - aim), axis=1)
    size = balance.effective_sample_size(q)
    return dict(zip(NUMBERS, (*map(float, distance), float(q.mean()), size), strict=True))


def summary(rows: Rows) -> Rows:
    """Returns mean, least and largest value of each number by share of errors and version."""
    found = []
    for flipped in sorted({row["flipped"] for row in rows}):
        for version in VERSIONS:
            chosen = [x for x in rows if (x["flipped"], x["version"]) == (flipped, version)]
            one = {"flipped": flipped, "version": version, "draws": len(chosen)}
            for name in NUMBERS:
                values = [x[name] for x in chosen]
                ends = {f"{name}_min": min(values), f"{name}_max": max(values)}
                one |= {name: float(np.mean(values))} | ends
            found.append(one)
    return found


def picture(rows: Rows) -> Figure:
    """Draws the distances from the oracle, each draw a point."""
    levels = sorted({row["flipped"] for row in rows})
    figure = Figure(figsize=(style.WIDTH, 1.2 + 0.95 * len(levels)), layout="constrained")
    axes = figure.subplots(len(levels), 1, sharex=True, squeeze=False)[:, 0]
    for ax, level in zip(axes, levels, strict=True):
        for place, (version, mark) in enumerate(zip(VERSIONS, style.MARKS, strict=False)):
            values = [x["share"] for x in rows if (x["flipped"], x["version"]) == (level, version)]
            ax.plot(values, [place] * len(values), linestyle="", marker=mark.marker,
                    color=mark.color, markerfacecolor=mark.face, markersize=5)  # fmt: skip
        ax.set_yticks(range(len(VERSIONS)), list(VERSIONS.values()))
        ax.set_ylim(len(VERSIONS) - 0.5, -0.5)
        ax.set_title(f"{100 * level:g}% of the genders flipped")
        ax.grid(axis="x")
    axes[-1].set_xlim(left=0)
    axes[-1].set_xlabel("true share of men within labels: mean distance from the oracle, points")
    style.heading(figure, "Balancing where annotation errs")
    draws = max(row["draws"] for row in summary(rows))
    style.foot(
        figure,
        n=f"{draws} draws of the errors",
        bars="none: each symbol is a draw, filled or open alike",
        wrong="annotators err more on some labels than on others: errors here are the same in all",
    )
    return figure


def show(console: Console, rows: Rows) -> None:
    """Prints the means."""
    table = Table("flipped", "data", "share, points", "association, points", "kept", "effective n")
    for x in summary(rows):
        share = f"{x['share']:.1f} [{x['share_min']:.1f}, {x['share_max']:.1f}]"
        numbers = share, f"{x['association']:.2f}", f"{x['kept']:.3f}", f"{x['effective']:,.0f}"
        table.add_row(f"{x['flipped']:g}", VERSIONS[x["version"]], *numbers)
    console.print(table)


if __name__ == "__main__":
    command.run(main)
