"""The claims of the registered confirmation, as contrasts of runs.

Names of factors and levels are those of `configs/confirmation.py`; words, sides and margins are
those of `results/confirmation/REGISTRATION.md`, which a test compares with this file. Source of the
claims: "CLIP the Bias"; contrasts and margins are derived.
"""

from typing import Any

from m4jax.evaluation.metrics import (
    AB,
    AB_CORRELATION,
    GENDER,
    IMAGE_TO_TEXT_50,
    NEW_VENDOR_GENDER,
    OCCUPATIONS,
    RB,
    RB_SIZE,
    TEXT_TO_IMAGE_50,
    THINGS,
)
from m4jax.report.claims import Claim, Part
from m4jax.report.contrasts import Contrast, Levels, difference, single

# The smallest differences that would matter, and why.
_RB = (
    0.05,
    "5 points are half of the least difference between RB of data versions that the "
    "paper's follow-ups tell of, and a fifth of what original data cause here",
)
_AB = (0.005, "half a point is a fifth of what balancing changed in the first study")
_QUALITY = (0.01, "the paper calls 86 → 87% and 77 → 77.5% a gain")
_GENDER = (0.02, "the paper finds it not impaired by bars that are nearly equal")
ORIGINAL, BALANCED = {"version": "original"}, {"version": "balanced"}
MILD, NOISY = {"scene": "mild"}, {"captions": "noisy"}
OWN = ", own rate"


def _smallest(of: tuple[float, str]) -> dict[str, Any]:
    """Returns the fields of a part of which differences within ±m are no effect."""
    return dict(zip(("smallest", "why"), of, strict=True))


def _margin(of: tuple[float, str]) -> dict[str, Any]:
    """Returns the fields of a part that may fall by m."""
    return dict(zip(("margin", "why"), of, strict=True))


def _version(name: str, minus: str = "balanced", **fixed: str) -> Contrast:
    """Returns a data version minus another one, of the default model."""
    return difference({"version": name}, {"version": minus}, free=(), **fixed)


def _stage(stage: str, minus: Levels | str) -> Contrast:
    """Returns balancing in a part of training, minus throughout, another part, or other levels."""
    other = BALANCED | {"stage": minus} if isinstance(minus, str) else minus
    return difference(BALANCED | {"stage": stage}, other, free=())


def _balancing(**fixed: str) -> Contrast:
    """Returns balanced minus original under other levels."""
    return difference(BALANCED, ORIGINAL, free=(), **fixed)


def _filters(one: str, other: str, version: str = "balanced") -> Contrast:
    """Returns one filter minus another on noisy captions."""
    fixed = NOISY | {"version": version}
    return difference({"filter": one}, {"filter": other}, free=(), **fixed)


def _noise(one: str, other: str) -> Contrast:
    """Returns balancing with one rate of wrong attributes minus with another."""
    return difference({"noise": one}, {"noise": other}, free=(), **BALANCED)


def _undone() -> Contrast:
    """Returns (balanced − original) with SigLIP and filter, minus the same for CLIP without."""
    best, plain = {"loss": "SigLIP", "filter": "on"}, {"loss": "CLIP", "filter": "off"}
    terms = ((1.0, best | BALANCED), (-1.0, best | ORIGINAL),
             (-1.0, plain | BALANCED), (1.0, plain | ORIGINAL))  # fmt: skip
    return Contrast((terms,), NOISY, ())


_THROUGHOUT = BALANCED | {"stage": "throughout"}
_STARTED = ORIGINAL | {"stage": "throughout"}
_BEST = {"loss": "SigLIP", "filter": "on"} | NOISY

CLAIMS = (
    Claim(
        "1",
        "Models trained on the original data absorb its representation and association bias.",
        (
            Part("|RB| is higher than in the world at parity", RB_SIZE,
                 _version("original", "oracle"), 1, **_smallest(_RB)),
            Part("AB is higher than in the world at parity", AB,
                 _version("original", "oracle"), 1, **_smallest(_AB)),
            Part("AB follows that of the data (correlation over occupations)", AB_CORRELATION,
                 single(ORIGINAL, free=()), 1),
        ),
        "The testbed was made so that models absorb its bias: this says that the measuring works.",
    ),
    Claim(
        "2",
        "Balancing lowers both.",
        (
            Part("|RB| falls against the original data", RB_SIZE, _version("balanced", "original"),
                 -1, **_smallest(_RB)),
            Part("AB falls against the original data", AB, _version("balanced", "original"), -1,
                 **_smallest(_AB)),
            Part("|RB| falls against a random subsample of the same size", RB_SIZE,
                 _version("balanced", "subsample"), -1, **_smallest(_RB)),
            Part("AB falls against a random subsample of the same size", AB,
                 _version("balanced", "subsample"), -1, **_smallest(_AB)),
            Part("AB falls in the mild world", AB, _balancing(**MILD), -1, **_smallest(_AB)),
            Part("|RB| falls in the mild world", RB_SIZE, _balancing(**MILD), -1,
                 **_smallest(_RB), decides=False),
        ),
        "Attributes and labels are known without error; see annotation errors.",
    ),
    Claim(
        "3",
        "Proxies help representation bias and hurt association bias.",
        (
            Part("|RB| is lower with proxies than without", RB_SIZE,
                 _version("balanced_proxies"), -1, **_smallest(_RB)),
            Part("AB is higher with proxies than without", AB, _version("balanced_proxies"), 1,
                 **_smallest(_AB)),
        ),
        "The proxies are all 32 kinds of things; the paper's are not listed.",
    ),
    Claim(
        "4",
        "Representation bias follows the latest distribution: fine-tuning on balanced data is "
        "effective.",
        (
            Part("|RB| after balancing the last 10% is lower than on original data", RB_SIZE,
                 _stage("last 10%", _STARTED), -1, **_smallest(_RB)),
            Part("the same with a learning rate of its own", RB_SIZE,
                 _stage(f"last 10%{OWN}", _STARTED), -1, **_smallest(_RB)),
            Part("RB with original data in the last 10% is higher than balanced throughout", RB,
                 _stage("original in last 10%", "throughout"), 1, **_smallest(_RB)),
            Part("the same with a learning rate of its own", RB,
                 _stage(f"original in last 10%{OWN}", "throughout"), 1, **_smallest(_RB)),
            Part("it is enough: |RB| after balancing the last 10%, by a rate of its own, is at "
                 "most 5 points above balancing throughout", RB_SIZE,
                 _stage(f"last 10%{OWN}", "throughout"), -1, **_margin(_RB)),
        ),
        "A tenth of 1,000 steps is 100 steps; the paper's is a hundred million examples.",
    ),
    Claim(
        "5",
        "Association bias fades only gradually: fine-tuning does less than balancing from the "
        "start, and balanced data first do not protect.",
        (
            Part("AB after balancing the last 10% is higher than balanced throughout", AB,
                 _stage("last 10%", "throughout"), 1, **_smallest(_AB)),
            Part("the same with a learning rate of its own", AB,
                 _stage(f"last 10%{OWN}", "throughout"), 1, **_smallest(_AB)),
            Part("it falls with the share: last 40% minus last 5%", AB,
                 _stage("last 40%", "last 5%"), -1, **_smallest(_AB)),
            Part("balanced data first do not protect: original data in the last 10%, minus "
                 "original throughout", AB, _stage("original in last 10%", _STARTED), 0,
                 **_smallest(_AB)),
            Part("the same with a learning rate of its own", AB,
                 _stage(f"original in last 10%{OWN}", _STARTED), 0, **_smallest(_AB)),
        ),
        "As for claim 4.",
    ),
    Claim(
        "6a",
        "Balancing tends to improve classification.",
        (
            Part("accuracy on things rises in the mild world", THINGS, _balancing(**MILD), 1,
                 **_smallest(_QUALITY)),
            Part("accuracy on occupations rises in the mild world", OCCUPATIONS,
                 _balancing(**MILD), 1, **_smallest(_QUALITY)),
        ),
        "In the mild world about a tenth of the examples is dropped, as in the paper.",
    ),
    Claim(
        "6b",
        "Balancing can hurt retrieval.",
        tuple(
            Part(f"{way} recall@50 falls in the {world} world", metric, _balancing(scene=world),
                 -1, **_smallest(_QUALITY))
            for world in ("mild", "strong")
            for way, metric in (("image→text", IMAGE_TO_TEXT_50), ("text→image", TEXT_TO_IMAGE_50))
        ),
        "The evaluation pairs are balanced by construction, web pairs are not.",
        needs="any",
    ),
    Claim(
        "7",
        "A quality filter and SigLIP undo the harm.",
        (
            Part("image→text recall@50: what balancing changes is better with SigLIP and filter "
                 "than with CLIP and none", IMAGE_TO_TEXT_50, _undone(), 1, **_smallest(_QUALITY)),
            Part("with both, image→text recall@50 falls by less than 1 point, or rises",
                 IMAGE_TO_TEXT_50, _balancing(**_BEST), 1, **_margin(_QUALITY)),
            Part("with both, accuracy on things falls by less than 1 point, or rises", THINGS,
                 _balancing(**_BEST), 1, **_margin(_QUALITY)),
        ),
        "It presupposes harm (6b). 30% of the captions are exchanged; web captions err otherwise.",
    ),
    Claim(
        "8",
        "Balancing does not impair recognising the attribute itself.",
        (
            Part("gender falls by less than 2 points, or rises", GENDER,
                 _version("balanced", "original"), 1, **_margin(_GENDER)),
            Part("gender, of the new vendor, falls by less than 2 points, or rises",
                 NEW_VENDOR_GENDER, _version("balanced", "original"), 1, **_margin(_GENDER)),
        ),
        "Perceived gender is drawn more clearly in emoji than in photographs.",
    ),
    Claim(
        "9",
        "Larger models show less representation bias, on balanced data.",
        (
            Part("|RB| is lower with M/16 than with XS/16, balanced", RB_SIZE,
                 difference({"model": "M/16 64"}, {"model": "XS/16 64"}, free=(), **BALANCED), -1,
                 **_smallest(_RB)),
        ),
        "0.07 and 0.77 million parameters; the claim is about models a thousand times as large.",
    ),
    Claim(
        "A",
        "Our finding: a quality filter brings bias back into balanced data.",
        (
            Part("AB, balanced, is higher with the filter than with none", AB,
                 _filters("on", "off"), 1, **_smallest(_AB)),
            Part("AB, balanced, is higher with the filter than with a perfect one", AB,
                 _filters("on", "perfect"), 1, **_smallest(_AB)),
            Part("RB, balanced, is higher with the filter than with a perfect one", RB,
                 _filters("on", "perfect"), 1, **_smallest(_RB)),
            Part("RB, balanced: the filter minus that by a scorer of balanced data", RB,
                 _filters("on", "balanced scorer"), 1, **_smallest(_RB)),
            Part("AB, balanced: the filter minus its marks shuffled within cells", AB,
                 _filters("on", "shuffled"), 1, **_smallest(_AB)),
        ),
        "The scorer is as small as the model. 30% of the captions are exchanged at random.",
    ),
    Claim(
        "B",
        "Our finding: errors of annotation spoil balancing, and bounds that know them help.",
        (
            Part("AB is higher with 20% of the attributes wrong than with none", AB,
                 _noise("20%", "0%"), 1, **_smallest(_AB)),
            Part("AB with 20% wrong is lower where the weights know it", AB,
                 _noise("20%, known", "20%"), -1, **_smallest(_AB)),
            Part("AB with 10% wrong is lower where the weights know it", AB,
                 _noise("10%, known", "10%"), -1, **_smallest(_AB)),
        ),
        "Errors here are the same in every group; those of annotators are not.",
    ),
    Claim(
        "C",
        "Our finding: caps on concepts leave the association; with parity they don't.",
        (
            Part("AB of MetaCLIP's caps is that of the original data", AB,
                 _version("caps", "original"), 0, **_smallest(_AB)),
            Part("AB of caps with parity is lower than of caps alone", AB,
                 _version("caps and parity", "caps"), -1, **_smallest(_AB)),
            *(
                Part(f"{name}, keeping 40%: AB is that of the quadratic objective", AB,
                     _version(f"{name}, 40%", "quadratic, 40%"), 0, **_smallest(_AB))
                for name in ("kl", "keep_most")
            ),
        ),
        "Where as much is kept as can be, objectives hardly differ: they are compared at 40%.",
    ),
)  # fmt: skip
