"""Stricter analyses of the confirmation, and the sentences on top of its report."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from helpers import confirmation_results as made

from configs import confirmation
from m4jax.evaluation.metrics import AB, RB_SIZE
from m4jax.report import claims, confirmation_stricter, confirmation_summary, confirmation_words
from m4jax.report.confirmation_claims import CLAIMS
from m4jax.report.confirmation_readings import of_claim, of_contrast
from m4jax.report.contrasts import BALANCED, ORIGINAL, Runs

SEEDS = confirmation.SEEDS[:6]
EMBEDDINGS = Path(__file__).parents[2] / "results" / "confirmation" / "embeddings"


@pytest.mark.parametrize("change", [confirmation_stricter.wider, confirmation_stricter.student])
def test_fewer_emoji_widen_every_interval_and_move_no_mean(by_claim, change):
    rng = np.random.default_rng(0)

    def with_pictures(finding):
        shape = len(finding.pairs.values), 50
        return dataclasses.replace(finding.pairs, deviations=rng.normal(0, 0.02, shape))

    one_way = confirmation_stricter.again(by_claim, with_pictures)
    other = confirmation_stricter.again(one_way, change)
    for number, findings in one_way.items():
        for one, two in zip(findings, other[number], strict=True):
            assert two.effect.mean == one.effect.mean
            assert two.effect.low < one.effect.low and two.effect.high > one.effect.high
            assert not two.two_sided < one.two_sided  # NaN: reported


def test_few_emoji_are_counted_as_in_the_pictures():
    (path, *_) = sorted(EMBEDDINGS.glob("*.npz"))
    with np.load(path, allow_pickle=False) as kept:
        for split, emoji in confirmation_stricter.EMOJI.items():
            group = kept[f"{split}/group"]
            if split == "faces":  # resampled within each gender
                for gender in (0, 1):
                    assert len(np.unique(group[kept["faces/gender"] == gender])) == emoji
            else:
                assert len(np.unique(group)) == emoji, split
    asked = {part.metric.split for claim in CLAIMS for part in claim.parts}
    assert asked <= set(confirmation_stricter.EMOJI)


def test_what_verdicts_hang_on_names_claims_and_contrasts(whole, by_claim):
    first, *_, wide, student = confirmation_stricter.hangs_on(whole, by_claim)
    assert "#stricter-analyses" in first
    assert wide.startswith("| taken 1.2 times as wide | ") and "Student's t" in student
    other = {k: list(of) for k, of in by_claim.items()}
    assert of_claim(by_claim, other) == []
    assert confirmation_stricter._together(of_contrast(by_claim, other)) == "as they are"
    flipped = "undecided" if other["9"][0].verdict != "undecided" else "supported"
    other["9"][0] = dataclasses.replace(other["9"][0], verdict=flipped)
    assert [(x.name, x.would) for x in of_claim(by_claim, other)] == [("9", flipped)]
    told = confirmation_stricter._together(of_contrast(by_claim, other))
    assert told == f"*{flipped}*: 9.1"


def test_sections_are_empty_without_runs():
    empty = made.table(SEEDS[:1], data=False)
    of_none = claims.test(empty, CLAIMS)
    for section in (confirmation_stricter.section, confirmation_stricter.hangs_on,
                    confirmation_summary.section):  # fmt: skip
        assert section(empty, of_none) == []


def test_the_summary_tells_every_verdict_and_computes_its_numbers(whole, by_claim):
    _, _, *bullets = confirmation_summary.section(whole, by_claim)
    verdicts, balancing = bullets[:2]
    for claim in CLAIMS:
        in_part = claims.verdict(claim, by_claim[claim.number]) == "supported in part"
        short = f"{confirmation_words.BRIEF[claim.number].short} ({claim.number})"
        assert (f"Of claim {claim.number}, " if in_part else short) in verdicts
    runs = Runs(whole)
    for metric in (RB_SIZE, AB):
        before, after = (100 * runs.means(x, [metric])["S/16 64"][0] for x in (ORIGINAL, BALANCED))
        assert f"from {before:.1f} to {after:.1f}".replace("-", "−") in balancing
    changed = {k: list(of) for k, of in by_claim.items()}
    changed["5"] = [
        dataclasses.replace(f, verdict="supported" if place < 3 else "contradicted")
        for place, f in enumerate(changed["5"])
    ]
    (first, *_) = confirmation_summary.section(whole, changed)[2:]
    assert "Of claim 5, supported: " in first
    assert "contradicted: balanced data first do not protect (5.4, 5.5): they did" in first
