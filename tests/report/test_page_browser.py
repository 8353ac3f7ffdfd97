"""The page of an audit in a real browser: sorting, filtering, folding, widths, colours, print."""

import os
import re

import pytest
from helpers.audit_page import HOSTILE, measure, sample

from m4jax.evaluation.measures.measure import Measure
from m4jax.report import page
from m4jax.report.page import Fact, Page

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PATHS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome",
         "/snap/bin/chromium")  # fmt: skip
CHROMIUM = next((path for path in PATHS if os.access(path, os.X_OK)), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium at {', '.join(PATHS)}")
GAPS = "table:has(caption:has-text('man − woman'))"


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as playwright:
        # Without its sandbox, which needs rights that containers don't give; the page is our own.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    page.write(path, sample())
    return path


@pytest.fixture
def opened(browser, report):
    """Opens the page; at the end nothing may have gone wrong or have been asked for."""
    contexts, wrong = [], []

    def open_page(path=report, **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | settings)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda request: None if request.url.startswith(("file:", "data:"))
               else wrong.append(request.url))  # fmt: skip
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def shown(tab, table):
    """Returns the texts of the rows that are seen."""
    rows = tab.locator(f"{table} tbody tr")
    return [rows.nth(i).inner_text() for i in range(rows.count()) if rows.nth(i).is_visible()]


def column(tab, table, i):
    """Returns the texts of a column, top to bottom, whether seen or not."""
    cells = f"{table} tbody tr > :nth-child({i})"
    return tab.locator(cells).evaluate_all("cells => cells.map(cell => cell.textContent)")


def values(texts):
    return [float(text.replace("−", "-").replace(",", "")) for text in texts]


def test_the_first_screen_answers(opened):
    tab = opened()
    assert tab.locator("section:visible").count() == 13
    for part in ("h1", "#headline", "#unknown"):
        box = tab.locator(part).bounding_box()
        assert box["y"] + box["height"] < 800, part


def test_a_column_is_sorted_by_mouse_and_back(opened):
    tab = opened()
    head = tab.locator(f"{GAPS} thead th").nth(1)
    assert head.get_attribute("aria-sort") is None
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    told = values(column(tab, GAPS, 2))
    assert told == sorted(told, reverse=True) and told[0] > 0 > told[-1]
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert values(column(tab, GAPS, 2)) == sorted(told)
    assert tab.locator(f"{GAPS} th[aria-sort]").count() == 1


def test_a_column_is_sorted_by_keyboard(opened):
    tab = opened()
    button = tab.locator(f"{GAPS} thead th").nth(0).locator("button")
    for _ in range(200):  # on by the keyboard alone
        tab.keyboard.press("Tab")
        if button.evaluate("button => button === document.activeElement"):
            break
    assert button.evaluate("button => button === document.activeElement")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    names = column(tab, GAPS, 1)
    assert names == sorted(names)
    tab.keyboard.press("Space")
    assert column(tab, GAPS, 1) == sorted(names, reverse=True)


def test_what_cannot_be_told_stays_last_whichever_way_it_is_sorted(opened):
    tab = opened()
    table = "table:has(caption:has-text('41 rows'))"
    button = tab.locator(f"{table} thead th").nth(1).locator("button")
    for _ in range(2):
        button.click()
        assert column(tab, table, 2)[-1] == "can’t tell"


def test_long_tables_are_folded_filtered_and_unfolded(opened):
    tab = opened()
    part = tab.locator(f".tools:has(+ .scroll {GAPS})")
    assert len(shown(tab, GAPS)) == 25
    assert "25 of 40" in part.inner_text()
    part.locator("input").fill("JOB 3")
    assert len(shown(tab, GAPS)) == 10
    assert "10 of 10 that fit" in part.inner_text()
    part.locator("input").fill("no such job")
    assert shown(tab, GAPS) == []
    part.locator("input").fill("")
    more = tab.locator(f".scroll:has({GAPS}) + .more")
    more.click()
    assert len(shown(tab, GAPS)) == 40
    more.click()
    assert len(shown(tab, GAPS)) == 25


def test_few_of_many_rows_that_cannot_be_told_are_shown(opened, tmp_path):
    told = [measure("data", "gap", 0.1, 0.01, label=f"a{i}", group="man − woman") for i in range(6)]
    untold = [Measure("data", "gap", "photos", "gender", "man − woman", f"b{i}", note="too few")
              for i in range(30)]  # fmt: skip
    page.write(tmp_path / "report.html", Page("Audit", measures=(*untold, *told)))
    tab = opened(tmp_path / "report.html")
    rows = shown(tab, GAPS)
    assert len(rows) == 10 and sum("can’t tell" in row for row in rows) == 4
    tab.locator(".more").click()
    assert len(shown(tab, GAPS)) == 36


def test_folded_parts_unfold(opened):
    tab = opened()
    fold = tab.locator("details", has_text="By wording")
    assert not fold.locator("table").is_visible()
    fold.locator("summary").click()
    assert fold.locator("table").is_visible()


def test_without_a_script_every_row_is_there(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator("button, input").count() == 0
    rows = tab.locator("tbody tr")
    assert all(rows.nth(i).is_visible() for i in range(0, rows.count(), 7))
    assert tab.locator("details table").first.is_visible()


@pytest.mark.parametrize("width", [320, 390, 700, 1024])
def test_the_page_never_scrolls_sideways(opened, width):
    tab = opened(viewport={"width": width, "height": 800})
    tab.evaluate("for (const x of document.querySelectorAll('details')) x.open = true")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_names_do_not_break_its_width(opened, tmp_path):
    texts = tuple(HOSTILE.values())
    page.write(tmp_path / "report.html", Page(
        HOSTILE["long"], facts=tuple(Fact(x, x) for x in texts), unknown=texts,
        command=HOSTILE["long"]))  # fmt: skip
    tab = opened(tmp_path / "report.html", viewport={"width": 390, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.locator("script").count() == 1


def luminance(colour):
    channels = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXTS = """() => [...document.querySelectorAll('body *')].filter(x => x.childNodes.length
  && [...x.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
  && !['SCRIPT', 'STYLE', 'TITLE', 'DESC', 'title', 'desc'].includes(x.tagName)).map(x => {
    const own = getComputedStyle(x);
    let up = x, ground = 'rgba(0, 0, 0, 0)';
    while (up && ground.endsWith(', 0)')) {
      ground = getComputedStyle(up).backgroundColor; up = up.parentElement;
    }
    return [x.tagName + '.' + (x.getAttribute('class') || ''),
            x.namespaceURI.endsWith('svg') ? own.fill : own.color, ground];
  })"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_light_and_dark(opened, scheme):
    tab = opened(color_scheme=scheme)
    found = {tuple(x) for x in tab.evaluate(TEXTS)}
    low = {x: contrast(*x[1:]) for x in found if contrast(*x[1:]) < 4.5}
    assert len(found) > 20 and low == {}
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) < 0.2) == (scheme == "dark")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawings_are_seen_in_light_and_dark(opened, scheme):
    tab = opened(color_scheme=scheme)
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    for line in (".p", ".n", ".u", ".s1", ".s2", ".e"):
        stroke = tab.locator(line).first.evaluate("x => getComputedStyle(x).stroke")
        assert contrast(stroke, ground) > 3, line


def test_print_shows_all_rows_and_no_controls(opened, tmp_path):
    tab = opened(color_scheme="dark")
    tab.emulate_media(media="print")
    assert tab.locator(".tools:visible, .more:visible, nav:visible").count() == 0
    assert len(shown(tab, GAPS)) == 40
    assert tab.locator("details table").first.is_visible()
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert luminance(ground) > 0.9
    tab.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_landmarks_names_and_skip_link(opened):
    tab = opened()
    for mark in ("header", "main", "footer"):
        assert tab.locator(f"body > {mark}").count() == 1
    assert tab.locator("nav").get_attribute("aria-label") == "Contents"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Enter")
    assert tab.url.endswith("#main")
    for link in tab.locator("nav a").all():
        link.click()
        target = link.get_attribute("href")
        assert tab.locator(target).is_visible()
