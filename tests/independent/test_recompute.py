"""What is published of the studies follows from their tables, by code of its own as well."""

import ast
import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import recompute
import recompute_rules as rules
from scipy import optimize, stats

from configs import confirmation
from m4jax.grid import registered
from m4jax.grid.cells import expand, levels
from m4jax.report import claims, claims_table, confirmation_claims, results

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "ablation-laptop"
CONFIRMATION = ROOT / "results" / "confirmation"
SEEDS = tuple(range(201, 213))  # of fewer no p below 0.05 is left after the correction


def compared(folder):
    return recompute.differing(folder, *recompute.study(folder))


def test_the_scripts_import_nothing_of_the_project():
    allowed = sys.stdlib_module_names | {"numpy", "scipy", "pyarrow"}
    scripts = {path.stem: path for path in Path(__file__).parent.glob("recompute*.py")}
    assert len(scripts) >= 2
    for path in scripts.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed | set(scripts), path.name


def test_the_ablations_numbers_are_recomputed_to_all_digits():
    count, lines = compared(PUBLISHED)
    assert count > 300 and lines == []


def test_the_confirmations_numbers_are_recomputed_to_all_digits():
    if not (CONFIRMATION / "tables" / "claims.csv").exists():
        pytest.skip("results/confirmation/tables/claims.csv is not there: the study has not ended")
    count, lines = compared(CONFIRMATION)
    assert count > 400 and lines == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A confirmation of twelve seeds whose numbers are drawn, with what the report says of it."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(CONFIRMATION / "REGISTRATION.md", folder)
    sha = hashlib.sha256((folder / "REGISTRATION.md").read_bytes()).hexdigest()
    study = registered.of(
        confirmation.get_config().to_dict()
        | {"seeds": SEEDS, "registration": str(folder / "REGISTRATION.md")},
        folder,
    )
    assert study.registration == sha
    rows, order = drawn(expand(study.grid)), levels(study.grid)
    for seed in SEEDS:
        path = study.part(seed)
        path.parent.mkdir(exist_ok=True)
        results.write(path, [r for r in rows if r["seed"] == seed], order, None, sha)
    found = claims.test(registered.read(study), confirmation_claims.CLAIMS)
    results.write_csv(folder / "tables" / "claims.csv", claims_table.rows(found))
    lines = [
        f"| {claim.number} | text | **{claims_table.told_of(claim, found[claim.number])}** |"
        for claim in confirmation_claims.CLAIMS
    ]
    (folder / "claims.md").write_text("\n".join(lines), encoding="utf-8")
    return folder


def drawn(cells):
    """Returns rows of runs whose metrics differ by as much as m, more, or nothing."""
    rng = np.random.default_rng(2)
    metrics = {
        (p.metric.name, p.metric.split): p for c in confirmation_claims.CLAIMS for p in c.parts
    }
    rows = []
    for (name, split), part in metrics.items():
        m = part.smallest or part.margin or 0.05
        middle, pictures = rng.uniform(-0.1, 0.1), rng.normal(0, m / 2, 50)
        effects = {}
        for cell in cells:
            key = tuple(cell.factors.items())
            size = rng.choice([0.0, 0.0, m / 4, -m / 4, 2 * m, -2 * m])
            noise = m * rng.choice([0.05, 0.3, 2])
            effects.setdefault(key, (size, noise, rng.normal(0, m / 8, 50)))
            size, noise, own = effects[key]
            # Rounded, as shares of pictures are: with ties and zeros.
            value = float(np.round(middle + size + rng.normal(0, noise), 3))
            rows.append(
                {"kind": "run", **cell.factors, "run_id": cell.config.id, "seed": cell.seed,
                 "step": -1, "n": 500, "label": "", "metric_version": "t", "metric": name,
                 "split": split, "value": value, "ci_low": value, "ci_high": value,
                 "draws": tuple(pictures + own)}
            )  # fmt: skip
    return rows


def test_a_registration_is_read_and_its_rules_are_followed_to_all_digits(made):
    count, lines = compared(made)
    assert count > 400 and lines == []
    told = {row["verdict"].split(" beyond")[0].split(",")[0]
            for row in recompute.rows_of(made / "tables" / "claims.csv")}  # fmt: skip
    assert told == {"supported", "contradicted", "no effect", "undecided", "reported"}


def test_a_number_that_is_not_so_is_found(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "other")
    path = folder / "tables" / "claims.csv"
    row = recompute.rows_of(path)[3]
    digits = f"{float(row['low']) * 1.00001:.6g}"
    path.write_text(path.read_text(encoding="utf-8").replace(row["low"], digits), encoding="utf-8")
    lines = compared(folder)[1]
    assert len(lines) == 1 and row["contrast"] in lines[0] and digits in lines[0]


def test_results_of_another_registration_are_refused(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "other")
    with open(folder / "REGISTRATION.md", "a", encoding="utf-8") as file:
        file.write("and so on\n")
    with pytest.raises(ValueError, match="another registration"):
        recompute.study(folder)


def test_wilcoxon_is_exact():
    rng = np.random.default_rng(0)
    for n in (6, 12, 20):
        d = rng.normal(0.3, 1, n)
        expected = stats.wilcoxon(d, alternative="greater", method="exact").pvalue
        assert rules.wilcoxon(d) == pytest.approx(expected, rel=1e-12)
    assert rules.wilcoxon(np.array([0, 1, 1, -1.0])) == pytest.approx(4 / 8)  # zeros, ties


def test_the_intervals_p_is_the_level_at_which_it_touches_the_bound():
    found = rules.Interval(0.02, 0.03, 0.004, 12)
    tail = found.above(0.0)

    def touches(q):
        t, z = stats.t.isf(q, 11), stats.norm.isf(q)
        return 0.02 - np.sqrt(t**2 * 0.03**2 / 12 + z**2 * 0.004**2)

    assert tail == pytest.approx(optimize.brentq(touches, 1e-9, 0.4, xtol=1e-15), rel=1e-9)
    assert found.above(0.04) == pytest.approx(1 - tail)  # as far on the other side


def test_holm():
    corrected = rules.holm([0.04, np.nan, 0.01, 0.03])
    np.testing.assert_allclose(corrected, [0.06, np.nan, 0.03, 0.06])


@pytest.mark.parametrize(
    ("told", "every", "any_"),
    [
        (["supported", "undecided"], "supported in part", "supported"),
        (["contradicted", "undecided"], "contradicted", "undecided"),
        (["contradicted", "no effect"], "contradicted", "undecided"),
        (["contradicted", "contradicted"], "contradicted", "contradicted"),
        (["no effect", "no effect"], "no effect", "no effect"),
        (["no effect", "undecided"], "undecided", "undecided"),
    ],
)
def test_verdicts_on_claims(told, every, any_):
    for needs, expected in (("All", every), ("Any", any_)):
        assert rules._of_claim(told, needs) == expected
