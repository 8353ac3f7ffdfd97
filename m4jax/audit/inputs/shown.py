"""What is known of the examples of somebody's data: attributes, labels, who is nobody's picture."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import sparse

from m4jax.data.annotation import Lexicon, load_lexicon
from m4jax.data.readers.collection import CAPTIONS, UID, Collection
from m4jax.data.text import words
from m4jax.errors import InputError
from m4jax.evaluation.measures.measure import VERSION
from m4jax.evaluation.measures.pictures import UNKNOWN, Attribute
from m4jax.progress import Progress

OCCUPATIONS, THINGS = LABEL_SETS = ("occupations", "things")
# Words for people beside those that a lexicon knows: enough to say that somebody is there.
MANY = frozenset(
    f"{word}{ending}"
    for word in (
        "audience", "boarder", "bystander", "competitor", "crowd", "folk", "member", "opponent",
        "guest", "participant", "performer", "player", "professional", "pupil", "racer", "resident",
        "team", "teammate", "visitor", "volunteer",
    )
    for ending in ("", "s")
) | {"anybody", "anyone", "everybody", "everyone"}  # fmt: skip


class Columns(Mapping[str, np.ndarray]):
    """Labels by name, kept as the places where they hold: a million examples × 236 fit.

    Args:
        names: c of them.
        matrix: [n, c], true where a label holds.
    """

    def __init__(self, names: Sequence[str], matrix: sparse.sparray):
        self.names, self.matrix = tuple(names), sparse.csc_array(matrix, dtype=bool)
        self._place = {name: place for place, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> np.ndarray:
        """Returns bool [n]."""
        place, found = self._place[name], np.zeros(self.matrix.shape[0], bool)
        ends = self.matrix.indptr[place : place + 2]
        found[self.matrix.indices[ends[0] : ends[1]]] = True
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclasses.dataclass(frozen=True)
class Shown:
    """What is known of n examples of a data set; row i is example i of the collection.

    Attributes:
        name: of the data.
        uids: [n] str.
        groups: [n]; examples of one group are not independent and are resampled together.
        attributes: name -> its values and each example's ("gender").
        labels: name -> bool [n] ("nurse").
        captions: n lists of texts, empty where there are none.
        nobody: bool [n]: there are captions, and none of them names a person. False is: not known.
        known_by: what told of attributes and labels: "lexicon en_v2", "columns", "table".
        several: attribute -> of how many examples several values are named, among the unknown.
        lexicon: that read the captions; None: none did.
    """

    name: str
    uids: np.ndarray
    groups: np.ndarray
    attributes: Mapping[str, Attribute]
    labels: Mapping[str, np.ndarray]
    captions: Sequence[Sequence[str]]
    nobody: np.ndarray
    known_by: str = ""
    several: Mapping[str, int] = dataclasses.field(default_factory=dict)
    lexicon: Lexicon | None = None

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def version(self) -> str:
        """Of the numbers of the data: of what they mean, and of what told of the examples."""
        return f"{VERSION}+{self.known_by.rpartition(' ')[2]}"

    @property
    def frequency(self) -> np.ndarray:
        """Of how many examples each label holds, int [c]."""
        return np.diff(self.matrix.indptr)

    @property
    def matrix(self) -> sparse.csc_array:
        """The labels as one matrix, bool [n, c], in their order."""
        if isinstance(self.labels, Columns):
            return self.labels.matrix
        columns = [sparse.csc_array(np.asarray(x, bool)[:, None]) for x in self.labels.values()]
        empty = sparse.csc_array((len(self), 0), dtype=bool)
        return sparse.csc_array(sparse.hstack([empty, *columns], "csc"))


def by_words(
    collection: Collection,
    lexicon: str | Lexicon = "en_v2",
    *,
    label_sets: Sequence[str] = (OCCUPATIONS,),
    group: str = "",
    check_language: bool = True,
    progress: Progress | None = None,
) -> Shown:
    """Returns what the words of captions tell of the examples of a collection.

    The captions of an example are read together: what one of them names counts, and where they
    name several values of an attribute it is unknown.

    Args:
        collection: with captions.
        lexicon: that reads them, or its name.
        label_sets: which of its labels, any of `LABEL_SETS`.
        group: the column by which examples are resampled together; "": each is its own group.
        check_language: whether captions in another language than the lexicon's are refused.
        progress: told how many examples were read.

    Raises:
        InputError: without captions, for captions of another language, or if there is no such
            column or label set.
    """
    lexicon = load_lexicon(lexicon) if isinstance(lexicon, str) else lexicon
    for name in label_sets:
        if name not in LABEL_SETS:
            raise InputError(f"label sets: expected some of {LABEL_SETS}, got {name!r}")
    if group and group not in collection.columns:
        raise InputError(f"{collection.name}: no column {group!r}; it has {collection.columns}")
    uids: list[str] = []
    groups: list = []
    captions: list[list[str]] = []
    mentions, nobody = [], []
    for block in collection.blocks():
        texts = [list(x or ()) for x in block[CAPTIONS].to_pylist()]
        if not captions and check_language and lexicon.language:
            every = list(itertools.chain.from_iterable(texts))
            lexicon.language.check(every, unless="config.check_language=False")
        named = named_by(lexicon, texts)
        people = lexicon_people(lexicon)
        mentions.append(sparse.csr_array(named))
        nobody.append(shows_nobody(lexicon, texts, named[:, :people].any(axis=1)))
        uids += block[UID].to_pylist()
        groups += block[group].to_pylist() if group else []
        captions += texts
        if progress:
            progress("read captions", len(uids), len(collection))
    if not any(captions):
        raise InputError(f"{collection.name}: no captions that words could be found in")
    found = sparse.csc_array(sparse.vstack(mentions, "csc"))
    attributes, several = _attributes(lexicon, found)
    return Shown(
        name=collection.name,
        uids=np.array(uids, object),
        groups=np.array(groups if group else uids, object).astype(str),
        attributes=attributes,
        labels=_labels(lexicon, found, label_sets),
        captions=captions,
        nobody=np.concatenate(nobody),
        known_by=f"lexicon {lexicon.version}",
        several=several,
        lexicon=lexicon,
    )


def named_by(lexicon: Lexicon, captions: Sequence[Sequence[str]]) -> np.ndarray:
    """Returns bool [n, k]: whether any of an example's captions names each of `lexicon.names`."""
    mentions, _ = lexicon.mentions([text for texts in captions for text in texts])
    rows = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    found = np.zeros((len(captions), mentions.shape[1]), bool)
    which, what = np.nonzero(mentions)
    found[rows[which], what] = True
    return found


def lexicon_people(lexicon: Lexicon) -> int:
    """Returns how many of `lexicon.names`, the first, are of people: all but its things."""
    return len(lexicon.names) - len(lexicon.things)


def shows_nobody(
    lexicon: Lexicon, captions: Sequence[Sequence[str]], people: np.ndarray
) -> np.ndarray:
    """Returns bool [n]: whether there are captions and none of them names a person.

    No gender word, no occupation, no word of the lexicon's set "person" (child, people, family,
    rider) and none of `MANY`. What a veto or an animal takes names no person ("king size bed", "the
    dog and his ball"). A lexicon without that set can't tell: all are False.

    Args:
        lexicon: that reads them.
        captions: n lists of texts.
        people: bool [n], whether the lexicon finds a value or an occupation.
    """
    persons = frozenset(lexicon.sets.get("person", ()))
    found = np.zeros(len(captions), bool)
    if not persons:
        return found
    persons |= MANY
    for row in np.flatnonzero(~people):
        texts = captions[row]
        found[row] = bool(texts) and all(persons.isdisjoint(words(text)) for text in texts)
    return found


def _attributes(
    lexicon: Lexicon, named: sparse.csc_array
) -> tuple[dict[str, Attribute], dict[str, int]]:
    """Returns the attributes, the one value that is named, and of how many several are."""
    found, several, start = {}, {}, 0
    for name, values in lexicon.attributes.items():
        block = named[:, start : start + len(values)].toarray()
        number = block.sum(axis=1)
        codes = np.where(number == 1, block.argmax(axis=1), UNKNOWN)
        found[name], several[name] = Attribute(tuple(values), codes), int((number > 1).sum())
        start += len(values)
    return found, several


def _labels(lexicon: Lexicon, named: sparse.csc_array, label_sets: Sequence[str]) -> Columns:
    """Returns the labels of the sets by their plain names; "thing: x" where an occupation is x."""
    start = sum(map(len, lexicon.attributes.values()))
    places, names = [], []
    if OCCUPATIONS in label_sets:
        places += range(start, start + len(lexicon.occupations))
        names += list(lexicon.occupations)
    if THINGS in label_sets:
        first = start + len(lexicon.occupations)
        places += range(first, first + len(lexicon.things))
        names += [f"thing: {x}" if x in names else x for x in lexicon.things]
    return Columns(names, named[:, places])
