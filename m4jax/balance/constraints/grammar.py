"""Constraints as text, for configurations and command lines.

One line per word; [ ] may be left out, names with spaces or commas are quoted, and numbers are
written 0.45, 45%, "5 points" or 1e9:

    share MAN [and ...] [within NURSE [and not CHILD]] between 45% and 55% | at least | at most
    prevalence MAN between 0.45 and 0.55
    mean AGE [within NURSE] between 30 and 40
    gap NURSE of MAN [, ...] at most 5 points [around 10%] [within ...]
    ratio NURSE of MAN at least 0.8 [around 10%] [within ...]
    equalized_odds PREDICTION given NURSE of MAN at most 5 points
    cap NURSE | all at most 2% | at most 500 examples
    floor NURSE | all at least 1%
    budget TOKENS at most 1e9
    band 5 points [target 0.5] [least 5] [of MAN [, ...]] [labels NURSE [, ...]]

Each may end in "penalty 100" or "penalty inf" (hard).
"""

import dataclasses
import math
import re
from typing import Any

from m4jax.balance.checks import ProblemError
from m4jax.balance.constraints.conditions import No
from m4jax.errors import nearest

TOKEN = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|(,)|([^\s,'"]+))""")
KEYS = ("within", "between", "at", "of", "around", "given", "penalty", "target", "least",
        "examples", "points", "and", "not", "no", "labels")  # fmt: skip
# What each word begins with, the clauses that it needs, and those that it may have.
FORMS = {
    "share": ("who", ("between",), ("within",)),
    "prevalence": ("who", ("between",), ()),
    "mean": ("name", ("between",), ("within",)),
    "gap": ("who", ("of", "at_most"), ("around", "within")),
    "ratio": ("who", ("of", "at_least"), ("around", "within")),
    "equalized_odds": ("who", ("given", "of", "at_most"), ()),
    "cap": ("labels", ("at_most",), ()),
    "floor": ("labels", ("at_least",), ()),
    "budget": ("name", ("at_most",), ()),
    "band": ("number", (), ("target", "least", "of", "labels")),
}
ASKED = {"between": "between 45% and 55%", "of": "of ATTRIBUTE", "at_most": "at most NUMBER",
         "at_least": "at least NUMBER", "given": "given LABEL"}  # fmt: skip
FIRST = {"band": "points", "budget": "column", "mean": "column", "cap": "label", "floor": "label",
         "equalized_odds": "prediction", "gap": "label", "ratio": "label"}  # fmt: skip


def read(text: str) -> tuple[str, dict[str, Any]]:
    """Returns a text's word, and the arguments of its function.

    Raises:
        ProblemError: if it is not understood.
    """
    tokens = _tokens(text)
    word = tokens[0].text.lower() if tokens else ""
    if word not in FORMS:
        raise ProblemError(f"constraint {text!r}: it begins with no known word; {_hint(word)}")
    reader = _Reader(text, tokens[1:])
    first, needed, others = FORMS[word]
    found = {FIRST.get(word, "attribute"): getattr(reader, first)()}
    while reader.tokens:
        key, value = reader.clause((*needed, *others, "penalty"))
        if key in found:
            reader.fail(f"{key.replace('_', ' ')} comes twice")
        found[key] = value
    ends = {key: found.pop(key) for key in ("at_most", "at_least") if key in found}
    if needed and needed[0] == "between" and ends and "between" not in found:
        low = ends.get("at_least", -math.inf if first == "name" else 0.0)
        found["between"] = (low, ends.get("at_most", math.inf if first == "name" else 1.0))
    else:
        found |= ends
    for key in needed:
        if key not in found:
            reader.fail(f"expected {ASKED[key]}")
    if word == "equalized_odds":
        found["label"] = found.pop("given")
    if word == "band":
        lists = {"attributes": found.pop("of", None), "labels": found.pop("labels", None)}
        found |= {k: (x,) if isinstance(x, str) else x for k, x in lists.items() if x is not None}
    if reader.unit:
        if word not in ("cap", "floor"):
            reader.fail(f"{reader.unit} are counted by cap and floor alone")
        found["unit"] = reader.unit
    return word, found


def _hint(word: str) -> str:
    return nearest(word, FORMS)


@dataclasses.dataclass(frozen=True)
class _Token:
    text: str
    quoted: bool

    def key(self) -> str:
        """The keyword that it is, or nothing: what is quoted is a name."""
        return self.text if not self.quoted and self.text in (*KEYS, ",") else ""


def _tokens(text: str) -> list[_Token]:
    found, place, text = [], 0, text.strip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise ProblemError(f"constraint {text!r}: a quote has no end")
        single, double, comma, word = match.groups()
        quoted = single if single is not None else double
        found.append(_Token(quoted if quoted is not None else comma or word, quoted is not None))
        place = match.end()
    return found


@dataclasses.dataclass
class _Reader:
    """What is left of a text."""

    text: str
    tokens: list[_Token]
    unit: str = ""

    def fail(self, why: str) -> None:
        """Raises the error that says where reading stopped."""
        here = f" at {self.tokens[0].text!r}" if self.tokens else " at its end"
        raise ProblemError(f"constraint {self.text!r}{here}: {why}")

    def next_is(self, *keys: str) -> bool:
        """Tells whether a keyword comes next, and takes it."""
        there = [token.key() for token in self.tokens[: len(keys)]] == list(keys)
        if there:
            del self.tokens[: len(keys)]
        return there

    def name(self) -> str:
        """Reads a name."""
        if not self.tokens or self.tokens[0].key():
            self.fail("expected a name (one with spaces, or that is a keyword, is quoted)")
        return self.tokens.pop(0).text

    def term(self) -> Any:
        """Reads a name, or "not" and a name."""
        return No(self.name()) if self.next_is("not") or self.next_is("no") else self.name()

    def who(self) -> Any:
        """Reads terms with "and" between them."""
        found = [self.term()]
        while self.next_is("and"):
            found.append(self.term())
        return found[0] if len(found) == 1 else tuple(found)

    def labels(self) -> Any:
        """Reads names with commas between them, or "all"."""
        found = [self.name()]
        while self.next_is(","):
            found.append(self.name())
        if found == ["all"]:
            return None
        return found[0] if len(found) == 1 else tuple(found)

    def number(self) -> float:
        """Reads a number; 45% is 0.45 and "5 points" are 0.05."""
        text = self.tokens[0].text.replace("_", "") if self.tokens else ""
        try:
            value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail("expected a number, as in 0.45, 45% or 5 points")
        self.tokens.pop(0)
        return value / 100 if self.next_is("points") else value

    def clause(self, allowed: tuple[str, ...]) -> tuple[str, Any]:
        """Reads one clause."""
        for side, key in (("most", "at_most"), ("least", "at_least")):
            ahead = [token.text for token in self.tokens[:2]]
            if ahead == ["at", side] and (key in allowed or "between" in allowed):
                del self.tokens[:2]
                value = self.number()
                if self.next_is("examples"):
                    self.unit = "examples"
                return key, value
        key = self.tokens[0].key()
        if key not in allowed:
            known = ", ".join(x.replace("_", " ") for x in allowed)
            self.fail(f"expected one of: {known}")
        self.tokens.pop(0)
        if key == "between":
            low = self.number()
            if not self.next_is("and"):
                self.fail('expected "and" and the upper bound')
            return key, (low, self.number())
        if key in ("within", "given"):
            return key, self.who()
        if key == "labels":
            return key, self.labels()
        return (key, self._groups()) if key == "of" else (key, self.number())

    def _groups(self) -> Any:
        found = [self.who()]
        while self.next_is(","):
            found.append(self.who())
        return found[0] if len(found) == 1 else tuple(found)
