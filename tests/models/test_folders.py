"""Folders that are odd, damaged or hostile: each error names the file and says what to do."""

import json
import os

import jax
import numpy as np
import pytest
import safetensors.numpy
from helpers.small_models import model_of, random_params
from tokenizers import Tokenizer, processors
from tokenizers import models as kinds

from m4jax import models
from m4jax.data import tokenizers
from m4jax.errors import DamagedError, InputError

CLIP_CONFIG = {
    "model_type": "clip",
    "projection_dim": 40,
    "vision_config": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                      "patch_size": 8, "image_size": 32, "hidden_act": "gelu",
                      "intermediate_size": 200},
    "text_config": {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
                    "max_position_embeddings": 9, "vocab_size": 60, "hidden_act": "gelu",
                    "intermediate_size": 100},
}  # fmt: skip
STEPS = {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32},
         "crop_size": {"height": 32, "width": 32}}  # fmt: skip
SIZES = {"mlp_width": 200, "text_mlp_width": 100}


@pytest.fixture
def folder(tmp_path):
    """A folder as transformers writes it, without a tokenizer; in a folder with nothing else."""
    return written(tmp_path / "clip")


def written(path, **steps):
    """Writes a folder of a small CLIP."""
    path.mkdir()
    model = model_of("transformers", **SIZES)
    tensors = models.convert.to_peer(random_params(model), model, format="transformers")
    safetensors.numpy.save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    (path / "config.json").write_text(json.dumps(CLIP_CONFIG))
    (path / "preprocessor_config.json").write_text(json.dumps(STEPS | steps))
    return path


def changed(path, *keys, to):
    """Changes one value of a JSON file; None takes it away."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner.pop(keys[-1], None)
    if to is not None:
        inner[keys[-1]] = to
    path.write_text(json.dumps(content))


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def test_a_folder_of_transformers_is_opened_as_it_is(folder):
    opened = models.open_folder(folder)
    expected = model_of("transformers", **SIZES)
    assert opened.module.variant == expected.variant
    equal(opened.params, random_params(expected))
    assert opened.scaling == models.Scaling(32, cut="floor")
    assert (opened.name, opened.tokenizer, opened.context) == ("clip", "", 9)
    assert "no tokenizer" in opened.notes[0]
    assert opened.identity == models.open_folder(str(folder)).identity


@pytest.mark.parametrize("change", [("config.json", "logit_scale_init_value", 3.0),
                                    ("preprocessor_config.json", "resample", 2)])  # fmt: skip
def test_the_identity_is_that_of_the_contents(folder, change, tmp_path):
    before = models.open_folder(folder).identity
    assert models.open_folder(folder.rename(tmp_path / "moved")).identity == before
    changed(tmp_path / "moved" / change[0], change[1], to=change[2])
    assert models.open_folder(tmp_path / "moved").identity != before


def test_another_size_of_pictures_interpolates_positions(folder):
    opened = models.open_folder(folder, image_size=48)
    assert opened.scaling.size == opened.module.variant.image_size == 48
    assert opened.params["image"]["positions"].shape == (37, 64)


@pytest.mark.parametrize(
    ("file", "keys", "value", "message"),
    [
        ("config.json", ["model_type"], "blip", "a model of type 'blip'; expected clip, siglip or"),
        ("config.json", ["vision_config"], [1], "vision_config: expected an object"),
        ("config.json", ["vision_config", "hidden_size"], "64", "width: expected int"),
        ("config.json", ["vision_config", "hidden_size"], -64, "must"),
        ("config.json", ["vision_config", "hidden_size"], 1e3, "width: expected int"),
        ("config.json", ["vision_config", "num_hidden_layers"], 10**9, "expected at most 1,024"),
        ("config.json", ["vision_config", "num_attention_heads"], 3, "multiple of heads"),
        ("config.json", ["vision_config", "num_hidden_layers"], 3, "as config.json says: tensor"),
        ("config.json", ["vision_config", "num_hidden_layers"], 1, "has no place for"),
        ("config.json", ["vision_config", "intermediate_size"], 256, r"expected shape \(256, 64"),
        ("config.json", ["vision_config", "hidden_act"], "swish", "unknown activation 'swish'"),
        ("config.json", ["vision_config", "num_channels"], 1, "expected 3"),
        ("config.json", ["vision_config", "image_size"], [32, 48], "expected a square"),
        ("config.json", ["vision_config", "image_size"], 48, "cut to 32 pixels"),
        ("config.json", ["text_config", "layer_norm_eps"], 1e-3, "both towers share one norm_eps"),
        ("config.json", ["text_config", "vocab_size"], 61, r"expected shape \(61, 48"),
        ("preprocessor_config.json", ["do_pad"], True, r"the step do_pad \(True\) is not known"),
        ("preprocessor_config.json", ["resample"], 0, "resample is 0"),
        ("preprocessor_config.json", ["do_resize"], False, "pictures of any size"),
        ("preprocessor_config.json", ["do_center_crop"], False, "would not become squares"),
        ("preprocessor_config.json", ["size"], {"longest_edge": 3}, "expected shortest_edge, or"),
        ("preprocessor_config.json", ["size"], {"shortest_edge": 16}, "an edge not below it"),
        ("preprocessor_config.json", ["crop_size"], {"height": 8}, "not what transformers writes"),
        ("preprocessor_config.json", ["image_mean"], [0.5, 0.5], "expected three numbers"),
        ("preprocessor_config.json", ["image_std"], [0.5, 0.5, 0], "must be positive"),
        ("preprocessor_config.json", ["image_processor_type"], "ViTX", "the processor 'ViTX'"),
    ],
)
def test_what_contradicts_or_is_not_known_is_told(folder, file, keys, value, message):
    changed(folder / file, *keys, to=value)
    with pytest.raises(InputError, match=message) as caught:
        models.open_folder(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "[" * 100_000, "not a JSON file"),
        ("config.json", '{"model_type": ' + '{"a":' * 500 + "1" + "}" * 501, "a model of type"),
        ("config.json", "[]", "no such model"),
        ("config.json", None, "no model: expected config.json"),
        ("preprocessor_config.json", None, "copy the one that was published with the model"),
        ("preprocessor_config.json", "[]", "expected an object of steps"),
        ("model.safetensors", None, "has no model.safetensors; fetch it again"),
        ("model.safetensors", "damaged", "not a readable safetensors"),
        ("tokenizer.json", "{}", "not a tokenizer.json of the library"),
        ("tokenizer.json", '{"model": {"vocab": {"a": 60}}}', "ids up to 60, the model 60 of them"),
    ],
)
def test_files_that_are_missing_or_no_such_files(folder, name, content, message):
    (folder / name).unlink(missing_ok=True)
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        models.open_folder(folder)


def test_a_pickle_is_not_read(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        InputError, match=r"has pytorch_model.bin but no model\.safet.*would execut"
    ):
        models.open_folder(folder)


def test_no_folder_at_all(tmp_path, folder):
    for path, message in (
        (tmp_path / "none", "no such folder"),
        (folder / "config.json", "a file; give the folder"),
        (tmp_path, "no model: expected config.json"),
    ):
        with pytest.raises(InputError, match=message):
            models.open_folder(path)


def test_extra_numbers_that_are_no_parameters_and_other_types(folder):
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    ids = {
        f"{part}_model.embeddings.position_ids": np.arange(9)[None] for part in ("text", "vision")
    }
    half = {name: array.astype(np.float16) for name, array in tensors.items()}
    safetensors.numpy.save_file(half | ids, path)
    opened = models.open_folder(folder)
    assert all(x.dtype == np.float32 for x in jax.tree.leaves(opened.params))
    np.testing.assert_allclose(
        opened.params["image"]["positions"],
        tensors["vision_model.embeddings.position_embedding.weight"].astype(np.float16),
    )
    safetensors.numpy.save_file(tensors | {"lm_head.weight": np.ones(3, np.float32)}, path)
    with pytest.raises(InputError, match="no place for, 'lm_head"):
        models.open_folder(folder)


def sharded(folder):
    """Cuts the parameters of a folder into two files, and returns their index."""
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    path.unlink()
    names = sorted(tensors)
    places = {
        name: f"model-0000{1 + (i > 20)}-of-00002.safetensors" for i, name in enumerate(names)
    }
    for file in set(places.values()):
        part = {name: tensors[name] for name in names if places[name] == file}
        safetensors.numpy.save_file(part, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index, names


def test_shards_are_one_archive(folder):
    whole = models.open_folder(folder)
    index, names = sharded(folder)
    equal(models.open_folder(folder).params, whole.params)
    first = "model-00001-of-00002.safetensors"
    for file, message in (("../x.safetensors", "no safetensors file of the same folder"),
                          ("/etc/passwd", "no safetensors file of the same folder"),
                          ("other.safetensors", "has the tensor '.*', and the index says otherw"),
                          (first, f"{first} lacks the tensor '{names[-1]}'")):  # fmt: skip
        text = index.read_text()
        changed(index, "weight_map", names[-1], to=file)
        with pytest.raises(InputError, match=message):
            models.open_folder(folder)
        index.write_text(text)
    (folder / first).rename(folder / "away")
    with pytest.raises(InputError, match=f"{first}: no such file"):
        models.open_folder(folder)
    index.write_text("{}")
    with pytest.raises(InputError, match="expected an object with a weight_map"):
        models.open_folder(folder)


def test_links_as_a_download_cache_has_them(folder, tmp_path):
    cache = tmp_path / "models--people--a-clip"
    snapshot = cache / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        os.symlink(path, snapshot / path.name)
    for path in (cache, snapshot):
        opened = models.open_folder(path)
        assert opened.name == "people/a-clip"
        assert opened.identity == models.open_folder(folder).identity
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="a link to a file that is not there"):
        models.open_folder(snapshot)
    (cache / "snapshots" / "other").mkdir()
    with pytest.raises(InputError, match="has 2 snapshots; give the folder of one"):
        models.open_folder(cache)


def test_older_and_newer_ways_of_writing_the_same(folder):
    expected = models.open_folder(folder)
    steps = folder / "preprocessor_config.json"
    for change in ({"size": 32, "crop_size": 32}, {"image_mean": None, "do_pad": None}):
        steps.write_text(json.dumps(STEPS | change))
        opened = models.open_folder(folder)
        assert (opened.scaling, opened.module) == (expected.scaling, expected.module)
    steps.unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": STEPS}))
    assert models.open_folder(folder).scaling == expected.scaling
    config = CLIP_CONFIG | {"vision_config": {}, "vision_config_dict": CLIP_CONFIG["vision_config"]}
    (folder / "config.json").write_text(json.dumps(config))
    assert models.open_folder(folder).module == expected.module


@pytest.mark.parametrize(
    ("steps", "mean", "std"),
    [
        ({"do_normalize": False}, 0.0, 1.0),
        ({"image_mean": 0.5, "image_std": 0.25}, 0.5, 0.25),
        ({"do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}, 0.5, 0.5),
        ({"rescale_factor": 1 / 127.5, "image_mean": [1] * 3, "image_std": [1] * 3}, 0.5, 0.5),
    ],
)
def test_normalisation_is_brought_to_values_from_0_to_1(tmp_path, steps, mean, std):
    """The file's own order, (f x − m)/s, on all 256 values."""
    opened = models.open_folder(written(tmp_path / "a", **steps))
    v = opened.module.variant
    assert v.pixel_mean == pytest.approx((mean,) * 3) and v.pixel_std == pytest.approx((std,) * 3)
    x = np.arange(256)
    m, s = (
        np.mean(steps.get(key, default)) for key, default in (("image_mean", 0), ("image_std", 1))
    )
    scaled = x * steps.get("rescale_factor", 1 / 255) if steps.get("do_rescale", True) else x
    np.testing.assert_allclose((x / 255 - v.pixel_mean[0]) / v.pixel_std[0], (scaled - m) / s)


def test_an_exported_model_of_ours(tmp_path):
    model = model_of("m4jax")
    params = random_params(model)
    models.convert.export(params, tmp_path, model)
    opened = models.open_folder(tmp_path)
    assert (opened.kind, opened.module, opened.scaling.size) == ("m4jax", model, 32)
    equal(opened.params, params)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedError, match="checksum"):
        models.open_folder(tmp_path)


@pytest.mark.parametrize("image_size", [None, 36, 48])
def test_a_file_of_big_vision(tmp_path, image_size):
    sizes = {"mlp_width": 150, "text_width": 48, "text_heads": 4, "text_mlp_width": 70}
    model = model_of("big_vision", **sizes)
    params = random_params(model)
    models.convert.save(params, tmp_path / "b16.npz", model, format="big_vision")
    for path in (tmp_path / "b16.npz", tmp_path):
        opened = models.open_folder(path, image_size=image_size)
        wanted = model_of("big_vision", **sizes, image_size=image_size or 32)
        assert (opened.kind, opened.name, opened.module) == ("big_vision", "b16", wanted)
        assert opened.scaling == models.Scaling(image_size or 32, "squash", "bilinear")
        assert ("size of the pictures is not told" in opened.notes[0]) == (image_size is None)
    if image_size != 48:
        equal(opened.params, params)


def test_other_archives_are_no_models_of_big_vision(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones(3))
    with pytest.raises(InputError, match="not a file of big_vision's SigLIP"):
        models.open_folder(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match="not a readable safetensors or npz"):
        models.open_folder(tmp_path / "b.npz")


def gemma(end="<eos>", template="$A <eos>"):
    """The content of a small tokenizer.json like Gemma's."""
    pieces = ["<pad>", end, "<bos>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "]
    library = Tokenizer(kinds.BPE({p: i for i, p in enumerate(pieces)}, [], unk_token="<unk>"))
    library.post_processor = processors.TemplateProcessing(
        single=template.replace("<eos>", end), special_tokens=[(end, 1), ("<bos>", 2)]
    )
    return library.to_str()


@pytest.mark.parametrize("end", ["<eos>", "</s>", "<other>"])
def test_the_kind_of_tokenizer_is_told_by_its_end(tmp_path, end):
    model = model_of("big_vision", context=12)
    models.convert.save(random_params(model), tmp_path / "a.npz", model, format="big_vision")
    (tmp_path / "tokenizer.json").write_text(gemma(end))
    if end == "<other>":
        with pytest.raises(InputError, match="its piece of id 1 is '<other>'"):
            models.open_folder(tmp_path)
        return
    opened = models.open_folder(tmp_path)
    kind = {"<eos>": "siglip2", "</s>": "siglip"}[end]
    assert opened.tokenizer == f"{kind}:{tmp_path / 'tokenizer.json'}"
    ids = tokenizers.open_named(opened.tokenizer, opened.context)(["Dog"])
    padding = 0 if kind == "siglip2" else 1
    assert ids.tolist() == [[7, 18, 10, 1] + [padding] * 8]


def test_a_folder_of_both_libraries(tmp_path):
    """transformers' files count where they are a model of it; a config.json may be timm's."""
    folder = written(tmp_path / "both")
    part = {"width": 64, "layers": 2, "head_width": 32, "patch_size": 8, "image_size": 32}
    text = {"width": 48, "layers": 3, "heads": 4, "context_length": 9, "vocab_size": 60}
    text |= {"hf_tokenizer_name": "people/vocabulary"}
    model_cfg = {"embed_dim": 40, "vision_cfg": part, "text_cfg": text}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model_cfg}))
    assert models.open_folder(folder).kind == "transformers"
    changed(folder / "config.json", "model_type", to=None)
    with pytest.raises(InputError, match=r"read as open_clip_config\.json says: tensor 'visual"):
        models.open_folder(folder)
    model = model_of("open_clip")
    path = folder / "open_clip_model.safetensors"
    tensors = models.convert.to_peer(random_params(model), model, format="open_clip")
    safetensors.numpy.save_file(tensors, path)
    opened = models.open_folder(folder)
    assert (opened.kind, opened.module) == ("open_clip", model)
    assert "put the tokenizer.json of 'people/vocabulary' into" in opened.notes[0]
    steps = {"mean": [0.5] * 3, "interpolation": "bilinear", "resize_mode": "squash", "size": 999}
    content = {"model_cfg": model_cfg, "preprocess_cfg": steps}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    opened = models.open_folder(folder)
    assert opened.scaling == models.Scaling(32, "squash", "bilinear")  # the model's size counts
    assert opened.module.variant.pixel_mean == (0.5,) * 3
    for change, message in (({"resize_mode": "longest"}, "unknown resize 'longest'"),
                            ({"blur": 3}, "the step blur"), ({"mode": "L"}, "mode is 'L'"),
                            ({"std": [1]}, "expected three numbers")):  # fmt: skip
        content["preprocess_cfg"] = steps | change
        (folder / "open_clip_config.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=message):
            models.open_folder(folder)
