"""What is published of the confirmation follows from its seeds, and is recomputed independently."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.same_picture import same
from rich.console import Console

from configs import confirmation
from m4jax.grid import registered
from m4jax.report import show

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "results" / "confirmation"


@pytest.mark.slow
def test_claims_tables_and_figures_follow_from_the_seeds(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    study = registered.of(confirmation.get_config().to_dict(), PUBLISHED)
    whole = registered.read(study)
    console = Console(file=io.StringIO(), width=110)
    show.registered(whole, tmp_path, console, study=study.grid["claims"])
    made = [PUBLISHED / "claims.md", *(PUBLISHED / "figures").iterdir()]  # svg and png, too
    made += [PUBLISHED / "tables" / f"{x}.csv" for x in ("beyond", "claims", "data", "pairs")]
    assert len(made) > 45
    for path in made:
        assert same(path, tmp_path / path.relative_to(PUBLISHED)), path.name


@pytest.mark.parametrize(("script", "told"), [("recompute", ", 0 differ"),
                                              ("recompute_metrics", "19 metrics")])  # fmt: skip
def test_it_is_recomputed_by_none_of_our_code(script, told):
    path = ROOT / "tests" / "independent" / f"{script}.py"
    done = subprocess.run(
        [sys.executable, path, PUBLISHED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert told in done.stdout
