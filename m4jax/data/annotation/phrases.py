"""Phrases of a lexicon: how they are written, and how they are found among a caption's words.

A phrase is written as words with a space between two, read as `text.words` reads captions ("men s"
is "men's"). In a lexicon of format 2 a place may hold more than one word:

    queen|king bed      either
    wedding? dress      or nothing
    <garment>           any phrase of the lexicon's set of this name
    male * <animal>     any one word (not at the beginning)
    [to|can] cook       context: it must be there, but belongs to no phrase

A phrase *takes* the words outside its context. Of phrases that would take the same word the longest
wins (context counts), of equally long ones a veto, then the first.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from m4jax.data.text import words
from m4jax.errors import InputError

_PIECE = re.compile(r"\[|\]|[^\s\[\]]+")
_ANY = "*"
_LEAF = ""  # no word is empty: where phrases end that lead to a node
_MOST = 100_000  # wordings of one phrase

Words = tuple[str, ...]


class Wording(NamedTuple):
    """One way in which a phrase occurs: its words; it takes those from `start` to `end`."""

    words: Words
    start: int
    end: int


class Match(NamedTuple):
    """A phrase in a caption.

    Attributes:
        length: number of words, context included.
        veto: whether it is a veto.
        start: the first of the words that it takes.
        end: one behind the last of them.
        names: what it names, or the numbers of vetoes.
    """

    length: int
    veto: bool
    start: int
    end: int
    names: tuple[int, ...]


def plain(phrase: str) -> list[Wording]:
    """Returns the one wording of a phrase of nothing but words; none if it has no word."""
    found = words(phrase)
    return [Wording(found, 0, len(found))] if found else []


def wordings(phrase: str, sets: Mapping[str, Sequence[str]]) -> list[Wording]:
    """Returns all wordings of a phrase, see the head of this file.

    Raises:
        InputError: if it is not written as a phrase.
    """
    pieces: list[list[Words]] = []
    inside: list[bool] = []
    context = False
    for piece in _PIECE.findall(phrase):
        if piece in "[]":
            if context == (piece == "["):
                raise InputError(f"{phrase!r}: brackets don't match")
            context = not context
        else:
            pieces.append(_choices(piece, phrase, sets))
            inside.append(not context)
    taken = [place for place, one in enumerate(inside) if one]
    if context or not taken:
        raise InputError(f"{phrase!r}: expected words outside of [context]")
    if taken[-1] - taken[0] + 1 != len(taken):
        raise InputError(f"{phrase!r}: [context] stands before or behind a phrase, not within")
    number = 1
    for choices in pieces:
        number *= len(choices)
    if number > _MOST:
        raise InputError(f"{phrase!r}: {number:,} wordings; expected {_MOST:,} at most")
    found = [_wording(choice, taken) for choice in itertools.product(*pieces)]
    if any(not one.words or one.words[0] == _ANY or one.start == one.end for one in found):
        raise InputError(f"{phrase!r}: expected a word at the beginning, and one that is taken")
    return found


def _choices(piece: str, phrase: str, sets: Mapping[str, Sequence[str]]) -> list[Words]:
    """Returns what may stand at the place of a piece, each as words; () for nothing."""
    optional = piece.endswith("?")
    piece = piece.removesuffix("?")
    if piece == _ANY:
        choices = [(_ANY,)]
    elif piece.startswith("<") and piece.endswith(">"):
        if piece[1:-1] not in sets:
            raise InputError(f"{phrase!r}: no set {piece[1:-1]!r}; known: {', '.join(sets)}")
        choices = [words(one) for one in sets[piece[1:-1]]]
    else:
        choices = [words(one) for one in piece.split("|")]
    if not all(choices):
        raise InputError(f"{phrase!r}: expected words, got {piece!r}")
    return [*choices, ()] if optional else choices


def _wording(choice: Sequence[Words], taken: Sequence[int]) -> Wording:
    sizes = [len(one) for one in choice]
    start = sum(sizes[: taken[0]])
    return Wording(sum(choice, ()), start, start + sum(sizes[taken[0] : taken[-1] + 1]))


class Finder:
    """Finds phrases among words, in a time that does not grow with their number.

    Args:
        names: pairs of a wording and the number of what it names.
        vetoes: pairs of a wording and the number of the veto.
    """

    def __init__(
        self, names: Iterable[tuple[Wording, int]], vetoes: Iterable[tuple[Wording, int]] = ()
    ):
        self._root: dict = {}  # a trie: word -> node; _LEAF -> (veto, start, end) -> numbers
        for veto, entries in ((False, names), (True, vetoes)):
            for wording, number in entries:
                node = self._root
                for word in wording.words:
                    node = node.setdefault(word, {})
                key = (veto, wording.start, wording.end)
                node.setdefault(_LEAF, {}).setdefault(key, []).append(number)

    def every(self, text: Sequence[str]) -> list[Match]:
        """Returns all phrases that occur, whatever words they share."""
        root, found = self._root, []
        for first, word in enumerate(text):
            node = root.get(word)
            if node is None:
                continue
            nodes, place = [node], first + 1
            while nodes:
                for node in nodes:
                    for (veto, start, end), numbers in node.get(_LEAF, {}).items():
                        found.append(
                            Match(place - first, veto, first + start, first + end, tuple(numbers))
                        )
                if place == len(text):
                    break
                steps = (text[place], _ANY)
                nodes = [node[step] for node in nodes for step in steps if step in node]
                place += 1
        return found


def longest(found: Iterable[Match]) -> list[Match]:
    """Returns those of the phrases that take their words, in the order of the caption."""
    taken: set[int] = set()
    kept = []
    for match in sorted(found, key=lambda one: (-one.length, not one.veto, one.start)):
        places = range(match.start, match.end)
        if taken.isdisjoint(places):
            taken.update(places)
            kept.append(match)
    return sorted(kept, key=lambda one: one.start)
