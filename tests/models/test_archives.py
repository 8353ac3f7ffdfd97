"""Archives that are damaged, hostile or of another kind end in one line."""

import functools
import io
import json
import struct
import warnings
import zipfile

import jax
import numpy as np
import pytest
import safetensors.numpy
from helpers.damage import damages
from helpers.small_models import model_of, random_params

from m4jax import files
from m4jax.errors import DamagedError, InputError
from m4jax.models import convert
from m4jax.models.convert import archives

MOST = 1 << 20


def zipped(entries, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(text, content=b""):
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + content


def claims(shape, descr="<f4"):
    return header(str({"descr": descr, "fortran_order": False, "shape": shape}))


def encrypted():
    content = bytearray(zipped({"a.npy": npy(np.ones(3))}))
    at = content.index(b"PK\1\2")
    content[6] |= 1
    content[at + 8] |= 1
    return bytes(content)


def odd_compression():
    content = bytearray(zipped({"a.npy": npy(np.ones(3))}))
    at = content.index(b"PK\1\2")
    content[8] = content[at + 10] = 77
    return bytes(content)


def safe(header_, content=b""):
    text = header_ if isinstance(header_, bytes) else json.dumps(header_).encode()
    return struct.pack("<Q", len(text)) + text + content


HOSTILE = {
    "npy.npz": (npy(np.ones(3)), "a single array"),
    "empty.npz": (b"", "not a readable"),
    "text.npz": (b"no model at all", "not a readable"),
    "cut.npz": (zipped({"a.npy": npy(np.ones(300))})[:-90], "not a readable"),
    "encrypted.npz": (encrypted(), "not a readable.*(encrypted|password)"),
    "odd.npz": (odd_compression(), "not a readable.*compression"),
    "bomb.npz": (
        zipped({"a.npy": bytes(1 << 24)}, compression=zipfile.ZIP_DEFLATED),
        "take 16,777,216 bytes, and those of this model at most 1,048,576",
    ),
    "claim.npz": (zipped({"a.npy": claims((2**45,))}), "not a readable.*has 0 bytes"),
    "negative.npz": (zipped({"a.npy": claims((-1, -4))}), "not a readable.*of shape"),
    "deep.npz": (zipped({"a.npy": header("(" * 5000)}), "not a readable"),
    "long.npz": (zipped({"a.npy": header(" " * 20_000)}), "header is too long"),
    "objects.npz": (zipped({"a.npy": npy(np.array([{}], object))}), "not numbers"),
    "text_array.npz": (zipped({"a.npy": npy(np.array(["a"]))}), "not numbers"),
    "fields.npz": (zipped({"a.npy": npy(np.zeros(2, "f4,f4"))}), "not numbers"),
    "no_npy.npz": (zipped({"a.npy": b"hello"}), "no .npy file"),
    "text.safetensors": (b"no model at all", "not a readable"),
    "empty.safetensors": (b"", "not a readable"),
    "large_header.safetensors": (struct.pack("<Q", 2**60), "not a readable"),
    "deep.safetensors": (safe(b"[" * 100_000), "not a readable"),
    "deep_key.safetensors": (safe(b'{"a":' * 100_000), "not a readable"),
    "claim.safetensors": (
        safe({"a": {"dtype": "F32", "shape": [2**45], "data_offsets": [0, 2**47]}}),
        "not a readable",
    ),
    "negative.safetensors": (
        safe({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
        "not a readable",
    ),
    "eight.safetensors": (
        safe({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4)),
        "'a' is of type F8_E4M3.*quantised",
    ),
    "large.safetensors": (
        safe({"a": {"dtype": "F32", "shape": [2**19], "data_offsets": [0, 2**21]}}, bytes(2**21)),
        "of another model, or carries more",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(tmp_path, name):
    content, message = HOSTILE[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        archives.read(tmp_path / name, MOST)


def test_a_name_twice_and_a_folder(tmp_path):
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive:
        warnings.simplefilter("ignore")
        for value in (1, 2):
            archive.writestr("a.npy", npy(np.full(3, value)))
    with pytest.raises(InputError, match="a name stands twice"):
        archives.read(tmp_path / "twice.npz", MOST)
    with pytest.raises(InputError, match="no such file"):
        archives.read(tmp_path, MOST)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bfloat16", "int8", "bool"])
def test_arrays_of_numbers_come_back(tmp_path, dtype):
    numbers = np.arange(12).reshape(3, 4)
    if dtype == "bfloat16":
        import jax.numpy as jnp

        array = np.asarray(jnp.asarray(numbers, jnp.bfloat16))
    else:
        array = numbers.astype(dtype)
    arrays = {"a/b": array, "c": np.asfortranarray(array), "d": array[0, 1]}
    np.savez(tmp_path / "a.npz", **arrays)
    safetensors.numpy.save_file(
        {k: np.ascontiguousarray(x) for k, x in arrays.items()}, tmp_path / "a.safetensors"
    )
    for name in ("a.npz", "a.safetensors"):
        found = archives.read(tmp_path / name, MOST).tensors
        assert set(found) == set(arrays)
        for key, expected in arrays.items():
            assert found[key].dtype == expected.dtype
            np.testing.assert_array_equal(found[key].reshape(expected.shape), expected)


TINY = {"width": 8, "heads": 1, "text_width": 8, "text_heads": 1, "embed": 8, "depth": 1}
TINY |= {"text_depth": 1, "vocab_size": 4, "context": 3, "image_size": 4, "patch_size": 2}


@functools.cache
def tiny(format):
    model = model_of(format, **TINY)
    return model, random_params(model)


@pytest.mark.filterwarnings("ignore")  # of metadata that are lost: nothing tells the activation
@pytest.mark.parametrize(
    "count", [40, pytest.param(4000, marks=pytest.mark.long)], ids=["short", "long"]
)
@pytest.mark.parametrize("format", ["open_clip", "transformers", "big_vision", "m4jax"])
def test_damaged_archives_are_read_or_refused(tmp_path, format, count):
    """What we saved is read as it was, or refused; peers' safetensors files have no checksum."""
    model, params = tiny(format)
    path = tmp_path / f"a{convert.FORMATS[format].suffix}"
    convert.save(params, path, model, format=format)
    refused = 0
    for damaged in damages(path.read_bytes(), count):
        path.write_bytes(damaged)
        try:
            found = convert.load(path, model, format=format)
        except InputError:
            refused += 1
        else:
            jax.tree.map(np.testing.assert_array_equal, found, params)
    assert refused >= count / 2


@pytest.mark.parametrize(
    "count", [60, pytest.param(2000, marks=pytest.mark.long)], ids=["short", "long"]
)
@pytest.mark.parametrize("file", ["model.json", "model.safetensors"])
def test_every_damage_of_an_exported_model_is_noticed(tmp_path, file, count):
    model, params = tiny("m4jax")
    convert.export(params, tmp_path, model)
    variant = files.read_sealed(tmp_path / "model.json")
    content = (tmp_path / file).read_bytes()
    for damaged in damages(content, count):
        (tmp_path / file).write_bytes(damaged)
        try:
            convert.read_model(tmp_path)
        except InputError:
            continue
        assert file == "model.json"  # white space between its tokens says nothing
        assert files.read_sealed(tmp_path / file) == variant


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": "text"}, "image_size: expected int, got 'text'"),
        ({"dtype": "float8"}, "dtype: expected 'float32' or 'bfloat16'"),
        ({"pixel_mean": [0.5, "a", 0.5]}, "pixel_mean.1.: expected float"),
        ({"pixel_std": [0.5, 0.0, 0.5]}, "pixel_std"),
        ({"heads": 3}, "width must be a multiple of heads"),
        ({"more": 1}, "unknown field .*more"),
    ],
)
def test_an_exported_model_of_wrong_fields(tmp_path, change, message):
    model, params = tiny("m4jax")
    convert.export(params, tmp_path, model)
    content = files.read_sealed(tmp_path / "model.json")
    files.write_sealed(tmp_path / "model.json", content | {"variant": content["variant"] | change})
    with pytest.raises(InputError, match=message):
        convert.read_model(tmp_path)


def test_an_exported_model_that_is_not_whole(tmp_path):
    model, params = tiny("m4jax")
    convert.export(params, tmp_path, model)
    (tmp_path / "model.safetensors").rename(tmp_path / "b")
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        convert.read_model(tmp_path)
    (tmp_path / "model.json").write_text('{"version": 1, "variant": {}, "model_sha256": ""}')
    with pytest.raises(DamagedError, match="earlier version"):
        convert.read_model(tmp_path)
    (tmp_path / "model.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match=r"model\.json"):
        convert.read_model(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(InputError, match="no such file"):
        convert.read_model(tmp_path)
