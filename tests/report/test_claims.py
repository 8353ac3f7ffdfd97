"""Claims: contrasts pair the right runs, and verdicts follow what is there."""

import numpy as np
import pytest
from helpers.ablation_results import results_of

from configs import ablation
from m4jax.errors import InputError
from m4jax.evaluation import metrics, paired
from m4jax.evaluation.metrics import AB, RB, RB_SIZE
from m4jax.grid.cells import expand, levels
from m4jax.report import claims, claims_report, claims_table, paper_claims, results, studies
from m4jax.report.contrasts import Contrast, Runs, difference


@pytest.fixture(scope="module")
def cells():
    return expand(ablation.get_config().to_dict())


def as_the_paper_says(cell, metric):
    """A world in which every claim of the paper is true."""
    version, stage = cell.version, cell.factors["stage"]
    share = {"original": 1.0, "subsample": 1.0, "shuffled": 1.0, "oracle": 0.0, "census": 0.5,
             "balanced": 0.2, "balanced_proxies": 0.2}[version]  # fmt: skip
    if metric == RB:
        left = {"throughout": share, "after 10%": share, "after 90%": 0.2, "first 90%": 0.9}
        proxies = 0.1 * (version == "balanced_proxies")
        larger = 0.05 * cell.factors["model"].startswith("B")
        return 0.3 * (left.get(stage, 0.5) - proxies) - larger
    if metric == AB:
        left = {"throughout": share, "after 10%": share, "after 90%": 0.8, "first 90%": 1.0}
        return 0.1 * (left.get(stage, 0.5) + 0.3 * (version == "balanced_proxies"))
    if metric == metrics.AB_CORRELATION:
        return 0.9 * share
    balanced = version.startswith("balanced")
    good = cell.factors["loss"] == "SigLIP" and cell.factors["filter"] == "on"
    if metric in (metrics.THINGS, metrics.OCCUPATIONS):
        return 0.7 + 0.03 * balanced * (cell.factors["captions"] == "clean")
    if metric in (metrics.IMAGE_TO_TEXT, metrics.TEXT_TO_IMAGE):
        return 0.6 - 0.05 * balanced * (not good)
    return 0.9


def test_where_all_claims_are_true_they_are_supported(cells):
    found = claims.test(results_of(cells, as_the_paper_says, noise=0.003), paper_claims.CLAIMS)
    verdicts = {c.number: claims.verdict(c, found[c.number]) for c in paper_claims.CLAIMS}
    assert {f.effect.n for f in found["7"]} == {10}
    # B against S on balanced data has three seeds, with which nothing can be tested.
    assert [f.verdict for f in found["9"]] == ["supported", "not tested"]
    assert verdicts == dict.fromkeys(verdicts, "supported") | {"9": "supported in part"}


def test_where_the_opposite_is_true_they_are_contradicted(cells):
    def opposite(cell, metric):
        return 1 - as_the_paper_says(cell, metric)

    found = claims.test(results_of(cells, opposite, noise=0.003), paper_claims.CLAIMS)
    for claim in paper_claims.CLAIMS:
        if claim.number in ("2", "3", "4", "6a", "6b", "9"):
            assert claims.verdict(claim, found[claim.number]) == "contradicted", claim.number
    # A correlation of 0.1 is above 0 all the same.
    assert [f.verdict for f in found["1"]] == ["contradicted", "contradicted", "supported"]


@pytest.mark.slow
def test_where_nothing_differs_a_difference_is_found_in_one_world_of_twenty(cells):
    wrong = 0
    for seed in range(24):
        found = claims.test(results_of(cells, noise=0.004, seed=seed), paper_claims.CLAIMS)
        decided = [
            finding.verdict
            for of in found.values()
            for finding in of
            # A single run's 0.5 is above 0, and what is equal does not fall.
            if not finding.part.margin and len(finding.part.contrast.alternatives[0]) > 1
            if finding.verdict not in ("undecided", "reported", "not tested", "no effect")
            if finding.part.expected
        ]
        wrong += bool(decided)
        assert found["8"][0].verdict == "supported"
    assert wrong <= 3


def test_what_is_reported_is_not_tested(cells):
    for of in claims.test(results_of(cells), paper_claims.CLAIMS).values():
        for finding in of:
            untested = finding.verdict in ("reported", "not tested")
            assert untested == (not finding.tested) == np.isnan(finding.corrected)
            assert (finding.verdict == "reported") == (not finding.part.decides)


def test_without_the_interval_nothing_is_decided(cells):
    """Pictures that differ so much that the sign depends on them, runs that all agree."""
    table = results_of(cells, as_the_paper_says, noise=0.003)
    original = (table["version"] == "original") & (table["metric"] == RB.name)
    uncertain = np.random.default_rng(1).normal(0, 1, 50)
    for row in np.flatnonzero(original & (table["kind"] == "run")):
        table.columns["draws"][row] = uncertain
    found = claims.test(table, paper_claims.CLAIMS)["2"]
    assert paired.wilcoxon(found[0].pairs.by_seed()[0]) < 0.001
    assert found[0].corrected > 0.05 and found[0].verdict == "undecided"
    assert found[1].verdict == "supported"


def test_few_runs_leave_all_undecided(cells):
    few = [cell for cell in cells if cell.seed == 0 and cell.factors["model"] == "S/8 64"]
    found = claims.test(results_of(few, as_the_paper_says, noise=0.001), paper_claims.CLAIMS)
    told = {finding.verdict for of in found.values() for finding in of}
    assert told <= {"undecided", "not tested", "reported"}


def test_what_is_only_reported_changes_no_verdict(cells):
    def halfway_missed(cell, metric):
        if metric == AB and cell.factors["stage"] == "after 90%":
            return 0.04  # above balanced throughout, but nearer to it than to original
        return as_the_paper_says(cell, metric)

    found = claims.test(results_of(cells, halfway_missed, noise=0.003), paper_claims.CLAIMS)["5"]
    claim = next(claim for claim in paper_claims.CLAIMS if claim.number == "5")
    assert claims.verdict(claim, found) == "supported"
    told = [finding.verdict for finding in found]
    assert told == ["supported", "supported", "reported", "reported"]


def test_half_of_the_protection_is_some(cells):
    """That balanced data first do not protect is tested against the original data."""

    def half(cell, metric):
        if metric == AB and cell.factors["stage"] == "first 90%":
            return 0.06  # between 0.02, balanced throughout, and 0.1, original
        return as_the_paper_says(cell, metric)

    finding = claims.test(results_of(cells, half, noise=0.003), paper_claims.CLAIMS)["5"][1]
    assert finding.verdict == "contradicted" and finding.effect.mean == pytest.approx(
        -0.04, abs=2e-3
    )


def test_a_precise_null_is_evidence(cells):
    """No difference, measured well: no effect beyond ±m; measured badly: undecided."""
    parts = {"precise": 0.001, "vague": 0.03}
    for told, noise in parts.items():
        found = claims.test(results_of(cells, noise=noise), paper_claims.CLAIMS)["3"]
        claim = next(claim for claim in paper_claims.CLAIMS if claim.number == "3")
        null = told == "precise"
        assert [f.verdict for f in found] == ["no effect" if null else "undecided"] * 2
        text = claims_table.told_of(claim, found)
        assert text == ("no effect beyond ±4.0 and ±0.5" if null else "undecided")


def test_a_clear_difference_may_be_too_small_to_matter(cells):
    def slightly(cell, metric):
        return 0.5 + 0.002 * (cell.version == "balanced_proxies")

    finding = claims.test(results_of(cells, slightly, noise=0.0003), paper_claims.CLAIMS)["3"][1]
    assert finding.verdict == "supported" and finding.small
    assert claims_table.told(finding) == "supported, but within ±0.5"


def test_beside_rb_stands_its_size(cells):
    def overshoots(cell, metric):
        return -0.3 if cell.version == "balanced" else 0.2

    found = claims.test(results_of(cells, overshoots, noise=0.003), paper_claims.CLAIMS)["2"]
    assert found[0].effect.mean == pytest.approx(-0.5, abs=0.01)
    assert found[0].size.mean == pytest.approx(0.1, abs=0.01)
    assert found[1].size is None  # mean |AB| has no sign


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"expected": 2}, "1, −1 or 0"),
        ({"expected": 0}, "needs `smallest`"),
        ({"smallest": 0.1}, "say `why`"),
        ({"margin": 0.1}, "say `why`"),
        ({"margin": 0.1, "smallest": 0.1, "why": "so"}, "not both"),
        ({"smallest": -0.1, "why": "so"}, "not below 0"),
    ],
)
def test_parts_that_say_no_test_are_refused(changes, told):
    contrast = difference(paper_claims.BALANCED, paper_claims.STARTED)
    with pytest.raises(InputError, match=told):
        claims.Part("it rises", RB, contrast, **({"expected": 1} | changes))


def test_a_contrast_pairs_runs_that_agree_in_all_else(cells):
    def value(cell, metric):
        seed_and_model = cell.seed + 10 * len(cell.factors["model"])
        return seed_and_model + (0.25 if cell.version == "balanced" else 0)

    runs = Runs(results_of(cells, value, noise=0))
    contrast = difference(paper_claims.BALANCED, paper_claims.STARTED)
    pairs = runs.pairs(contrast, RB)
    np.testing.assert_allclose(pairs.values, 0.25, atol=1e-12)
    # six models with three seeds, the default one with nine more
    assert len(pairs.values) == 27 and sorted(set(pairs.seeds)) == list(range(12))
    assert {unit.levels for unit in pairs.units if unit.seed > 2} == {("S/8 64",)}
    np.testing.assert_allclose(pairs.deviations, 0)  # both see the same pictures


def test_a_combination_of_three_runs(cells):
    def value(cell, metric):
        return {"throughout": 0.0, "after 90%": 0.4}.get(cell.factors["stage"], 0) + (
            1.0 if cell.version == "original" else 0
        )

    runs = Runs(results_of(cells, value, noise=0))
    np.testing.assert_allclose(
        runs.pairs(paper_claims._halfway(paper_claims.TUNED), AB).values, 0.4 - 0.5
    )


def test_a_study_without_the_factor_has_no_pairs():
    from configs import quickstart

    runs = Runs(results_of(expand(quickstart.get_config().to_dict())))
    assert len(runs.pairs(Contrast((((1.0, {"stage": "after 90%"}),),)), RB).values) == 0


def test_the_report_tells_every_claim_and_is_the_same_twice(cells):
    table = results_of(cells, as_the_paper_says)
    found = claims.test(table, paper_claims.CLAIMS)
    study = studies.find(studies.DEFAULT)
    text = claims_report.markdown(table, found, study)
    assert text == claims_report.markdown(table, claims.test(table, paper_claims.CLAIMS), study)
    for claim in paper_claims.CLAIMS:
        assert f"## {claim.number}. {claim.text}" in text
        assert claim.limits.replace("|AB|", r"\|AB\|") in text
    assert f"What {len(cells)} models, trained with the seeds 0 to 11, say" in text
    assert "**Incomplete: 3 of 8 runs.**" in claims_report.markdown(
        table, found, study, part="3 of 8 runs"
    )
    assert "averaged over what is free (model sizes) for each seed" in text
    for line in text.splitlines():  # every row of a table has as many cells as its heading
        if line.startswith("| ") and r"\|" not in line:
            assert line.endswith("|")


def test_every_row_of_the_table_is_a_contrast(cells):
    found = claims.test(results_of(cells, as_the_paper_says), paper_claims.CLAIMS)
    rows = claims_table.rows(found)
    assert len(rows) == sum(len(claim.parts) for claim in paper_claims.CLAIMS)
    for row in rows:
        assert row["low"] <= row["mean"] <= row["high"]
        untested = row["verdict"] in ("reported", "not tested")
        assert np.isnan(row["p_corrected"]) if untested else row["p"] <= row["p_corrected"]


def test_what_may_not_fall_may_rise(cells):
    """A claim with a margin is one-sided: a gain is no harm."""

    def better(cell, metric):
        return as_the_paper_says(cell, metric) + 0.05 * (cell.version == "balanced")

    found = claims.test(results_of(cells, better, noise=0.003), paper_claims.CLAIMS)
    assert found["8"][0].verdict == "supported" and found["8"][0].effect.mean > 0.04
    assert found["7"][1].verdict == "supported"

    def worse(cell, metric):
        return as_the_paper_says(cell, metric) - 0.05 * (cell.version == "balanced")

    found = claims.test(results_of(cells, worse, noise=0.003), paper_claims.CLAIMS)
    assert found["8"][0].verdict == "contradicted"


def test_seeds_needed_are_told_by_the_distance_from_the_margin(cells):
    def slightly(cell, metric):
        return 0.9 - 0.015 * (cell.version == "balanced")

    finding = claims.test(results_of(cells, slightly, noise=0.02), paper_claims.CLAIMS)["8"][0]
    distance, alpha = finding.part.distance(finding.effect.mean), 0.05 / 22
    assert abs(distance) < 0.5 * abs(finding.effect.mean)
    assert finding.needed == paired.pairs_needed(distance, finding.effect.deviation, alpha=alpha)


def test_runs_of_one_seed_count_once(cells):
    """Chance that all models of a seed share is no evidence, however many models there are."""
    rng = np.random.default_rng(0)
    of_seed = dict(enumerate(rng.normal(0, 0.05, 12)))

    def shared(cell, metric):
        return 0.5 + of_seed[cell.seed] * (cell.version == "balanced")

    runs = Runs(results_of(cells, shared, noise=0.001))
    pairs = runs.pairs(difference(paper_claims.BALANCED, paper_claims.STARTED), AB)
    values, _ = pairs.by_seed()
    assert len(pairs.values) == 27 and len(values) == 12 == pairs.effect().n
    np.testing.assert_allclose(values, list(of_seed.values()), atol=0.005)


def test_a_run_without_draws_takes_the_pictures_chance_from_its_own_pairs_alone(cells):
    table = results_of(cells, as_the_paper_says)
    noisy = (table["captions"] == "noisy") & (table["metric"] == RB.name) & (table["seed"] == 0)
    for row in np.flatnonzero(noisy):
        table.columns["draws"][row] = np.array([])
    runs = Runs(table)
    plain = runs.pairs(difference(paper_claims.BALANCED, paper_claims.STARTED), RB)
    assert plain.deviations.shape == (27, 50)
    of_noisy = difference({"version": "balanced"}, {"version": "original"}, captions="noisy")
    assert runs.pairs(of_noisy, RB).deviations.shape[1] == 0


def test_the_default_level_is_that_of_the_grid_whatever_runs_there_are(cells):
    later = [cell for cell in cells if cell.factors["model"] != "S/8 64"]
    table = results_of(later, as_the_paper_says)
    table = results.Results(table.columns, levels(ablation.get_config().to_dict()))
    assert table.default("model") == "S/8 64" and len(table.plain.select(kind="run")) == 0
    pairs = Runs(table).pairs(difference(paper_claims.BALANCED, paper_claims.STARTED, free=()), RB)
    assert len(pairs.values) == 0


def test_a_factor_that_no_contrast_names_stays_at_its_default(cells):
    """Else a new factor of a grid would change what the claims are tested on."""
    table = results_of(cells, as_the_paper_says)
    double = {
        name: np.concatenate([column, np.array([f"x{v}" for v in column]) if name == "run_id"
                              else column])
        for name, column in table.columns.items()
    }  # fmt: skip
    rows = len(table)
    wide = np.array(["narrow"] * rows + ["wide"] * rows)
    more = results.Results(double | {"width": wide}, table.levels | {"width": ["narrow", "wide"]})
    contrast = difference(paper_claims.BALANCED, paper_claims.STARTED)
    assert len(Runs(more).pairs(contrast, RB).values) == 27
    assert len(Runs(more).pairs(difference(paper_claims.BALANCED, paper_claims.STARTED,
                                           free=("model", "width")), RB).values) == 54  # fmt: skip


def test_every_pair_names_the_runs_that_it_is_formed_of(cells):
    ids = {cell.config.id: cell for cell in cells}
    rows = claims_table.pairs(claims.test(results_of(cells), paper_claims.CLAIMS))
    assert len(rows) > 300
    for row in rows:
        of = [ids[run] for run in row["runs"].split()]
        assert {cell.seed for cell in of} == {row["seed"]}
    falls = [row for row in rows if row["contrast"] == "RB falls against the original data"]
    assert len(falls) == 27
    for row in falls:
        balanced, original = (ids[run] for run in row["runs"].split())
        assert (balanced.version, original.version) == ("balanced", "original")
        assert balanced.factors["model"] == original.factors["model"] == row["model"]


def test_the_size_of_a_metric_is_of_every_run_before_the_mean(cells):
    def value(cell, metric):
        return (-1) ** cell.seed * 0.2 if cell.version == "balanced" else 0.3

    runs = Runs(results_of(cells, value, noise=0))
    contrast = difference(paper_claims.BALANCED, paper_claims.STARTED, free=())
    assert runs.pairs(contrast, RB).values.mean() == pytest.approx(-0.3)
    sizes = runs.pairs(contrast, RB_SIZE)
    np.testing.assert_allclose(sizes.values, -0.1)
