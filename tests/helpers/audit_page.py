"""An audit's page with something in every section, made without any audit."""

import dataclasses
import io

import numpy as np
from PIL import Image

import m4jax
from m4jax.evaluation.measures.measure import Measure
from m4jax.report import page
from m4jax.report.page import Change, Example, Fact, Limit, Page, Past, Point, Table

LABELS = tuple(f"job {i:02d}" for i in range(40))

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closing": "</td></table></style></script>--><!--",
    "quotes": "\"' onmouseover='alert(1)' x=\"",
    "entity": "&lt;b&gt; &amp; &#x3C;script&#x3E;",
    "direction": "\u202egnirts\u202c \u2066x\u2069 \u200f",
    "controls": "a\x00b\x1b[2Jc\x7f\x85\u2028d\r\ne\tf",
    "lone": "\ud800 half \udfff",
    "long": "x" * 10_000,
    "address": "javascript:alert(1) http://example.org/a.png",
    "template": "${7*7} {{7*7}} `x`",
}


def measure(part, metric, value, half, *, n=200, **about):
    """Returns a told measure with a symmetrical interval."""
    ends = {"value": value, "low": value - half, "high": value + half}
    return Measure(part, metric, **{"source": "photos", "attribute": "gender", "n": n,
                                    "groups": n} | ends | about)  # fmt: skip


RB = measure("model", "representation_bias", 0.25, 0.07, n=159, group="man")
STREET = dataclasses.replace(RB, source="street views", value=0.42, low=0.38, high=0.46)
WORDED = dataclasses.replace(RB, wording="male / female", value=0.12, low=0.05, high=0.19)
WOMEN = measure("model", "accuracy", 0.855, 0.03, n=235, group="woman")
UNTOLD = Measure("model", "representation_bias", "crops", "gender", "man", n=3,
                 note="only 3 pictures show nobody")  # fmt: skip
SHARE = measure("data", "share", 0.618, 0.02, n=2310, group="man", p=1e-6)


def by_label(labels=LABELS, seed=0):
    """Returns shares and gaps of labels; of some labels nothing can be told."""
    rng, found = np.random.default_rng(seed), []
    for i, label in enumerate(labels):
        share, gap = rng.uniform(0.1, 0.9), rng.normal(0, 0.01)
        about = {"group": "man", "label": label, "n": 20 + i}
        found.append(measure("data", "share", share, 0.08, p=0.01, **about))
        about["group"] = "man − woman"
        found.append(measure("data", "gap", gap, 0.004, p=0.001 if abs(gap) > 0.01 else 0.4,
                             **about))  # fmt: skip
    few = {"n": 4, "groups": 4, "note": "4 independent examples, expected 20 or more"}
    return [*found, Measure("data", "share", "photos", "gender", "man", "seldom", **few)]


def picture(colour="teal"):
    """Returns a small JPEG file."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "JPEG")
    return file.getvalue()


def sample(**changes) -> Page:
    """Returns a page with something in every section."""
    whole = measure("model", "accuracy", 0.92, 0.02, n=480)
    earlier = dataclasses.replace(RB, value=0.31, low=0.24, high=0.38)
    past = [
        Past(f"2026-{month:02d}-01T02:10:00", dataclasses.replace(m, value=m.value + month / 500,
             low=m.low + month / 500, high=m.high + month / 500))
        for month in range(6, 12) for m in (RB, WOMEN)
    ]  # fmt: skip
    told = {
        "title": "Photographs and CLIP",
        "when": "2026-11-27T02:10:00+00:00",
        "facts": (Fact("data", "400 photographs with five captions each"), Fact("model", "CLIP")),
        "unknown": ("2 pictures could not be read.",),
        "measures": (SHARE, *by_label(), RB, STREET, WORDED, UNTOLD, whole, WOMEN),
        "limits": (
            Limit("share of man: at most 20 points from 50%", page.WITHIN, SHARE, 0.2),
            Limit("representation bias: at most 10 points", page.OUTSIDE, RB, 0.1),
            Limit("accuracy of woman: at least 86%", page.UNCLEAR, WOMEN, 0.86, "more is needed"),
            Limit("gap of pilot: at most 5 points", page.UNCLEAR, note="nothing was measured"),
        ),
        "against": "audits/2026-11-20",
        "changes": (Change(RB, earlier, -0.06, -0.09, -0.03, True, "paired"),
                    Change(WOMEN, WOMEN, 0.0, -0.01, 0.01, False, "paired"),
                    Change(SHARE, SHARE, note="measured otherwise: " + "other words " * 9)),
        "history": tuple(past),
        "frontier": tuple(Point(k / 10, k * k / 900, curve) for k in range(1, 11)
                          for curve in ("representation bias", "largest gap")),
        "largest_keep_rate": 0.62,
        "reached": ("13 of 14 jobs can be brought within 5 points.",),
        "tables": (
            Table(page.GROUPS, "Found by the search", ("group", "share", "examples", "p"),
                  (("nurse & outdoors", 0.12, 231, 0.0004), ("teacher", float("nan"), 88, 0.01)),
                  ("", "percent", "", "p")),
            Table(page.DUPLICATES, "Captions that several have", ("caption", "n"), (("a dog", 4),)),
            Table(page.DATA, "What is known", ("attribute", "known"), (("gender", 0.4),),
                  ("", "percent")),
            Table(page.BALANCING, "What would go", ("label", "dropped"), ()),
        ),
        "examples": (Example(picture(), "two dogs", "taken for a man"),),
        "methods": ("Measured on a quiet machine.",),
        "versions": (("m4jax", m4jax.__version__),),
        "command": "python -m experiments.audit --config=configs/audit.py --workdir='my audit'",
    }  # fmt: skip
    return Page(**told | changes)
