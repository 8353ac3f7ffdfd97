"""Text from outside is printed as text."""

import io
import sys

import pytest
from helpers import small_grid
from helpers.commands import ROOT
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from m4jax import progress, terminal
from m4jax.grid import study
from m4jax.report import style

HOSTILE = "[/x] [bold]a[/] \x1b[31mred\x1b]0;title\x07 \u202eold \ud800 :smile: $x$ [n, m]"
SHOWN = r"[/x] [bold]a[/] \x1b[31mred\x1b]0;title\x07 \u202eold \ud800 :smile: $x$ [n, m]"


def printed(*things):
    file = io.StringIO()
    terminal.console(file, width=200).print(*things)
    return file.getvalue()


def test_markup_and_escape_sequences_are_written_out():
    assert terminal.plain(HOSTILE) == SHOWN
    assert printed(HOSTILE).strip() == SHOWN
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    assert printed(table).count("[/x] [bold]a[/]") == 3 and "\x1b" not in printed(table)


@given(st.text())
def test_nothing_that_is_printed_moves_the_cursor(text):
    shown = terminal.plain(text)
    assert not any(ord(x) < 32 or 127 <= ord(x) < 160 for x in shown)
    shown.encode("utf-8")
    if text.isalnum() and text.isascii():
        assert shown == text


def test_lines_stay_where_they_are_asked_for():
    assert terminal.plain("a\nb\r") == "a\\nb\\r"
    assert terminal.plain("a\nb", lines=True) == "a\nb"


@pytest.mark.parametrize("make", [terminal.console, Console])
def test_titles_and_messages_of_tasks_are_text_on_any_console(make):
    file = io.StringIO()
    display = progress.Display(make(file=file, width=300), {"a": 1.0}, {"a": f"run {HOSTILE}"})
    with display.live():
        for event in (
            {"event": "progress", "what": HOSTILE, "done": 1, "total": 2},
            {"event": "warning", "message": HOSTILE},
            {"event": "failed", "message": "expected shape [n, m]"},
        ):
            display.show("a", event)
    assert f"failed run {SHOWN}: expected shape [n, m]" in file.getvalue()
    assert f"warning run {SHOWN}: {SHOWN}" in file.getvalue()


def test_bars_show_text(monkeypatch):
    file = io.StringIO()
    console = terminal.console(file, width=300, force_terminal=True, color_system=None)
    display = progress.Display(console, {"a": 1.0}, {"a": "[/x]"})
    with display.live():
        display.show("a", {"event": "progress", "what": "[red]", "done": 1, "total": 2})
    assert "[/x]: [red]" in file.getvalue()


def test_a_narrow_encoding_is_no_error(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", narrow)
    terminal.complain("données\x1b[2J")
    narrow.seek(0)
    assert narrow.read() == "donn\\xe9es\\x1b[2J\n"


def test_long_parts_of_every_kind_count():
    """A fleet's "train 8" and "read captions" move the bar of everything, too."""
    for what in ("train", "train 8", "read captions", "compose pictures"):
        display = progress.Display(terminal.console(io.StringIO()), {"a": 1.0})
        display.show("a", {"event": "progress", "what": what, "done": 1, "total": 2})
        assert display._done["a"] == pytest.approx(0.475)


@pytest.mark.parametrize("make", [terminal.console, Console])
def test_levels_of_a_study_are_text_in_its_status(tmp_path, make):
    levels = (("original", {}), ("[/x] $\\alpha \x1b[31m", {"balance": {"enabled": True}}))
    config = small_grid.config() | {"factors": (("version", levels),)}
    file = io.StringIO()
    console = make(file=file, width=300)
    code = study.main(config, workdir=str(tmp_path), action="status", workers=1, console=console)
    assert code == 1
    assert "[/x] $\\alpha \\x1b[31m, seed 0" in file.getvalue()
    assert "\x1b[31m" not in file.getvalue()


def test_names_in_pictures_are_text():
    """A "$" begins no mathematics: half of one would be an error."""
    with style.page():
        figure = Figure()
        figure.subplots().set_title("$\\frac{1 and [/x]")
        figure.savefig(io.BytesIO(), format="png")


def test_text_is_made_plain_once():
    # The commands' console knows no markup: text that was escaped for it shows its backslashes.
    modules = [path for room in ("m4jax", "experiments") for path in (ROOT / room).rglob("*.py")]
    assert not [path.name for path in modules if "rich.markup" in path.read_text(encoding="utf-8")]
