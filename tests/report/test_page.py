"""The page of an audit: what stands on it is there, as text, whatever it holds."""

import math

from m4jax.evaluation.measures.measure import Measure
from m4jax.report import page

RB = Measure("model", "representation_bias", "photos", "gender", "man", value=0.25, low=0.18,
             high=0.32, n=159, groups=159)  # fmt: skip
UNTOLD = Measure("model", "accuracy", "photos", "gender", n=3, note="only 3 pictures")


def test_a_number_and_its_interval_are_there():
    told = page.render(page.Page("Audit", measures=(RB,)))
    assert "+25.0" in told and "+18.0" in told and "+32.0" in told


def test_what_cannot_be_told_says_so_and_why():
    assert math.isnan(UNTOLD.value)
    told = page.render(page.Page("Audit", measures=(UNTOLD,)))
    assert "can&#x27;t tell" in told and "only 3 pictures" in told and "nan" not in told.lower()


def test_text_from_outside_is_text(tmp_path):
    hostile = "<script>alert('x')</script>\x1b\u202e\ud800"
    page.write(tmp_path / "report.html", page.Page(hostile))
    told = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in told and "\x1b" not in told and "\u202e" not in told
