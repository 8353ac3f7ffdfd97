"""A sample of annotated examples that people check, and what their answers say of the annotation.

The sample is a random one of the examples of which an attribute is known, by a hash of seed and
uid, so that it is the same on every machine, and stays as it is when other examples come or go.
"""

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from m4jax import files
from m4jax.balance.judging.intervals import wilson
from m4jax.errors import InputError, nearest
from m4jax.tables.selection import uniform
from m4jax.terminal import plain

UNCLEAR, YES, NO = "unclear", "yes", "no"
COLUMNS = ("uid", "question", "answer")  # of the file of answers


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked about an example.

    Attributes:
        name: of the column.
        options: the answer for 1, and that for 0; `UNCLEAR` may always be said.
    """

    name: str
    options: tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Item:
    """An example to be checked.

    Attributes:
        uid: of the example, as it is printed (`terminal.plain`).
        caption: what stands with it.
        questions: about it. They don't tell what was annotated: of labels one that the example has
            not is asked as well.
    """

    uid: str
    caption: str
    questions: tuple[Question, ...]


def sample(
    table: pa.Table,
    attributes: Mapping[str, tuple[str, str]],
    labels: Sequence[str],
    *,
    number: int,
    seed: int,
) -> list[Item]:
    """Returns the examples to be checked.

    Args:
        table: uid, caption, and a column for each attribute and label, as `experiments.annotate`
            writes them.
        attributes: column -> what 1 and 0 are called ("man", "woman").
        labels: columns of labels.
        number: of examples, at most.
        seed: of the sample.

    Raises:
        InputError: if a column is missing, or no attribute is known of any example.
    """
    for name in ("uid", *attributes, *labels):
        if name not in table.column_names:
            raise InputError(f"no column {name!r}; {nearest(name, table.column_names)}")
    known = np.zeros(len(table), bool)
    for name in attributes:
        known |= table[name].is_valid().to_numpy()
    if not known.any():
        raise InputError(
            f"{', '.join(attributes) or 'no attribute'}: known of no example; there is nothing to "
            "check"
        )
    rows = np.flatnonzero(known)
    uids = table["uid"].cast(pa.string()).take(pa.array(rows)).to_pylist()
    chosen = rows[np.argsort(uniform(uids, seed=seed), kind="stable")[:number]]
    part = table.take(pa.array(chosen)).to_pylist()
    return [_item(row, attributes, labels, place + seed) for place, row in enumerate(part)]


def _item(
    row: Mapping, attributes: Mapping[str, tuple[str, str]], labels: Sequence[str], turn: int
) -> Item:
    """Returns what is asked about a row: attributes, its labels, and one that it has not."""
    told = [name for name in labels if row[name]]
    others = [name for name in labels if not row[name]]
    asked = [*told, *([others[turn % len(others)]] if others else [])]
    questions = [Question(name, options) for name, options in attributes.items()]
    questions += [Question(name, (YES, NO)) for name in sorted(asked)]
    return Item(plain(row["uid"]), str(row.get("caption") or ""), tuple(questions))


def read_answers(path: Path, items: Sequence[Item]) -> dict[tuple[str, str], str]:
    """Returns (uid, question) -> answer, of a csv file with the columns `COLUMNS`.

    Raises:
        InputError: if it is no such file, or an answer is to no question of the sample or is none
            of its options, with its line.
    """
    asked = {(item.uid, q.name): (*q.options, UNCLEAR) for item in items for q in item.questions}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; save the answers of check.html there") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason})") from None
    rows = csv.DictReader(io.StringIO(text))
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise InputError(f"{path}: expected the columns {','.join(COLUMNS)}, got {rows.fieldnames}")
    found: dict[tuple[str, str], str] = {}
    for row in rows:
        key, answer = (row["uid"], row["question"]), (row["answer"] or "").strip()
        if key not in asked:
            raise InputError(
                f"{path}: line {rows.line_num}: {key[1]!r} was not asked of {key[0]!r}; the "
                "answers are of another sample (other seed, number or annotation)"
            )
        if answer and answer not in asked[key]:
            raise InputError(
                f"{path}: line {rows.line_num}: expected one of {', '.join(asked[key])}, got "
                f"{answer!r}"
            )
        if answer and found.setdefault(key, answer) != answer:
            raise InputError(
                f"{path}: line {rows.line_num}: a second answer to {key[1]!r} of {key[0]!r}, "
                f"{answer!r} after {found[key]!r}; leave one, or answer {UNCLEAR!r}"
            )
    if not found:
        raise InputError(f"{path}: no answers in it yet")
    return found


@dataclasses.dataclass(frozen=True)
class Checked:
    """How one column of the annotation does.

    Attributes:
        name: of the column.
        confusion: [[true 1 annotated 1, true 1 annotated 0], [true 0 annotated 1, true 0 annotated
            0]], as `balance.posterior` takes it for an attribute.
        unclear: examples that people could not decide.
        unknown: answered examples of which the annotation knows nothing.
    """

    name: str
    confusion: tuple[tuple[int, int], tuple[int, int]]
    unclear: int
    unknown: int

    @property
    def precision(self) -> tuple[float, float, float, int]:
        """Of those annotated 1, the share that is truly 1: value, 95% interval (Wilson), n."""
        (right, _), (wrong, _) = self.confusion
        return _share(right, right + wrong)

    @property
    def sensitivity(self) -> tuple[float, float, float, int]:
        """Of those truly 1, the share that is annotated 1: value, 95% interval (Wilson), n."""
        (hit, missed), _ = self.confusion
        return _share(hit, hit + missed)


def _share(part: int, whole: int) -> tuple[float, float, float, int]:
    if not whole:
        return float("nan"), float("nan"), float("nan"), 0
    low, high = wilson(np.array(part / whole), np.array(whole))
    return part / whole, float(low), float(high), whole


def checked(
    table: pa.Table, items: Sequence[Item], answers: Mapping[tuple[str, str], str]
) -> list[Checked]:
    """Returns how each column that was asked about does, in the order of the questions.

    Of labels the rows without it are those that were asked for in its stead: the table tells the
    precision of a label, not how often it is missed among all.
    """
    places = {plain(uid): row for row, uid in enumerate(table["uid"].to_pylist())}
    names = list(dict.fromkeys(q.name for item in items for q in item.questions))
    columns = {name: table[name].to_pylist() for name in names}
    counts = {name: np.zeros((2, 2), int) for name in names}
    unclear, unknown = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    for item in items:
        for question in item.questions:
            answer = answers.get((item.uid, question.name))
            if answer is None:
                continue
            said = columns[question.name][places[item.uid]]
            if answer == UNCLEAR:
                unclear[question.name] += 1
            elif said is None:
                unknown[question.name] += 1
            else:
                truth = question.options.index(answer)
                counts[question.name][truth, 0 if said else 1] += 1
    return [
        Checked(name, tuple(map(tuple, counts[name].tolist())), unclear[name], unknown[name])
        for name in names
        if counts[name].any() or unclear[name] or unknown[name]
    ]


def write_confusion(path: Path, found: Sequence[Checked], **facts) -> None:
    """Writes what was found as sealed JSON: column -> confusion matrix and the like."""
    files.write_sealed(
        path, facts | {"columns": {one.name: dataclasses.asdict(one) for one in found}}
    )
