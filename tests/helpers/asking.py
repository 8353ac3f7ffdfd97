"""A small world to ask about: pictures on axes, and texts that lie on them."""

import numpy as np

from m4jax.evaluation.measures.asked import Asked
from m4jax.evaluation.measures.pictures import Attribute, PictureSet, Texts
from m4jax.evaluation.measures.prompts import AuditPrompts
from m4jax.evaluation.measures.word_lists import Effects, Harm, Ranking, WordList, WordLists
from m4jax.evaluation.resampling import Settings

D = 16
QUERIES = {f"q{i}": f"a q{i} person" for i in range(6)}
WORDS = WordLists(
    version="w",
    ranking=Ranking("a photo of {}", 1000, ("queries",)),
    harm=Harm("a photo of {}", "people", ("beasts", "crimes")),
    so_b_it=Ranking("a photo of {}", 100, ("looks", "work")),
    effects=Effects("{}", (("good", "bad"), ("home", "job")), (("he", "she", "good", "bad"),)),
    lists={
        "queries": WordList(QUERIES, "test"),
        "people": WordList({"p0": "a p0", "p1": "a p1"}, "test"),
        "beasts": WordList({"b0": "a b0", "b1": "a b1"}, "test"),
        "crimes": WordList({"c0": "a c0"}, "test"),
        "looks": WordList({f"l{i}": f"a l{i}" for i in range(3)}, "test"),
        "work": WordList({f"w{i}": f"a w{i}" for i in range(4)}, "test"),
        **{
            name: WordList({f"{name}{i}": f"{name}{i}" for i in range(9)}, "test")
            for name in ("good", "bad", "home", "job", "he", "she")
        },
    },
)


def direction(text):
    """A unit vector of each text, always the same, and other than the first axis."""
    row = np.random.default_rng(list(text.encode())).normal(size=D)
    row[0] = 0
    return row / np.linalg.norm(row)


def embed(lean=None):
    """Embeds texts; those that hold a key of `lean` have so much of the first axis."""

    def function(texts):
        rows = np.stack([direction(text) for text in texts])
        for row, text in zip(rows, texts, strict=True):
            row[0] = sum(value for key, value in (lean or {}).items() if key in text)
        return rows

    return function


def codes_of(n, values):
    return np.arange(n) % values


def pictures(n=400, values=2, seed=0, codes=None, groups=None, apart=1.0):
    """Pictures at random whose first coordinate tells the value, as far as they are apart."""
    rng = np.random.default_rng(seed)
    codes = codes_of(n, values) if codes is None else codes
    rows = rng.normal(size=(n, D))
    rows[:, 0] += apart * np.where(codes == 0, 1, -1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = ("man", "woman") if values == 2 else tuple(f"v{i}" for i in range(values))
    return PictureSet(
        "set",
        rows.astype(np.float32),
        np.array([f"u{i}" for i in range(n)]),
        np.arange(n) if groups is None else groups,
        {"gender" if values == 2 else "kind": Attribute(names, codes)},
    )


def asked(shown=None, lean=None, known=None, words=WORDS, prompts=None, **settings):
    return Asked(
        pictures=pictures() if shown is None else shown,
        texts=Texts(embed(lean), 100.0, known),
        prompts=prompts or AuditPrompts("v"),
        words=words,
        settings=Settings(**{"resamples": 200, **settings}),
    )


def one(measures, metric, **about):
    """The one measure of a metric, of all labels and in the default wording unless told."""
    about = {"label": "", "wording": "", **about}
    (found,) = [
        m for m in measures
        if m.metric == metric and all(getattr(m, k) == v for k, v in about.items())
    ]  # fmt: skip
    return found
