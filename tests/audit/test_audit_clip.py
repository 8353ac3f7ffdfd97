"""The published audit of CLIP ViT-B/32: its tables and figures follow from its results."""

import os
from pathlib import Path

import numpy as np
import pytest
from helpers import commands

from experiments import audit_clip_figures
from m4jax.audit.outcome import results

FOLDER = Path(commands.ROOT, "results", "audit-clip-b32")


@pytest.fixture(scope="module")
def found():
    return results.read(FOLDER / "results.parquet").measures


def test_the_readmes_tables_are_those_of_the_results(found, tmp_path):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    (tmp_path / "README.md").write_text(text.replace("| Flickr8k |", "| ? |"), encoding="utf-8")
    audit_clip_figures.write_tables(found, tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text
    assert "+24.9 [+19.0, +30.8]" in text


def test_the_figures_data_are_those_of_the_results(found, tmp_path):
    audit_clip_figures.draw(found, tmp_path)
    for path in sorted((FOLDER / "figures").glob("*.csv")):
        assert path.read_bytes() == (tmp_path / "figures" / path.name).read_bytes(), path.name


def test_numbers_of_the_text_are_in_the_results(found):
    told = [x for x in results.pick(found, metric="association_bias", source="Flickr8k")
            if x.p < 0.05]  # fmt: skip
    assert (len(told), sum(x.value > 0 for x in told)) == (48, 25)
    (dogs,) = results.pick(found, metric="representation_bias", wording="",
                           source="Flickr8k, nobody but a dog")  # fmt: skip
    assert (dogs.n, round(100 * dogs.value, 1)) == (190, 25.8)
    (skew,) = results.pick(found, metric="max_skew", source="Flickr8k", label="")
    assert [round(x, 2) for x in (skew.value, skew.low, skew.high)] == [0.2, 0.06, 0.33]


@pytest.mark.slow
@pytest.mark.skipif("M4JAX_REAL" not in os.environ, reason="needs the published embeddings")
def test_the_command_gives_the_published_numbers(found, tmp_path):
    ended = commands.run(
        "audit_clip", "--config=configs/audit_clip.py", f"--workdir={tmp_path / 'made'}"
    )
    assert ended.returncode == 0, ended.stderr
    made = results.read(tmp_path / "made" / "results.parquet").measures
    assert [x.key for x in made] == [x.key for x in found]
    np.testing.assert_allclose(
        [x.value for x in made], [x.value for x in found], atol=1e-5, equal_nan=True
    )
