"""What shapes don't show: told by the file, by what lies beside it, or warned of."""

import json

import jax
import numpy as np
import pytest
import safetensors.numpy
from helpers import peers
from helpers.small_models import model_of, random_params

from m4jax.errors import InputError
from m4jax.models import convert
from m4jax.models.convert import positions

CONFIGS = {
    "open_clip": (
        "open_clip_config.json",
        {
            "model_cfg": {
                "embed_dim": 40,
                "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8,
                               "head_width": 32},
                "text_cfg": {"context_length": 9, "vocab_size": 60, "width": 48, "heads": 4,
                             "layers": 3},
            },
            "preprocess_cfg": {
                "mean": [0.48145466, 0.4578275, 0.40821073],
                "std": [0.26862954, 0.26130258, 0.27577711],
            },
        },
    ),
    "transformers": (
        "config.json",
        {
            "model_type": "clip",
            "projection_dim": 40,
            "vision_config": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
                              "patch_size": 8, "image_size": 32, "hidden_act": "gelu",
                              "intermediate_size": 256},
            "text_config": {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
                            "max_position_embeddings": 9, "vocab_size": 60, "hidden_act": "gelu",
                            "intermediate_size": 192},
        },
    ),
}  # fmt: skip


def without_metadata(folder, format, model, params, name="model.safetensors", **more):
    """A peer's file as the peer writes it."""
    tensors = convert.to_peer(params, model, format=format) | more
    safetensors.numpy.save_file(tensors, folder / name, metadata={"format": "pt"})
    return folder / name


def equal(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(params=["open_clip", "transformers"])
def peer(request, tmp_path):
    """Format, model, parameters, file, and the configuration beside it."""
    format, model = request.param, model_of(request.param)
    params = random_params(model)
    path = without_metadata(tmp_path, format, model, params)
    name, config = CONFIGS[format]
    (tmp_path / name).write_text(json.dumps(config))
    return format, model, params, path, tmp_path / name


def test_a_configuration_beside_the_file_is_compared(peer):
    format, model, params, path, beside = peer
    equal(convert.load(path, model, format=format), params)
    with pytest.raises(
        InputError, match=f"{beside.name} says that activation is 'gelu'.*models.cr"
    ):
        convert.load(path, model_of(format, activation="quick_gelu"), format=format)
    wrong = model_of(format, heads=4, text_heads=2)
    with pytest.raises(
        InputError, match=r"heads is 2, text_heads is 4, but.*heads=2, text_heads=4"
    ):
        convert.load(path, wrong, format=format)
    with pytest.raises(InputError, match="the argument `activation` says that"):
        convert.load(path, model, format=format, activation="quick_gelu")


def test_without_a_configuration_a_warning_tells_what_is_not_known(peer):
    format, model, params, path, beside = peer
    beside.unlink()
    message = r"nothing tells that its activation \('gelu'\) and heads \(2\) and text_heads \(4\) a"
    with pytest.warns(UserWarning, match=message):
        equal(convert.load(path, model, format=format), params)
    common = model_of(format, width=128, text_width=64, text_heads=1)
    params = random_params(common)
    path = without_metadata(path.parent, format, common, params)
    equal(convert.load(path, common, format=format, activation="gelu"), params)
    with pytest.raises(InputError, match="'quick_gelu', but the model has activation='gelu'"):
        convert.load(path, common, format=format, activation="quick_gelu")
    for name, activation in (("vit_b_32-quickgelu-laion400m.safetensors", "quick_gelu"),
                             ("ViT-B-32-laion2B-s34B.safetensors", "gelu")):  # fmt: skip
        named = path.rename(path.with_name(name))
        right = model_of(format, width=128, text_width=64, text_heads=1, activation=activation)
        convert.load(named, right, format=format)
        wrong = {"gelu": "quick_gelu", "quick_gelu": "gelu"}[activation]
        wrong = model_of(format, width=128, text_width=64, text_heads=1, activation=wrong)
        with pytest.raises(InputError, match=f"says that activation is '{activation}'"):
            convert.load(named, wrong, format=format)
        path = named


def test_openais_files_are_known_by_their_tensors(tmp_path):
    sizes = {"width": 128, "text_width": 64, "text_heads": 1}
    model = model_of("open_clip", **sizes)
    more = {name: np.array(7) for name in ("input_resolution", "context_length", "vocab_size")}
    path = without_metadata(tmp_path, "open_clip", model, random_params(model), **more)
    convert.load(path, model_of("open_clip", activation="quick_gelu", **sizes), format="open_clip")
    with pytest.raises(InputError, match=r"OpenAI's, by its tensors.*'quick_gelu'"):
        convert.load(path, model, format="open_clip")


@pytest.mark.parametrize("format", ["open_clip", "transformers", "m4jax"])
def test_what_we_save_tells_it_itself(tmp_path, format):
    model = model_of(format)
    convert.save(random_params(model), tmp_path / "a.safetensors", model, format=format)
    for change in ({"heads": 4}, {"pixel_mean": (0.5, 0.5, 0.5)}, {"activation": "quick_gelu"}):
        if model_of(format, **change).variant == model.variant:
            change = {"activation": "gelu"}
        with pytest.raises(InputError, match=f"says that {next(iter(change))} is"):
            convert.load(tmp_path / "a.safetensors", model_of(format, **change), format=format)
    if format == "m4jax":
        convert.export(random_params(model), tmp_path / "out", model)
        with pytest.raises(InputError, match=r"model\.json says that heads is 2"):
            convert.load(tmp_path / "out", model_of(format, heads=4), format=format)
        equal(convert.load(tmp_path / "out", model, format=format), random_params(model))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "not a JSON file"),
        ("[1]", "no such model"),
        ('{"model_cfg": 3}', "no such model"),
        ('{"vision_cfg": {"layers": [3, 4]}, "text_cfg": {}, "embed_dim": 40}', "depth is"),
        ('{"vision_cfg": {"head_width": 0}, "text_cfg": {}, "embed_dim": 40}', "ZeroDivision"),
        ('{"vision_cfg": {"pool_type": "avg"}, "text_cfg": {}, "embed_dim": 1}', "pool_type is"),
        ('{"vision_cfg": {}, "text_cfg": {"act_kwargs": {"a": 1}}, "embed_dim": 1}', "act_kwargs"),
    ],
)
def test_configurations_of_other_models(tmp_path, content, message):
    model = model_of("open_clip")
    path = without_metadata(tmp_path, "open_clip", model, random_params(model))
    (tmp_path / "open_clip_config.json").write_text(content)
    with pytest.raises(InputError, match=message):
        convert.load(path, model, format="open_clip")
    (tmp_path / "open_clip_config.json").unlink()
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match=r"config\.json: a model of type 'bert'.*move it away"):
        convert.load(path, model, format="open_clip")


@pytest.fixture
def tensors():
    model = model_of("open_clip")
    return model, convert.to_peer(random_params(model), model, format="open_clip")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named(tensors, bad):
    model, tensors = tensors
    tensors["visual.proj"] = tensors["visual.proj"].copy()
    tensors["visual.proj"][3, 4] = bad
    with pytest.raises(InputError, match=r"'visual.proj': 1 of its 2,560 numbers are NaN or inf"):
        convert.from_peer(tensors, model, format="open_clip")


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "bool", "complex64", "float8_e4m3fn"])
def test_weights_that_are_not_floats_are_refused(tensors, dtype):
    model, tensors = tensors
    dtype = np.dtype(getattr(jax.numpy, dtype) if "8_" in dtype else dtype)
    with pytest.raises(InputError, match=r"'ln_final.bias' is of type .*quantised"):
        convert.from_peer(
            tensors | {"ln_final.bias": tensors["ln_final.bias"].astype(dtype)},
            model, format="open_clip",
        )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats_are_taken(tensors, dtype):
    model, tensors = tensors
    dtype = np.dtype(jax.numpy.bfloat16 if dtype == "bfloat16" else dtype)
    rounded = {name: array.astype(dtype) for name, array in tensors.items()}
    expected = {name: array.astype(np.float32) for name, array in rounded.items()}
    equal(*(convert.from_peer(x, model, format="open_clip") for x in (rounded, expected)))
    if dtype == np.float64:
        with pytest.raises(InputError, match="'logit_scale': 1 of its 1 numbers"):
            convert.from_peer(rounded | {"logit_scale": np.array(1e300)}, model, format="open_clip")


def test_names_are_freed_of_what_wraps_all_of_them(tensors):
    model, tensors = tensors
    expected = convert.from_peer(tensors, model, format="open_clip")

    def named(prefix):
        return {f"{prefix}{name}": array for name, array in tensors.items()}

    wrapped = [named("module."), named("_orig_mod."), named("module._orig_mod."), named("model.")]
    wrapped += [{"epoch": 3, "state_dict": named("module.")}, {"model": {"state_dict": tensors}}]
    for given in wrapped:
        equal(convert.from_peer(given, model, format="open_clip"), expected)
    for shape in ((1,), (), (1, 1)):
        given = tensors | {"logit_scale": tensors["logit_scale"].reshape(shape)}
        equal(convert.from_peer(given, model, format="open_clip"), expected)
    with pytest.raises(InputError, match="is missing"):
        convert.from_peer(tensors | {"module.x": tensors.pop("logit_scale")}, model,
                          format="open_clip")  # fmt: skip
    with pytest.raises(InputError, match="is missing"):
        convert.from_peer({}, model, format="open_clip")


# PyTorch 2.13's interpolate(grid, (m, m), mode="bicubic") of 7·i mod 11, i = 0, 1, …, n² − 1.
BICUBIC = {
    (3, 5, True): [
        [-1.345674, 2.170797, 7.075471, 4.829062, 2.773585],
        [3.315123, 4.833315, 6.69403, 4.237691, 2.392143],
        [10.301887, 8.77612, 6.0, 3.22388, 1.698113],
        [10.137566, 8.401871, 5.30597, 2.507797, 1.004083],
        [9.226415, 7.700648, 4.924528, 2.148409, 0.622642],
    ],
    (3, 5, False): [
        [-1.733375, 2.45373, 7.096001, 5.228031, 2.712001],
        [3.689731, 5.300017, 6.683999, 4.432703, 2.3],
        [10.384001, 8.735998, 6.0, 3.264001, 1.616001],
        [10.568031, 8.536701, 5.316001, 2.522978, 0.932001],
        [9.288003, 7.639998, 4.904001, 2.168002, 0.52],
    ],
    (5, 2, True): [[4.232428, 5.904101], [4.453958, 4.585136]],
    (5, 2, False): [[8.191544, 3.690399], [3.094879, 4.335938]],
}


@pytest.mark.parametrize(("n", "m", "antialias"), BICUBIC)
def test_positions_are_interpolated_as_pytorch_does(n, m, antialias):
    grid = (np.arange(n * n) * 7 % 11).reshape(n, n)
    matrix = positions.bicubic(n, m, antialias=antialias)
    np.testing.assert_allclose(matrix @ grid @ matrix.T, BICUBIC[n, m, antialias], atol=2e-5)


@pytest.mark.parametrize(("n", "m"), [(3, 5), (7, 12), (12, 7), (4, 1), (1, 3)])
def test_positions_are_interpolated_as_scipy_does(n, m):
    zoom = pytest.importorskip("scipy.ndimage").zoom
    grid = np.random.default_rng(0).normal(size=(n, n))
    matrix = positions.linear(n, m)
    np.testing.assert_allclose(matrix @ grid @ matrix.T, zoom(grid, m / n, order=1), atol=1e-12)


@pytest.mark.parametrize("format", ["open_clip", "transformers", "big_vision"])
def test_a_file_for_pictures_of_another_size(format):
    model, larger = model_of(format), model_of(format, image_size=48)
    params = random_params(model)
    tensors = convert.to_peer(params, model, format=format)
    found = convert.from_peer(tensors, larger, format=format)
    ours, theirs = found["image"].pop("positions"), params["image"].pop("positions")
    before = int(model.variant.pooling == "class")
    np.testing.assert_array_equal(ours[:before], theirs[:before])
    matrix = convert.FORMATS[format].interpolation(4, 6)
    expected = np.einsum("yi,xj,ijd->yxd", matrix, matrix, theirs[before:].reshape(4, 4, -1))
    np.testing.assert_allclose(ours[before:].reshape(6, 6, -1), expected, rtol=1e-5, atol=1e-7)
    equal(found, params)
    with pytest.raises(InputError, match=r"expected shape"):
        convert.from_peer(tensors, model_of(format, image_size=48, patch_size=4), format=format)
    own = model_of("m4jax")
    tensors = convert.to_peer(random_params(own), own, format="m4jax")
    with pytest.raises(InputError, match=r"expected shape \(37, 64\), got \(17, 64\)"):
        convert.from_peer(tensors, model_of("m4jax", image_size=48), format="m4jax")


def test_positions_equal_open_clips():
    torch, format = peers.torch(), "open_clip"
    model, larger = model_of(format), model_of(format, image_size=48)
    peer = peers.open_clip_model(larger.variant, "gelu")
    from open_clip.model import resize_pos_embed

    tensors = convert.to_peer(random_params(model), model, format=format)
    state = {name: torch.tensor(array) for name, array in tensors.items()}
    resize_pos_embed(state, peer)
    ours = convert.from_peer(tensors, larger, format=format)["image"]["positions"]
    np.testing.assert_allclose(ours, state["visual.positional_embedding"].numpy(), atol=1e-6)


@pytest.mark.parametrize("name", ["transformers", "big_vision"])
def test_positions_equal_transformers(name):
    torch = peers.torch()
    model, larger = model_of(name), model_of(name, image_size=48)
    params = random_params(model)
    peer = peers.transformers_model(model.variant)
    tensors = convert.to_peer(params, model, format="transformers")
    peer.load_state_dict({k: torch.tensor(x) for k, x in tensors.items()}, strict=False)
    with torch.no_grad():
        theirs = peer.vision_model.embeddings.interpolate_pos_encoding(
            torch.zeros(1, 37 - int(name == "big_vision"), 64), 48, 48
        )[0]
    ours = convert.from_peer(tensors, larger, format="transformers")["image"]["positions"]
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


def test_configurations_are_those_that_peers_write(tmp_path):
    peers.torch()
    for name in ("transformers", "big_vision"):
        model = model_of(name)
        params, folder = random_params(model), tmp_path / name
        peers.transformers_model(model.variant).config.save_pretrained(folder)
        path = without_metadata(folder, "transformers", model, params)
        equal(convert.load(path, model, format="transformers"), params)
        with pytest.raises(InputError, match=r"config\.json says that activation is"):
            convert.load(path, model_of(name, activation="relu"), format="transformers")
