"""Runs that start from a folder of another library: it brings the model and the tokenizer."""

import dataclasses
import shutil
from pathlib import Path

import array_record.python.array_record_data_source  # noqa: F401  (its flags outlive a command)
import jax
import numpy as np
import pytest
from run.test_train_command import losses, run, the_run

from m4jax import files, models, training
from m4jax.data.sources import SOURCES
from m4jax.data.testbed import catalog
from m4jax.data.tokenizers import WordTokenizer
from m4jax.errors import InputError
from m4jax.models.folders.write import write_hugging_face
from m4jax.run import model, start
from m4jax.run.config import ModelConfig, RunConfig, from_json
from m4jax.run.state import Layout
from m4jax.training import TrainConfig

WORDS = catalog.words()
MODULE = models.create("emoji-CLIP-S/8", vocab_size=len(WORDS), depth=2, width=32)
LAYOUT = Layout(Path("nowhere"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Hugging Face folder of a model that no variant of the table is."""
    path = tmp_path_factory.mktemp("given") / "model"
    params = training.step.init_params(MODULE, seed=0)
    model.write_hugging_face(MODULE, params, WordTokenizer(WORDS, context_length=9), path)
    return path


def config(folder, **changes):
    return RunConfig(init_from=str(folder), **changes)


def test_the_model_and_the_tokenizer_are_the_folders(folder):
    found = model.create(config(folder, model=ModelConfig(remat="dots")))
    given = models.open_folder(folder)
    assert found.variant == dataclasses.replace(given.module.variant, remat="dots")
    assert (found.variant.depth, found.variant.width) == (2, 32)
    words = model.tokenizer(config(folder), LAYOUT)
    assert words.context_length == given.context == 16
    assert words(["a man"])[0, :4].tolist() == [2, WORDS.index("man") - 1, len(WORDS) - 1, 0]


def test_the_parameters_are_the_folders_and_embed_the_same(folder):
    params, own = start.parameters(str(folder), model.create(config(folder))), WordTokenizer(WORDS)
    first = training.step.init_params(MODULE, seed=0)
    jax.tree.map(np.testing.assert_array_equal, params["image"], first["image"])
    texts = ["a photo of a woman", "a cook"]
    words = model.tokenizer(config(folder), LAYOUT)
    np.testing.assert_allclose(
        training.Embedder(MODULE, params).tokens(words(texts)),
        training.Embedder(MODULE, first).tokens(own(texts)),
        atol=1e-6,
    )


def test_a_run_is_known_by_the_contents_of_the_folder(tmp_path, folder):
    named = config(folder)
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    assert config(copy).id == named.id != RunConfig().id
    # What a folder tells, the configuration does not.
    assert config(folder, model=ModelConfig(context_length=7)).id == named.id
    assert config(folder, model=ModelConfig(dtype="bfloat16")).id != named.id
    assert from_json(named.to_json()).id == named.id
    content = (copy / "tokenizer.json").read_text()
    (copy / "tokenizer.json").write_text(content.replace("childminder", "childmindet"))
    assert config(copy).id != named.id
    params = training.step.init_params(MODULE, seed=1)
    model.write_hugging_face(MODULE, params, WordTokenizer(WORDS, context_length=9), copy)
    assert config(copy).id != named.id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": ModelConfig(variant="emoji-B/8")}, r"is a model of width 32, config.model.var"),
        ({"model": ModelConfig(embed=128)}, r"embeds in 64 numbers, config.model.embed is 128; l"),
        ({"source": SOURCES["world"](resolution=48)},
         r"takes pictures of 32 pixels, config.world.resolution is 48; set --config.world.resol"),
        ({"train": TrainConfig(loss="sigmoid")},
         r"without a bias of the logits, .* set --config.train.loss=softmax"),
    ],
)  # fmt: skip
def test_what_contradicts_the_folder_is_told(folder, changes, message):
    with pytest.raises(InputError, match=message):
        model.create(config(folder, **changes))


@pytest.mark.slow
def test_a_model_of_the_sigmoid_loss_asks_for_it(tmp_path):
    sizes = {"image_size": 32, "width": 32, "heads": 1, "depth": 1, "embed": 32, "vocab_size": 99}
    sizes |= {"text_width": 32, "text_heads": 1, "text_depth": 1, "context": 8}
    module = models.create("SigLIP-B/16", **sizes)
    write_hugging_face(tmp_path, module, training.step.init_params(module, seed=0))
    with pytest.raises(InputError, match=r"with a bias of the logits.*config.train.loss=sigmoid"):
        model.create(config(tmp_path))
    made = config(tmp_path, train=TrainConfig(loss="sigmoid"))
    assert model.create(made).variant.text_mask == "none"
    with pytest.raises(InputError, match=r"has no tokenizer; put its tokenizer.json there"):
        model.tokenizer(made, LAYOUT)


@pytest.mark.slow
def test_a_file_of_big_vision_is_a_model_to_start_from(tmp_path):
    sizes = {"image_size": 32, "width": 64, "heads": 1, "depth": 1, "embed": 64, "vocab_size": 99}
    sizes |= {"text_width": 64, "text_heads": 1, "text_depth": 1, "context": 8}
    module = models.create("SigLIP-B/16", **sizes)
    params = training.step.init_params(module, seed=0)
    models.convert.save(params, tmp_path / "model.npz", module, format="big_vision")
    made = config(tmp_path / "model.npz", train=TrainConfig(loss="sigmoid"))
    found = start.parameters(made.init_from, model.create(made))
    jax.tree.map(np.testing.assert_array_equal, found, params)
    assert made.id == config(tmp_path, train=TrainConfig(loss="sigmoid")).id


def test_what_is_no_folder_to_start_from_is_told(tmp_path, folder):
    with pytest.raises(InputError, match=r"there is none \(.*no model: expected config.json"):
        _ = config(tmp_path).id
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"^config.init_from: .*has no model.safetensors"):
        _ = config(broken).id


@pytest.mark.slow
def test_from_training_to_a_folder_and_on_from_there(tmp_path):
    """What another library's folder starts is what the run itself would start."""
    clip = {"model__variant": "emoji-CLIP-S/8"}
    run("train", tmp_path / "first", **clip)
    told = run("export", tmp_path / "first", f"--to={tmp_path / 'hf'}",
               "--format=hugging_face", **clip)  # fmt: skip
    assert "Written" in told
    again = {"train__learning_rate": 1e-3, "train__freeze": "image"}
    run("train", tmp_path / "run", f"--init_from={the_run(tmp_path / 'first')}", **clip, **again)
    run("train", tmp_path / "folder", f"--init_from={tmp_path / 'hf'}", **again)
    np.testing.assert_allclose(losses(tmp_path / "folder"), losses(tmp_path / "run"), rtol=1e-4)
    run("export", tmp_path / "folder", f"--init_from={tmp_path / 'hf'}",
        f"--to={tmp_path / 'tuned'}", "--format=hugging_face", **again)  # fmt: skip
    before, after = (models.open_folder(tmp_path / name) for name in ("hf", "tuned"))
    jax.tree.map(np.testing.assert_array_equal, before.params["image"], after.params["image"])
    assert (before.params["text"]["positions"] != after.params["text"]["positions"]).any()
    assert files.sha256(tmp_path / "hf/tokenizer.json") == files.sha256(
        tmp_path / "tuned/tokenizer.json"
    )
    assert "representation_bias" in run(
        "evaluate", tmp_path / "folder", f"--init_from={tmp_path / 'hf'}", **again
    )
