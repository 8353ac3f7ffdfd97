"""Samples that people check, and what their answers say."""

import dataclasses
import html.parser
import re

import numpy as np
import pyarrow as pa
import pytest

from m4jax import balance, files
from m4jax.audit.annotating import check_page, hand_check
from m4jax.errors import InputError

ATTRIBUTES = {"man": ("man", "woman")}
N = 400


def examples(seed=0):
    rng = np.random.default_rng(seed)
    man = rng.random(N) < 0.6
    known = rng.random(N) < 0.8
    return pa.table(
        {
            "uid": [f"u{i}" for i in range(N)],
            "caption": [f"caption {i} <b>" for i in range(N)],
            "man": pa.array(man, mask=~known),
            "occupation: nurse": rng.random(N) < 0.2,
            "occupation: cook": rng.random(N) < 0.2,
        }
    )


LABELS = ("occupation: nurse", "occupation: cook")


def sampled(table, **changes):
    return hand_check.sample(table, ATTRIBUTES, LABELS, **({"number": 100, "seed": 0} | changes))


def write_answers(path, items, answer):
    rows = [(i.uid, q.name, answer(i, q)) for i in items for q in i.questions]
    lines = ["uid,question,answer", *(",".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_the_sample_is_of_known_examples_and_does_not_depend_on_their_order():
    table = examples()
    items = sampled(table)
    known = set(table.filter(table["man"].is_valid())["uid"].to_pylist())
    assert len(items) == 100 and {item.uid for item in items} <= known
    turned = table.take(pa.array(np.arange(N)[::-1]))
    assert {x.uid for x in sampled(turned)} == {x.uid for x in items}
    assert {x.uid for x in sampled(table, seed=1)} != {x.uid for x in items}


def test_a_larger_sample_holds_the_smaller_one():
    table = examples()
    assert [x.uid for x in sampled(table, number=150)][:100] == [x.uid for x in sampled(table)]


def test_questions_do_not_tell_what_was_annotated():
    table = examples()
    rows = {row["uid"]: row for row in table.to_pylist()}
    absent = 0
    for item in sampled(table):
        assert item.questions[0] == hand_check.Question("man", ("man", "woman"))
        asked = [q.name for q in item.questions[1:]]
        assert {name for name in LABELS if rows[item.uid][name]} <= set(asked)
        absent += any(not rows[item.uid][name] for name in asked)
    assert absent > 90  # all but those that have both labels


def test_answers_become_a_confusion_matrix_that_balancing_takes(tmp_path):
    table = examples()
    items, rng = sampled(table, number=200), np.random.default_rng(1)
    rows = {row["uid"]: row for row in table.to_pylist()}
    wrong = {item.uid for item in items if rng.random() < 0.1}

    def answer(item, question):
        said = rows[item.uid][question.name]
        if item.uid == items[0].uid:
            return "unclear"
        return question.options[0 if said != (item.uid in wrong) else 1]

    write_answers(tmp_path / "answers.csv", items, answer)
    answers = hand_check.read_answers(tmp_path / "answers.csv", items)
    found = {x.name: x for x in hand_check.checked(table, items, answers)}
    (hit, missed), (false, left) = found["man"].confusion
    assert missed + false == len(wrong - {items[0].uid}) and hit + missed + false + left == 199
    assert found["man"].unclear == 1
    value, low, high, n = found["man"].precision
    assert low < value == hit / (hit + false) < high and n == hit + false
    labels = np.stack([table[name].to_numpy().astype(float) for name in LABELS], axis=1)
    man = table["man"].cast(pa.float64()).to_numpy()
    posterior = balance.posterior(man, labels, found["man"].confusion)
    assert posterior.sensitivity[0] == pytest.approx(hit / (hit + missed))
    hand_check.write_confusion(tmp_path / "confusion.json", list(found.values()), seed=0)
    assert files.read_sealed(tmp_path / "confusion.json")["columns"]["man"]["unclear"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uid,answer\n", "expected the columns"),
        ("uid,question,answer\nu0,height,yes\n", "was not asked"),
        ("uid,question,answer\n{uid},man,perhaps\n", "line 2: expected one of man, woman, unclear"),
        ("uid,question,answer\n{uid},man,\n", "no answers in it yet"),
        ("uid,question,answer\n{uid},man,man\n{uid},man,woman\n", "line 3: a second answer"),
    ],
)
def test_answers_that_can_not_be_are_refused(tmp_path, text, message):
    items = sampled(examples())
    path = tmp_path / "answers.csv"
    path.write_text(text.format(uid=items[0].uid))
    with pytest.raises(InputError, match=message):
        hand_check.read_answers(path, items)


def test_without_anything_known_there_is_nothing_to_check():
    table = examples().set_column(2, "man", pa.nulls(N, pa.bool_()))
    with pytest.raises(InputError, match="nothing to check"):
        sampled(table)


class _Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.inputs, self.text = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "input":
            self.inputs.append(dict(attrs))

    def handle_data(self, data):
        self.text.append(data)


def test_captions_of_several_lines_are_shown_in_lines():
    (item,) = sampled(examples(), number=1)
    page = check_page.render([dataclasses.replace(item, caption="a man\n\na dog")], {}, digest="d")
    assert page.count('class="caption"') == 2 and "\\n" not in page.split("<script")[0]


def test_the_page_asks_every_question_once_and_shows_texts_as_texts():
    items = sampled(examples(), number=5)
    page = check_page.render(items, {items[0].uid: b"jpeg"}, digest="d")
    parsed = _Page(page)
    radios = {}
    for one in parsed.inputs:
        radios.setdefault((one["data-uid"], one["data-question"]), []).append(one["value"])
    assert radios == {
        (item.uid, q.name): [*q.options, "unclear"] for item in items for q in item.questions
    }
    assert "<b>" not in page and "caption" in "".join(parsed.text)
    assert page.count("data:image/jpeg") == 1
    assert not re.search(r"(src|href)=\"http", page)
