"""The command that annotates, as a user calls it."""

import subprocess
import sys

from m4jax import files
from m4jax.files import parquet


def annotate(folder, *flags):
    command = [sys.executable, "-m", "experiments.annotate", "--config=configs/annotate.py"]
    return subprocess.run(
        [*command, f"--workdir={folder / 'out'}", *flags], capture_output=True, text=True
    )


def test_captions_in_a_table_out(tmp_path):
    (tmp_path / "a.csv").write_text("id,caption\nx,[b] a nurse in her cowboy hat\ny,\nz,a man\n")
    done = annotate(tmp_path, f"--config.files=('{tmp_path / 'a.csv'}',)", "--config.uid=id")
    assert done.returncode == 0, done.stderr
    assert "left out, for want of a text: 1" in done.stdout and "row 1: empty" in done.stdout
    table = parquet.read(tmp_path / "out" / "examples.parquet")
    assert table["uid"].to_pylist() == ["x", "z"]
    assert table["man"].to_pylist() == [False, True]
    facts = files.read_sealed(tmp_path / "out" / "annotation.json")
    assert facts["lexicon"] == "en_v2" and facts["vetoes"] == {"cowboy hat": 1}


def test_what_is_missing_is_told_in_a_line(tmp_path):
    done = annotate(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: config.files: expected paths or patterns")
    assert done.stderr.count("\n") == 1
