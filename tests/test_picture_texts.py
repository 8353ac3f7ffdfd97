"""Pictures are kept as png and svg, drawn in one style, and told to those who don't see them."""

import re

import nbformat
import pytest
from helpers import markdown
from helpers.markdown import ROOT

EMBEDDED = re.compile(r"!\[([^\]]*)\]\(([^)\s]*)\)")
PAGES = [page for page in markdown.pages() if EMBEDDED.search(markdown.read(page))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WORDS = 10  # of an alternative text: fewer only name the picture


def untold(text):
    """Returns the pictures of a page whose alternative text is none, or too short to tell them."""
    return [path for words, path in EMBEDDED.findall(text) if len(words.split()) < WORDS]


@pytest.mark.parametrize("page", PAGES, ids=markdown.name)
def test_embedded_pictures_are_told_and_there(page):
    text = markdown.read(page)
    assert untold(text) == []
    for _, path in EMBEDDED.findall(text):
        assert (page.parent / path).exists(), path


def test_pictures_without_words_are_seen():
    assert untold("![](a.png) and ![A confusion matrix](b.png)") == ["a.png", "b.png"]
    assert untold("![Two lines fall from four to one point as more is kept](c.png)") == []


def test_published_figures_are_there_as_png_and_svg():
    found = sorted((ROOT / "results").rglob("*.png"))
    assert len(found) > 40
    assert [x for x in found if not x.with_suffix(".svg").exists()] == []


def test_one_place_writes_figures():
    """So that none is without its n, its bars and what would make it wrong."""
    files = [x for room in ("m4jax", "experiments") for x in (ROOT / room).rglob("*.py")]
    writing = [markdown.name(x) for x in files if ".savefig(" in markdown.read(x)]
    assert writing == ["m4jax/report/style.py"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_figures_of_notebooks_are_told(path):
    cells = [x for x in nbformat.read(path, as_version=4).cells if x.cell_type == "code"]
    for cell in cells:
        if re.search(r"\bFigure\(", cell.source):
            assert "style.foot(" in cell.source, cell.id
        for picture in (x for x in cell.outputs if "image/png" in x.get("data", {})):
            assert picture.metadata["image/png"]["alt"].strip()
