"""Balancing real captions: what is read of them, and what is said of what became of them."""

import os

import numpy as np
import pyarrow as pa
import pytest
from helpers import commands

from experiments import real_captions, real_sources
from experiments.real_captions import DEFAULT, balanced, summary
from m4jax.errors import InputError
from m4jax.report import style

needs_captions = pytest.mark.skipif(
    not os.environ.get(real_sources.VARIABLE), reason="needs the folder of real captions"
)


def test_captions_become_who_and_what_they_name():
    texts = ["a man with a ball", "a woman, a nurse", "a nurse", "two men and a woman", "a tree"]
    table = real_sources.annotated(texts, "en_v2")
    assert table["man"].to_pylist() == [True, False, None, None, None]
    # A label that comes with nobody of known gender is left out.
    assert "thing: tree" not in table.column_names and "caption" not in table.column_names
    assert table["occupation: nurse"].to_pylist() == [False, True, True, False, False]


def test_every_default_is_judged_on_the_same_labels(tmp_path, monkeypatch):
    rng, n = np.random.default_rng(0), 2000
    man = rng.random(n) < 0.6
    rare = rng.random(n) < np.where(man, 0.03, 0.015)
    only = np.zeros(n, bool)
    only[np.flatnonzero(man)[:9]] = True
    table = pa.table({"uid": np.arange(n), "man": man, "rare": rare, "only men": only})
    chosen = {name: real_captions.VARIANTS[name] for name in ("ε = 1e-3, half", DEFAULT)}
    chosen["ε = 1e-3, half"] = chosen["ε = 1e-3, half"] | {"eps_association": 0.01}
    monkeypatch.setattr(real_captions, "VARIANTS", chosen)
    monkeypatch.setattr(style, "save", lambda figure, path, rows: None)  # drawing takes longest
    made = dict(balanced(table, tmp_path / "one", ()))
    found = {}
    for name, one in made.items():
        rows = [row | {"decided": row["label"] == "rare"} for row in one.rows]
        found[name] = summary(one, rows)
        assert (found[name]["decided"], found[name]["undecided"]) == (1, 1)
    assert found[DEFAULT]["largest_after"] <= 0.0501 < found["ε = 1e-3, half"]["largest_after"]
    assert found[DEFAULT]["kept"] > 0.7 and found[DEFAULT]["exit_code"] == 3
    assert found["ε = 1e-3, half"]["exit_code"] == 1


def test_without_the_folder_it_is_told(monkeypatch, tmp_path):
    monkeypatch.delenv(real_sources.VARIABLE, raising=False)
    with pytest.raises(InputError, match="set it to the folder"):
        real_sources.root()


@needs_captions
@pytest.mark.slow
def test_real_captions_are_balanced_by_the_default(tmp_path):
    done = commands.run(
        "real_captions", "--config=configs/real_captions.py", f"--workdir={tmp_path}",
        "--config.sources=('conceptual-captions',)", "--config.frontier=()",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 labels" in done.stdout
    line = next(x for x in done.stdout.splitlines() if f"| {DEFAULT} |" in x)
    assert "7 → 16" in line and "98.0%" in line
    assert (tmp_path / "figures" / "defaults.png").exists()
