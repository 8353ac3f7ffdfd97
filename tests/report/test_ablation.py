"""What is shown of the ablation fits its cells, at every scale."""

import pytest
from helpers.ablation_results import results_of
from helpers.figures import check, foot_of

from configs import ablation
from m4jax.evaluation import paired
from m4jax.evaluation.metrics import AB, RB, RB_SIZE
from m4jax.grid.cells import expand
from m4jax.report import claims, comparisons, figures_ablation, figures_paper, paper_claims, style
from m4jax.report.contrasts import DEFAULT, Runs, single


def test_the_claims_name_levels_that_the_ablation_has():
    """A contrast of levels that don't exist would find no pairs, and the claim go untested."""
    scales = [ablation.get_config(scale).to_dict()["factors"] for scale in ("laptop", "paper")]
    factors = {name: dict(of) | dict(more) for (name, of), (_, more) in zip(*scales, strict=True)}
    contrasts = [part.contrast for claim in paper_claims.CLAIMS for part in claim.parts]
    for contrast in contrasts:
        for levels in [contrast.fixed, *(x for t in contrast.alternatives for _, x in t)]:
            for name, level in levels.items():
                assert level == DEFAULT or level in factors[name], (name, level)


def test_every_claim_can_be_tested_on_the_cells_of_the_ablation():
    by_claim = claims.test(results_of(expand(ablation.get_config().to_dict())), paper_claims.CLAIMS)
    assert [number for number, of in by_claim.items() if any(f.effect is None for f in of)] == []


def test_at_the_papers_scale_only_what_needs_the_oracle_goes_untested():
    by_claim = claims.test(
        results_of(expand(ablation.get_config("paper").to_dict())), paper_claims.CLAIMS
    )
    untested = [f.part.text for of in by_claim.values() for f in of if f.effect is None]
    assert len(untested) == 2 and all("the world at parity" in text for text in untested)


@pytest.mark.parametrize(
    "scale", ["laptop", *(pytest.param(x, marks=pytest.mark.slow) for x in ("gpu", "paper"))]
)
def test_every_figure_can_be_drawn_of_the_ablation(scale):
    results = results_of(expand(ablation.get_config(scale).to_dict()))
    with style.page():
        every = {name: draw(results) for name, draw in figures_ablation.FIGURES.items()}
        drawn = {name for name, found in every.items() if found}
        for name in sorted(drawn) if scale == "laptop" else ():
            check(every[name][0], name)
    # The paper's data have neither clean captions nor known errors, and nothing was fine-tuned
    # in the middle of training.
    missing = {"annotation_noise"} if scale == "paper" else set()
    assert drawn == set(figures_ablation.FIGURES) - missing


@pytest.fixture(scope="module")
def laptop():
    """Of which RB is about zero, so that its size differs from it."""
    cells = expand(ablation.get_config().to_dict())
    return results_of(cells, lambda cell, metric: 0.0 if metric is RB else 0.5)


def test_bias_by_condition_is_of_all_seeds_there_are(laptop):
    _, rows = figures_ablation.data_scale(laptop)
    runs = Runs(laptop)
    for row in rows:
        size, version = row["condition"].split(": ")
        metric = {comparisons.key(m): m for m in (RB, RB_SIZE, AB)}[row["metric"]]
        pairs = runs.pairs(single({"data": size, "version": version}, free=()), metric)
        mean, low, high, *_ = pairs.effect()
        assert (row["mean"], row["high"], row["n"]) == (mean, high, len(pairs.values))
        assert row["low"] == (max(low, 0) if metric is RB_SIZE else low)
    assert {row["n"] for row in rows} == {3, 12}


def test_curves_have_intervals_over_all_seeds_of_each_condition(laptop):
    _, rows = figures_ablation.learning_curves(laptop)
    along = laptop.select(kind="along", metric=RB.name, step=200, stage="first half")
    one = next(r for r in rows if r["condition"] == "balanced, then original"
               and r["step"] == 200 and r["metric"] == RB.name)  # fmt: skip
    effect = paired.effect(along["value"])
    assert (one["mean"], one["n"]) == (pytest.approx(effect.mean), 3)
    assert (one["low"], one["high"]) == pytest.approx((effect.low, effect.high))
    assert {r["n"] for r in rows if r["condition"] == "original"} == {12}


def test_the_papers_stages_are_shares_of_training_on_the_original_data(laptop):
    figure, rows = figures_paper.representation_by_stage(laptop)
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert ticks == ["0%", "10%", "90%", "100%"]
    late = next(r for r in rows if r["contrast"] == "balanced: 90%" and r["metric"] == RB.name)
    levels = {"version": "balanced", "stage": "after 90%"}
    assert late["mean"] == Runs(laptop).pairs(single(levels, free=()), RB).effect().mean


def test_what_is_known_of_the_papers_own_numbers_stands_in_the_figure(laptop):
    figure, rows = figures_paper.filtered(laptop)
    assert figures_paper.THEIRS in foot_of(figure)
    levels = {"version": "balanced", "captions": "noisy", "loss": "SigLIP", "filter": "on"}
    found = next(r for r in rows if r["contrast"] == "balanced" and r["metric"] == AB.name)
    assert found["mean"] == Runs(laptop).pairs(single(levels, free=()), AB).effect().mean
