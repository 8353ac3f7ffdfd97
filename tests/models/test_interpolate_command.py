"""The command that makes a dial of two folders."""

import jax
import numpy as np
from helpers import commands

from m4jax import models, training
from m4jax.data.testbed import catalog
from m4jax.data.tokenizers import WordTokenizer
from m4jax.run import model

WORDS = catalog.words()
MODULE = models.create("emoji-CLIP-S/8", vocab_size=len(WORDS), depth=1, width=16, embed=16)


def folder(path, seed, module=MODULE, words=WORDS):
    params = training.step.init_params(module, seed=seed)
    model.write_hugging_face(module, params, WordTokenizer(words, context_length=8), path)
    return path


def run(workdir, first, second, *more, code=0):
    named = (f"--config.first={first}", f"--config.second={second}", f"--workdir={workdir}")
    done = commands.run("interpolate", "--config=configs/interpolate.py", *named, *more)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_a_folder_for_each_alpha(tmp_path):
    first, second = (folder(tmp_path / name, seed) for seed, name in enumerate(("a", "b")))
    told = run(tmp_path / "dial", first, second, "--config.alphas=(0,0.5,1)")
    assert told.count("Written: ") == 3
    opened = [models.open_folder(tmp_path / "dial" / f"alpha-{a}") for a in ("0", "0.5", "1")]
    ends = [models.open_folder(path) for path in (first, second)]
    for a, b in zip((opened[0], opened[2]), ends, strict=True):
        jax.tree.map(np.testing.assert_array_equal, a.params, b.params)
        assert a.scaling == b.scaling
    half = jax.tree.map(lambda a, b: (a + b) / 2, ends[0].params, ends[1].params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), opened[1].params, half)
    texts = ["a photo of a woman", "a cook"]
    words = [model.tokenizers.open_named(x.tokenizer, 8) for x in (opened[1], ends[0])]
    np.testing.assert_array_equal(words[0](texts), words[1](texts))


def test_exported_models_of_ours_give_such_models(tmp_path):
    module = models.create("emoji-S/8", width=16, text_width=16, embed=16, depth=1)
    for seed, name in enumerate(("a", "b")):
        params = training.step.init_params(module, seed=seed)
        models.convert.export(params, tmp_path / name, module)
    run(tmp_path, tmp_path / "a", tmp_path / "b", "--config.alphas=(0.25,)")
    assert models.open_folder(tmp_path / "alpha-0.25").kind == "m4jax"


def test_what_is_not_one_model_is_told(tmp_path):
    a = folder(tmp_path / "a", 0)
    other = models.create("emoji-CLIP-S/8", vocab_size=len(WORDS), depth=1, width=32, embed=16)
    told = run(tmp_path, a, folder(tmp_path / "wide", 0, other), code=2)
    assert "only weights of one model" in told
    swapped = [*WORDS[:-2], WORDS[-1], WORDS[-2]]
    told = run(tmp_path, a, folder(tmp_path / "words", 0, words=swapped), code=2)
    assert "cut texts into tokens otherwise" in told
    assert "config.second: expected the folder" in run(tmp_path, a, "", code=2)
    assert "config.alphas: expected from 0 to 1, got 1.5" in run(
        tmp_path, a, a, "--config.alphas=(1.5,)", code=2
    )
    assert "no such folder" in run(tmp_path, a, tmp_path / "nowhere", code=2)
