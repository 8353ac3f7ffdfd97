"""What is shown of the ablation fits its cells, at every scale."""

import pytest
from helpers.ablation_results import results_of

from configs import ablation
from m4jax.grid.cells import expand
from m4jax.report import claims, figures_ablation, paper_claims
from m4jax.report.contrasts import DEFAULT


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


@pytest.mark.parametrize("scale", ["laptop", "gpu", "paper"])
def test_every_figure_can_be_drawn_of_the_ablation(scale):
    results = results_of(expand(ablation.get_config(scale).to_dict()))
    drawn = {name for name, draw in figures_ablation.FIGURES.items() if draw(results)}
    # The paper's data have neither clean captions nor known errors, and nothing was fine-tuned
    # in the middle of training.
    missing = {"annotation_noise"} if scale == "paper" else set()
    assert drawn == set(figures_ablation.FIGURES) - missing
