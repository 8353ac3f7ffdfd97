"""The page of an audit: what stands on it is there, well-formed, as text whatever it holds."""

import base64
import dataclasses
import hashlib
import itertools
import math
import re
import time
from html.parser import HTMLParser

import pytest
from helpers import audit_page
from helpers.audit_page import HOSTILE, RB, UNTOLD, measure, sample

from m4jax.errors import InputError
from m4jax.evaluation.measures.kinds import KINDS
from m4jax.evaluation.measures.measure import Measure
from m4jax.report import page
from m4jax.report.page import Example, Fact, Limit, Page, Table
from m4jax.report.page.html import element, short

SECTIONS = ("headline", "unknown", "limits", "changes", "data", "groups", "balancing",
            "duplicates", "model", "history", "examples", "methods", "versions")  # fmt: skip


class Reader(HTMLParser):
    """Reads a page strictly: what is opened is closed, in order."""

    VOID = ("meta", "img")

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.tags, self.texts = [], [], [], [], []
        self.attributes, self.policy = [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.note(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in ("circle", "path", "rect")
        self.note(tag, attrs)

    def note(self, tag, attrs):
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute of {tag} comes twice"
        self.tags.append(tag)
        self.attributes += [(tag, key, value) for key, value in attrs]
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if "href" in found else []
        if found.get("http-equiv") == "Content-Security-Policy":
            self.policy = found["content"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def whole():
    return page.render(sample())


@pytest.fixture(scope="module")
def read(whole):
    return Reader(whole)


def test_every_section_is_there(read):
    assert set(SECTIONS) <= set(read.ids)
    assert set(SECTIONS) & set(Reader(page.render(Page("Nothing"))).ids) == {
        "headline", "unknown", "methods"}  # fmt: skip


def test_it_is_well_formed_and_links_lead_somewhere(read):
    assert len(set(read.ids)) == len(read.ids)
    assert read.links and all(link.startswith("#") and link[1:] in read.ids for link in read.links)
    labelled = [value for _, key, value in read.attributes if key == "aria-labelledby"]
    assert set(labelled) <= set(read.ids)


def test_headings_go_down_a_step_at_a_time(read):
    levels = [int(tag[1]) for tag in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_tables_and_drawings_say_what_they_are(read):
    assert read.tags.count("caption") == read.tags.count("table") > 5
    scopes = [value for tag, key, value in read.attributes if tag == "th" and key == "scope"]
    assert len(scopes) == read.tags.count("th") and set(scopes) == {"col", "row"}
    shown = [x for x in read.attributes if x[0] == "svg" and x[1:] == ("role", "img")]
    hidden = [x for x in read.attributes if x[0] == "svg" and x[1:] == ("aria-hidden", "true")]
    assert len(shown) + len(hidden) == read.tags.count("svg")
    assert read.tags.count("desc") == len(shown) == 3  # the frontier, and two numbers over time


def test_every_number_stands_on_it_with_its_interval_and_n(read):
    assert "+25.0" in read.text and "+18.0 to +32.0" in read.text and " 159 " in read.text
    for told in sample().measures:
        assert told.label in read.text and told.source in read.text
    assert "+12.0 to +25.0 (2 wordings)" in read.text  # what depends on the wording
    assert "male / female" in read.text


def test_what_cannot_be_told_says_so_and_why(read):
    assert math.isnan(UNTOLD.value) and "nan" not in read.text.lower().split()
    assert "can’t tell" in read.text and "only 3 pictures show nobody" in read.text
    alone = Reader(page.render(Page("Audit", measures=(UNTOLD,))))
    assert "No number could be told" in alone.text and "0.0" not in alone.text.split()
    assert alone.text.count("can’t tell") == 2  # in its place, and among the words


def test_a_kind_of_number_that_nobody_placed_is_shown_all_the_same():
    odd = Measure("model", "never_heard_of", "photos", value=1.234, low=1.1, high=1.4, n=77)
    text = Reader(page.render(Page("Audit", measures=(odd,)))).text
    assert "Further numbers" in text and "Never heard of" in text and "1.23" in text


def test_no_kind_of_number_is_lost():
    every = tuple(measure(part, metric, 0.2, 0.1, label=f"of {part} {metric}")
                  for metric in KINDS for part in ("data", "model"))  # fmt: skip
    text = Reader(page.render(Page("Audit", measures=every))).text
    assert all(m.label in text for m in every)


def test_it_asks_for_nothing_outside(whole, read):
    own = [key for _, key, _ in read.attributes if key in ("src", "srcset", "action", "data")]
    sources = [value for _, key, value in read.attributes if key == "src"]
    assert len(own) == len(sources) and all(x.startswith("data:image/jpeg;") for x in sources)
    assert "url(" not in whole and "@import" not in whole and "http://" not in whole
    assert not any(key == "style" or key.startswith("on") for _, key, _ in read.attributes)
    style, script = (re.search(f"<{tag}>(.*?)</{tag}>", whole, re.DOTALL)[1]
                     for tag in ("style", "script"))  # fmt: skip
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in read.policy
    assert read.policy.startswith("default-src 'none'")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_from_outside_is_text_wherever_it_stands(text, tmp_path, read):
    odd = measure("data", "share", 0.3, 0.1, label=text, group=text, p=0.01)
    worded = measure(
        "model", "representation_bias", 0.3, 0.1, source=text, wording=text, group=text
    )
    untold = Measure("data", "gap", text, text, text, text, note=text)
    many = sample(
        title=text, when=text, facts=(Fact(text, text),), unknown=(text,),
        measures=(odd, worded, untold, Measure("model", text, text, text, value=1, low=0, high=2)),
        limits=(Limit(text, page.UNCLEAR, odd, note=text),), against=text,
        changes=(page.Change(odd, odd, 0.1, 0, 0.2, True, text),),
        history=(page.Past(text, odd), page.Past("2026-01-01", odd)),
        frontier=(page.Point(0.5, 0.1, text), page.Point(0.5, 0.1, "b")), reached=(text,),
        tables=(Table(page.GROUPS, text, (text,), ((text,),), note=text),),
        examples=(Example(audit_page.picture(), text, text),), methods=(text,),
        versions=((text, text),), command=text,
    )  # fmt: skip
    page.write(tmp_path / "report.html", many)
    raw = (tmp_path / "report.html").read_bytes()
    told = raw.decode("utf-8")  # no half of a pair is left
    found = Reader(told)
    assert found.tags.count("script") == found.tags.count("style") == 1
    assert set(found.tags) <= {*read.tags, "th"}
    assert {(tag, key) for tag, key, _ in found.attributes} <= {
        (t, k) for t, k, _ in read.attributes
    }
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e"
                         "\u2060-\u206f\ufeff]", told)  # fmt: skip
    if text in (HOSTILE["script"], HOSTILE["quotes"], HOSTILE["entity"]):
        assert text in found.text  # and it is readable as what it is


def test_long_names_are_cut_and_their_length_is_told():
    told = short("a" * 9_000 + "end")
    assert len(told) < 200 and told.endswith("end (9,003 characters)")
    assert short("nurse") == "nurse"


def test_the_same_page_gives_the_same_bytes(whole, tmp_path):
    for name in ("first", "second"):
        page.write(tmp_path / name, sample())
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes() == whole.encode()


def test_order_of_history_and_dates_is_that_of_time():
    days = ("2026-03-01", "2026-01-01T05:00:00", "2026-02-01T02:10:00+00:00")
    told = page.render(Page("Audit", measures=(RB,), history=tuple(
        page.Past(day, RB) for day in days)))  # fmt: skip
    assert "3 audits from 2026-01-01, 05:00 to 2026-03-01" in told


def test_audits_without_a_common_number_say_so():
    text = Reader(page.render(Page("Audit", measures=(RB,), against="last week"))).text
    assert "No number stands in both this audit and  last week" in text


def test_lines_are_broken_where_nothing_is_known():
    curve = [page.Point(k / 4, math.nan if k == 2 else 0.1 * k, "bias") for k in range(1, 5)]
    told = page.render(Page("Audit", frontier=tuple(curve)))
    line = re.search(r'<path class="s1" d="([^"]*)"', told)[1]
    assert line.count("M") == 2 and line.count("L") == 1 and "50% kept, can’t tell" in told
    untold = dataclasses.replace(RB, value=math.nan, low=math.nan, high=math.nan)
    past = tuple(page.Past(f"2026-0{k}-01", untold if k == 2 else RB) for k in range(1, 5))
    told = page.render(Page("Audit", measures=(RB,), history=past))
    assert told.count('<path class="s1"') == 1 and "2026-02-01: can’t tell" in told


def test_a_thousand_labels_stay_small_and_quick():
    labels = [f"a class of things number {i}" for i in range(1203)]
    many = (*audit_page.by_label(labels, 1), *audit_page.by_label(labels, 2),
            *(measure("model", "association_bias", 0.01, 0.02, label=x, group="man − woman",
                      p=0.3, note="") for x in labels))  # fmt: skip
    start = time.process_time()
    told = page.render(Page("Audit", measures=many))
    assert time.process_time() - start < 5
    assert len(told.encode()) < 3_000_000 and all(x in told for x in labels)


def test_tables_are_ordered_by_what_is_sure_not_by_what_is_large():
    sure = measure("data", "gap", 0.05, 0.01, label="sure", group="man − woman", p=0.001)
    noisy = measure("data", "gap", 0.20, 0.25, label="noisy", group="man − woman", p=0.6)
    rest = [measure("data", "gap", 0.001, 0.01, label=f"l{i}", group="man − woman", p=0.9)
            for i in range(20)]  # fmt: skip
    told = page.render(Page("Audit", measures=(noisy, *rest, sure)))
    assert told.index("<bdi>sure</bdi>") < told.index("<bdi>noisy</bdi>")


def test_pictures_that_are_none_and_rows_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="JPEG, PNG or WebP"):
        page.render(Page("Audit", examples=(Example(b"<svg onload='x'>"),)))
    with pytest.raises(InputError, match="2 columns, a row of 1"):
        page.render(Page("Audit", tables=(Table(page.DATA, "t", ("a", "b"), (("x",),)),)))
    with pytest.raises(InputError, match="2 columns, 1 units"):
        page.render(Page("Audit", tables=(Table(page.DATA, "t", ("a", "b"), (), ("",)),)))


def test_without_examples_there_is_no_picture():
    assert "<img" not in page.render(sample(examples=()))


def test_attributes_that_are_false_are_left_out():
    assert element("p", "a < b", None, hidden=False, open=True, class_="x") == (
        '<p open class="x">a &lt; b</p>')  # fmt: skip
