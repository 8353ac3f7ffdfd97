"""Numbers of the pages stand together in the results that their paragraphs name.

README and rooms: the numbers of a sentence stand in one paragraph or table of a text below one of
the folders of `results/` that its paragraph names, an estimate with its interval as a whole. The
texts of the first two studies, from which the README takes theirs: their estimates stand in what
the studies' commands wrote.
"""

import csv
import functools
import json
import re

import pytest
from helpers import markdown
from helpers.markdown import README, ROOT
from scipy import stats

from configs import ablation, benchmark_beam, benchmark_train
from m4jax import models
from m4jax.balance.host import wide
from m4jax.balance.judging import judgement
from m4jax.data.annotation import tables
from m4jax.grid import cells as cells_of
from m4jax.grid import cost

# Of a study under way only these are read, never what its seeds say.
UNDER_WAY = {"results/confirmation": ("README.md", "REGISTRATION.md")}
DECIMAL = r"\d{1,3}(?:,\d{3})+|\d+\.\d+"
SIGNED = r"[+−-]?\d+(?:,\d{3})*(?:\.\d+)?"
ESTIMATE = re.compile(rf"({SIGNED})%?(?: points)? \[({SIGNED}), ({SIGNED})\]")
SOURCE = re.compile(r"results/[\w-]+")
NO_NUMBER = re.compile(r"Python 3\.\d+|CC BY \d\.\d|\b(?:19|20)\d\d\b|\(\d\)")  # versions, years
ROOMS = [page for page in markdown.pages() if markdown.name(page).startswith("m4jax/")]
PAGES = [README, ROOT / "CONTRIBUTING.md", *ROOMS]


@functools.cache
def texts(folder):
    """Returns the paragraphs and tables of the texts below a folder of results."""
    paths = sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in (".md", ".txt"))
    if folder in UNDER_WAY:
        paths = [ROOT / folder / name for name in UNDER_WAY[folder]]
    return [part for path in paths for part in re.split(r"\n\s*\n", markdown.read(path))]


def plain(number):
    """Returns a number as Python writes it: +1,234 is 1234, −0.5 is -0.5."""
    return re.sub(r"^\+", "", number.replace("−", "-").replace(",", ""))


def estimates(text):
    """Returns the estimates with intervals of a text."""
    return [tuple(plain(x) for x in found) for found in ESTIMATE.findall(text)]


def numbers(text, whole=False):
    """Returns the numbers of a text that are none of an interval's, without their signs."""
    kind = f"{DECIMAL}|[1-9]\\d+" if whole else DECIMAL
    text = NO_NUMBER.sub(" ", ESTIMATE.sub(" ", text))
    return re.findall(rf"(?<![\w.,/-])({kind})(?!\w|[.,]\d)", text)


def told(page):
    """Yields (sentence, sources) of a page; a row of a table is one sentence."""
    for piece in markdown.paragraphs(markdown.read(page)):
        sources = [one for one in dict.fromkeys(SOURCE.findall(piece)) if (ROOT / one).is_dir()]
        piece = re.sub(r"`[^`]*`|!?\[[^\]]*\]\([^)]*\.png\)|\]\([^)]*\)", "", piece)
        parts = [piece] if piece.startswith("|") else re.split(r"(?<=[.!?])[)”\"]?\s+", piece)
        yield from ((part, sources) for part in parts)


def stand(sentence, sources, whole=False):
    """Tells whether the numbers of a sentence stand together in a text of its sources."""
    singles, intervals = numbers(sentence, whole), set(estimates(sentence))
    if not singles and not intervals:
        return True
    written = [re.compile(rf"(?<![\d.,]){re.escape(one)}(?!\d|[.,]\d)") for one in singles]
    return any(
        all(one.search(text) for one in written) and intervals <= set(estimates(text))
        for folder in sources
        for text in texts(folder)
    )


BEAM = {  # rows a second and core, hours, dollars: of the command above the table
    "annotate": ("34,000", 83, "5.8"),
    "fold": ("2,000,000", 1.4, "0.1"),
    "assign": ("570,000", 4.8, "0.3"),
}
PRICED = benchmark_beam.get_config()


def priced():
    """Hours follow from the rates, dollars from the hours and the prices of the configuration."""
    for rate, hours, dollars in BEAM.values():
        assert PRICED.pairs / int(plain(rate)) / 3600 == pytest.approx(hours, rel=0.03)
        assert hours * PRICED.price == pytest.approx(float(dollars), abs=0.05)
    assert 230 * PRICED.shuffle == pytest.approx(2.5, abs=0.05)
    return [x for rate, hours, dollars in BEAM.values() for x in (rate, str(hours), dollars)]


def paper_hours():
    """Returns the hours of the paper's study on a device of 2e14 operations a second."""
    cells = cells_of.expand(ablation.get_config("paper").to_dict())
    return cost.total([cell.config for cell in cells], {}, 2e14).seconds / 3600


# Numbers that are no results: page, number, and what says that it is right. Those of the table of
# Beam are measured by the command beside it and not kept; they agree with each other.
BY_HAND = {
    ("CONTRIBUTING.md", "2,000"): lambda: "M4JAX_FUZZ=2000" in markdown.read(PAGES[1]),
    ("m4jax/audit/README.md", "25,014"): lambda: stand(
        "25,014 captions", ["results/real-captions"]
    ),
    ("m4jax/balance/METHOD.md", "2,000"): lambda: wide.MOST_ROWS == 2_000,
    ("m4jax/balance/METHOD.md", "0.1"): lambda: judgement.SLACK == 0.1 / 100,
    ("m4jax/data/annotation/README.md", "16,384"): lambda: tables.ROWS == 16_384,
    ("m4jax/evaluation/README.md", "1.96"): lambda: round(stats.norm.ppf(0.975), 2) == 1.96,
    ("m4jax/grid/README.md", "28,167"): lambda: f"{paper_hours():,.0f}" == "28,167",
    ("m4jax/tables/beam/README.md", "0.07"): lambda: PRICED.price == 0.07,
    ("m4jax/tables/beam/README.md", "0.011"): lambda: PRICED.shuffle == 0.011,
    ("m4jax/tables/beam/README.md", "2.5"): priced,
    **{("m4jax/tables/beam/README.md", one): priced for one in priced() if not one.isdigit()},
}


@pytest.mark.parametrize("page", PAGES, ids=markdown.name)
def test_numbers_stand_in_the_results_that_are_named(page):
    missing = []
    for sentence, sources in told(page):
        by_hand = [x for x in numbers(sentence) if (markdown.name(page), x) in BY_HAND]
        for number in by_hand:
            assert BY_HAND[markdown.name(page), number](), number
            sentence = sentence.replace(number, "")
        if not stand(sentence, sources, whole=page == README and bool(sources)):
            missing.append((sentence, sources))
    assert missing == []


def changed(sentence, match):
    """Returns the sentence with the last digit of a number raised by one."""
    end = match.end() - 1
    return sentence[:end] + str((int(sentence[end]) + 1) % 10) + sentence[end + 1 :]


def test_wrong_numbers_are_seen():
    """Of the README's decimals, each made wrong, few are found; without a source none is."""
    seen = total = 0
    for sentence, sources in told(README):
        for match in re.finditer(DECIMAL, NO_NUMBER.sub(lambda m: " " * len(m[0]), sentence)):
            if sources:
                total += 1
                seen += not stand(changed(sentence, match), sources, whole=True)
                assert not stand(sentence, [])
    assert total >= 20 and seen >= 0.9 * total


def test_the_steps_of_the_benchmark_of_training_follow_from_its_rates():
    folder, c = ROOT / "results" / "benchmark-train", benchmark_train.get_config().testbed
    measured = json.loads((folder / "testbed.json").read_text(encoding="utf-8"))
    two = {row["side"]: row["pairs_per_second"] for row in measured if row.get("workers") == 2}
    ours, theirs = (2 * c.batch_size / two[side] for side in ("m4jax", "open_clip"))
    net = models.create("emoji-S/8", context=c.context, vocab_size=80)
    work = 3 * c.batch_size * models.forward_flops(net.variant)
    (device,) = json.loads((folder / "utilisation.json").read_text(encoding="utf-8"))
    core = 1e12 * device["matrix_teraflops"] / 2
    told = [f"{1e3 * ours:.1f} ms", f"{1e3 * theirs:.1f} ms", f"{1e3 * theirs / 2:.1f} ms"]
    told += [f"{work / 1e9:.2f} billion", f"{work / ours / core:.0%}"]
    told += [f"{work / (theirs / 2) / core:.0%}"]
    text = markdown.read(folder / "README.md")
    assert [one for one in told if one not in text] == []


def rows(folder):
    """Returns the rows of the tables below a folder: their numbers, as floats."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            found += [[float(x) for x in row if _is_number(x)] for row in csv.reader(file)]
    return found


def _is_number(text):
    return re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", text) is not None


def in_a_row(estimate, data):
    """Tells whether an estimate and its interval are, rounded, in one row, or in percent."""
    for row in data:
        for scale in (1, 100):
            shown = {f"{x * scale:.{len(n.partition('.')[2])}f}" for x in row for n in estimate}
            if {n.replace("-0.0", "0.0") for n in estimate} <= shown:
                return True
    return False


# What the study's text says of runs that were made afterwards and not kept, and a difference of two
# rows of figures/paper_4.csv.
AFTERWARDS = {("-14", "-26", "-2"), ("-1.7", "-4.8", "1.5")}


@pytest.mark.parametrize(
    ("folder", "made", "tables", "besides"),
    [
        (
            "results/quickstart",
            ("findings.txt",),
            True,
            {("21.6", "17.5", "25.6")},
        ),  # another study
        ("results/ablation-laptop", ("claims.md", "findings.txt"), False, AFTERWARDS),
    ],
)
def test_estimates_of_a_study_are_those_that_its_command_wrote(folder, made, tables, besides):
    """The README of a study has no estimate that is not in its claims, findings or tables."""
    written = {one for name in made for one in estimates(markdown.read(ROOT / folder / name))}
    shown = set(estimates(markdown.read(ROOT / folder / "README.md")))
    assert len(shown) > 10 and besides <= shown
    data = rows(folder) if tables else []
    assert {one for one in shown - written - besides if not in_a_row(one, data)} == set()
    wrong = {(one[0], one[1], one[2][:-1] + str((int(one[2][-1]) + 1) % 10)) for one in shown}
    seen = [one for one in wrong if one not in written and not in_a_row(one, data)]
    assert len(seen) >= 0.9 * len(wrong)
