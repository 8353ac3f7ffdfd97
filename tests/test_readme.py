"""What the README shows works as shown."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_of_balancing_prints_what_its_comments_say():
    done = subprocess.run([sys.executable, "-c", EXAMPLES[0]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *_, one, two, rate = done.stdout.splitlines()
    assert first == "balanced: 2 constraints, 0 of which held before"
    assert one.startswith("share of man within nurse: 39.7%, now 45.0% (42.6% to 47.4%; n = 1,638")
    assert two.endswith("balanced")
    assert float(rate) == pytest.approx(0.743, abs=1e-3)


def test_the_example_of_an_objective_passes_the_suite_and_balances():
    solve = "\nprint(balance.solve(problem, objective=CHI_SQUARE).status)"
    assert _printed(EXAMPLES[0] + EXAMPLES[1] + solve).splitlines()[-1] == "Status.CONVERGED"


def _printed(code):
    """Returns what the code prints, run with names of its own."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {"__name__": "__main__"})
    return output.getvalue()


def test_every_file_that_it_names_is_there():
    named = re.findall(r"(?:configs|m4jax|experiments|results)/[\w./-]*\w", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_every_command_names_a_module_that_is_there():
    modules = re.findall(r"python -m (experiments\.\w+)", README)
    assert modules
    for module in modules:
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


SMALL = "width=64, heads=1, depth=1, text_width=64, text_heads=1, text_depth=1, vocab_size=9"
BEFORE = f"""
import jax
import jax.numpy as jnp
from m4jax import models
model = models.create("ViT-B/32", {SMALL})
images, tokens = jnp.zeros((2, 224, 224, 3)), jnp.zeros((2, 77), int)
params = jax.jit(model.init)(jax.random.key(0), images, tokens)["params"]
models.convert.save(params, "open_clip.safetensors", model, format="open_clip")
images = jnp.zeros((2, 224, 224, 3), jnp.uint8)
"""


def test_the_example_of_converting_reads_and_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[2].replace('create("ViT-B/32")', f'create("ViT-B/32", {SMALL})')
    _printed(BEFORE + example)
    assert (tmp_path / "again.safetensors").stat().st_size > 1_000
