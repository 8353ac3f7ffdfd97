"""What all figures share: sizes, colours, markers, names, and how they are saved."""

import contextlib
import dataclasses
import itertools
import math
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from m4jax import files
from m4jax.evaluation.metrics import Metric
from m4jax.report import results
from m4jax.report.results import Estimate

WARNING = "#D55E00"
KINDS = ("png", "svg", "csv")  # the files of a figure
WIDTH = 7.0  # inches: the text width of a page
FOOT = "foot"  # the id of what `foot` writes
DIVERGING = "PuOr_r"  # safe for the colour-blind; both ends are dark, so signs are written out
SMALL = 9  # points, at `WIDTH`: the least of all text, which half of that width leaves readable
INTERVALS = "95% bootstrap intervals over pictures, not over seeds"
LINE, KEY = 0.165, 0.2  # inches that a line of `foot` takes, and a row of its key
LETTERS = 13.9  # of SMALL, an inch
SETTINGS = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "text.parse_math": False,  # names are text: a "$" stays what it is
    "svg.hashsalt": "m4jax",  # else the ids in an svg are random
}


@dataclasses.dataclass(frozen=True)
class Mark:
    """How a data version is drawn: told apart by its shape and filling as well as its colour."""

    color: str
    marker: str
    filled: bool

    @property
    def face(self) -> str:
        """The colour inside."""
        return self.color if self.filled else "white"


# The colours are those of Okabe and Ito (2008), which the colour-blind can tell apart.
MARKS = (
    Mark("#000000", "o", filled=True),
    Mark("#0072B2", "s", filled=True),
    Mark("#E69F00", "^", filled=True),
    Mark("#009E73", "D", filled=False),
    Mark("#D55E00", "v", filled=True),
    Mark("#56B4E9", "P", filled=False),
    Mark("#CC79A7", "X", filled=False),
)


# A version looks the same in every figure, whatever others are there.
VERSIONS = ("original", "balanced", "balanced_proxies", results.ORACLE, "subsample", "shuffled",
            "census")  # fmt: skip
OTHER = Mark("#555555", "o", filled=False)


def marks(versions: Sequence[str]) -> dict[str, Mark]:
    """Returns how each version is drawn: `VERSIONS` always alike, others as is left over.

    With more versions than marks, marks come again.
    """
    taken = [VERSIONS.index(version) for version in versions if version in VERSIONS]
    left = itertools.cycle([i for i in range(len(MARKS)) if i not in taken] or range(len(MARKS)))
    return {
        version: MARKS[VERSIONS.index(version) if version in VERSIONS else next(left)]
        for version in versions
    }


def mark(version: str) -> Mark:
    """Returns how one of `VERSIONS` is drawn; others are open circles."""
    return marks((version,))[version] if version in VERSIONS else OTHER


def heading(figure: Figure, text: str) -> None:
    """Writes the heading of a figure."""
    figure.suptitle(text, fontsize=11, fontweight="bold", x=0.01, ha="left")


def foot(
    figure: Figure,
    *,
    n: str,
    bars: str,
    wrong: str,
    more: str = "",
    handles: Sequence[Artist] = (),
    ncols: int = 4,
) -> None:
    """Writes below a figure its key, and what each has to say; to be called last.

    The figure grows by what that takes, so that its panels keep their size.

    Args:
        figure: with constrained layout.
        n: of how many seeds, models or pictures it is.
        bars: what its bars or bands are, or why it has none.
        wrong: what would make it wrong, after "Wrong if".
        more: what else is drawn.
        handles: of the key, if it has one.
        ncols: columns of the key.

    Raises:
        ValueError: if one of the three is missing.
    """
    said = {"n": n, "bars": bars, "wrong": wrong}
    if missing := [name for name, text in said.items() if not text.strip(" .")]:
        raise ValueError(f"a figure says its n, its bars and what would make it wrong: {missing}")
    width, height = figure.get_size_inches()
    letters = int(LETTERS * width)
    first = wrapped(f"n: {n}. Bars: {bars}.{f' {more}.' * bool(more)}", letters)
    last = wrapped(f"Wrong if {wrong}.", letters)
    below = LINE * (first.count("\n") + last.count("\n") + 2) + 0.1
    key = KEY * -(-len(handles) // ncols)
    whole = height + below + key
    figure.set_size_inches(width, whole)
    figure.get_layout_engine().set(rect=(0, (below + key) / whole, 1, height / whole))
    if handles:
        figure.legend(handles=list(handles), loc="lower center", ncols=ncols, borderpad=0.1,
                      bbox_to_anchor=(0, below / whole, 1, 1))  # fmt: skip
    where = {"x": 0.09 / width, "fontsize": SMALL, "gid": FOOT}
    figure.text(y=(below - 0.03) / whole, s=first, va="top", **where)
    figure.text(y=0.05 / whole, s=last, va="bottom", style="italic", **where)


def wrapped(text: str, width: int = int(LETTERS * WIDTH)) -> str:
    """Returns a text in lines of at most `width` letters, by default those of a page."""
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def display(version: str) -> str:
    """Returns the name of a data version as people read it."""
    return version.replace("_proxies", " + proxies").replace("_", " ")


def number(value: float, digits: int) -> str:
    """Returns a number for people: with a true minus sign; "–" for what can't be estimated."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def signed(value: float, digits: int = 1) -> str:
    """Returns a number as `number` does, with its sign even if positive, unless it is zero."""
    text = number(value, digits)
    if not math.isfinite(value):
        return text
    return f"+{text}" if value > 0 and float(text) > 0 else text


def shown(metric: Metric, value: float, *, sign: bool = False) -> str:
    """Returns a value of a metric in its unit, with its sign if `sign`."""
    write = signed if sign else number
    return write(metric.unit.scale * value, metric.unit.digits)


def interval(metric: Metric, estimate: Estimate, *, sign: bool = False) -> str:
    """Returns "value [low, high]" of a metric in its unit; the value alone without an interval."""
    value, low, high = (shown(metric, x, sign=sign) for x in dataclasses.astuple(estimate))
    return f"{value} [{low}, {high}]" if estimate.bounded else value


@contextlib.contextmanager
def page(*more: Mapping[str, Any]) -> Iterator[None]:
    """Sets what matplotlib draws with, for the block only, whatever the user's own settings.

    `more`: settings beside `SETTINGS`.
    """
    with matplotlib.style.context(["default", SETTINGS, *more]):
        yield


def errorbar(ax: Axes, x: Estimate | float, y: Estimate | float, mark: Mark, **more: Any) -> None:
    """Draws a number with its interval, in percent; x or y is the `Estimate`, the other a place."""
    estimate = x if isinstance(x, Estimate) else y
    if not estimate.measured:
        return
    value = 100 * estimate.value
    ends = None
    if estimate.bounded:
        # An interval need not contain its value: an end beyond it is drawn as no bar on that side.
        low, high = value - 100 * estimate.low, 100 * estimate.high - value
        ends = [[max(low, 0)], [max(high, 0)]]
    where = (
        {"x": value, "y": y, "xerr": ends} if estimate is x else {"x": x, "y": value, "yerr": ends}
    )
    ax.errorbar(
        **where, fmt=mark.marker, color=mark.color, markerfacecolor=mark.face,
        **{"markersize": 5, "elinewidth": 1.2, "capsize": 2} | more,
    )  # fmt: skip


def handle(label: str, mark: Mark, *, line: str = "-") -> Line2D:
    """Returns what stands for a version in a legend: its mark on a line of a style, "": none."""
    return Line2D([], [], color=mark.color, marker=mark.marker, markerfacecolor=mark.face,
                  linewidth=1.2, linestyle=line, label=label)  # fmt: skip


def draw(figure: Figure, path: str | os.PathLike) -> None:
    """Writes `path`.png and .svg; the same figure gives the same bytes.

    Raises:
        ValueError: if the figure does not say what `foot` writes.
    """
    if not any(text.get_gid() == FOOT for text in figure.texts):
        raise ValueError(f"{path}: a figure needs style.foot before it is written")
    # Neither the day nor the version of the program: they would change the bytes.
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
        with files.atomic(Path(f"{path}.{kind}")) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)


def save(figure: Figure, path: str | os.PathLike, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a figure as `draw` does, and `path`.csv (the plotted data)."""
    draw(figure, path)
    results.write_csv(f"{path}.csv", rows)
