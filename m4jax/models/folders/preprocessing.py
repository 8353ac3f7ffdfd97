"""What a folder's own files say of how pictures become a model's input."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from m4jax import files
from m4jax.errors import InputError, nearest
from m4jax.models.convert.configurations import square
from m4jax.models.scaling import Scaling

PROCESSOR, NESTED = "preprocessor_config.json", "processor_config.json"
_RESAMPLE = {1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
_OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
_HALF = (0.5, 0.5, 0.5)

# Keys that say nothing of what is done to a picture.
_SILENT = (
    *("image_processor_type", "feature_extractor_type", "processor_class", "auto_map"),
    *("_valid_processor_keys", "return_tensors", "data_format", "input_data_format", "device"),
    *("disable_grouping", "default_to_square", "do_convert_rgb", "_processor_class"),
    *("_name_or_path", "transformers_version"),
)
# transformers' own values where a file leaves them out, by the kind of processor.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "CLIP": {
        "size": {"shortest_edge": 224},
        "crop_size": {"height": 224, "width": 224},
        "do_center_crop": True,
        "image_mean": _OPENAI_MEAN,
        "image_std": _OPENAI_STD,
    },
    "Siglip": {
        "size": {"height": 224, "width": 224},
        "crop_size": None,
        "do_center_crop": None,
        "image_mean": _HALF,
        "image_std": _HALF,
    },
    "Siglip2": {
        "patch_size": 16,
        "max_num_patches": 256,
        "resample": 2,
        "image_mean": _HALF,
        "image_std": _HALF,
    },
}
_COMMON = {
    "do_resize": True, "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True,
}  # fmt: skip
_OPEN_CLIP = {
    "size": 224, "mode": "RGB", "mean": _OPENAI_MEAN, "std": _OPENAI_STD,
    "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0,
}  # fmt: skip
_ENDINGS = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "FeatureExtractor")
KINDS = {kind + ending: kind for kind in _DEFAULTS for ending in _ENDINGS}


class Preprocessing(NamedTuple):
    """How pictures become input: scaled, then (x/255 − mean)/std for x from 0 to 255."""

    scaling: Scaling
    mean: tuple[float, ...]
    std: tuple[float, ...]


def transformers(folder: Path, kind: str) -> Preprocessing:
    """Returns what a folder's `preprocessor_config.json` says.

    Args:
        folder: of transformers; newer ones have it as a part of `processor_config.json`.
        kind: "CLIP", "Siglip" or "Siglip2", if the file does not say it itself.

    Raises:
        InputError: if there is none, or it has a step that there is not here.
    """
    path, content = _found(folder)
    try:
        return _read(content, kind)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (TypeError, KeyError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{path}: not what transformers writes: {error!r:.200}") from None


def open_clip(content: Mapping[str, Any], size: int, source: str) -> Preprocessing:
    """Returns what the `preprocess_cfg` of an open_clip_config.json says, or open_clip's defaults.

    Args:
        content: of the file.
        size: of the model's pictures, which counts whatever stands there.
        source: what to call the file in an error.
    """
    told = content.get("preprocess_cfg") or {}
    try:
        steps = {key: value for key, value in told.items() if value is not None}
        odd = next((key for key in steps if key not in _OPEN_CLIP), None)
        if odd is not None:
            raise InputError(f"the step {odd} ({steps[odd]!r:.60}) is not known here")
        steps = _OPEN_CLIP | steps
        if steps["mode"] != "RGB":
            raise InputError(f"mode is {steps['mode']!r:.40}; expected RGB")
        # "random" is of training; without it pictures are scaled bicubically.
        interpolation = {"random": "bicubic"}.get(steps["interpolation"], steps["interpolation"])
        scaling = Scaling(size, steps["resize_mode"], interpolation, cut="round")
        return Preprocessing(scaling, *(_three(steps[key], key) for key in ("mean", "std")))
    except InputError as error:
        raise InputError(f"{source}: preprocess_cfg: {error}") from None
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{source}: preprocess_cfg is not open_clip's: {error!r:.200}") from None


def _found(folder: Path) -> tuple[Path, Mapping[str, Any]]:
    """Returns where the steps are told, and what."""
    path = folder / PROCESSOR
    content = files.read_json(path) if path.is_file() else None
    if content is None and (folder / NESTED).is_file():
        path = folder / NESTED
        content = files.read_json(path)
        content = content.get("image_processor") if isinstance(content, Mapping) else content
    if content is None:
        raise InputError(
            f"{folder}: has no {PROCESSOR}, which tells size, mean and standard deviation of the "
            "pictures; copy the one that was published with the model into the folder, or save "
            "the model's image processor there (save_pretrained)"
        )
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: expected an object of steps")
    return path, content


def _read(content: Mapping[str, Any], kind: str) -> Preprocessing:
    name = content.get("image_processor_type") or content.get("feature_extractor_type")
    if name is not None:
        if name not in KINDS:
            raise InputError(f"the processor {name!r:.60}; {nearest(str(name), KINDS)}")
        kind = KINDS[name]
    known = _COMMON | _DEFAULTS[kind]
    for key, value in content.items():
        if key not in known and key not in _SILENT and value not in (None, False):
            raise InputError(
                f"the step {key} ({value!r:.60}) is not known here; if it changes nothing, set it "
                "to null"
            )
    # Where a file has no value, or null, the processor's own default counts.
    told = {key: value for key, value in content.items() if key in known and value is not None}
    steps = known | told
    mean, std = _normalisation(steps)
    return Preprocessing(_scaling(steps) if "size" in steps else _naflex(steps), mean, std)


def _naflex(steps: Mapping[str, Any]) -> Scaling:
    """Returns what is done to a square picture: all others are cut to their middle first."""
    interpolation = _interpolation(steps)
    side = math.isqrt(steps["max_num_patches"]) * steps["patch_size"]
    return Scaling(side, "shortest", interpolation, cut="floor")


def _interpolation(steps: Mapping[str, Any]) -> str:
    if not steps["do_resize"]:
        raise InputError("do_resize is false: the model would get pictures of any size")
    if steps["resample"] not in _RESAMPLE:
        raise InputError(f"resample is {steps['resample']!r}; expected one of {_RESAMPLE}")
    return _RESAMPLE[steps["resample"]]


def _scaling(steps: Mapping[str, Any]) -> Scaling:
    interpolation = _interpolation(steps)
    size, crop = steps["size"], steps["crop_size"] if steps["do_center_crop"] else None
    if isinstance(size, int):  # older files
        size = {"shortest_edge": size} if crop else {"height": size, "width": size}
    if set(size) == {"shortest_edge"}:
        resize, edge = "shortest", size["shortest_edge"]
    elif set(size) == {"height", "width"}:
        resize, edge = "squash", square([size["height"], size["width"]], "size")
    else:
        raise InputError(f"size is {size!r:.80}; expected shortest_edge, or height and width")
    side = edge
    if crop is not None:
        side = (
            crop if isinstance(crop, int) else square([crop["height"], crop["width"]], "crop_size")
        )
    elif resize == "shortest":
        raise InputError("do_center_crop is false: pictures would not become squares")
    if type(side) is not int or type(edge) is not int:
        raise InputError(f"size {size!r:.60} and crop_size {crop!r:.60}: expected whole numbers")
    edge = None if edge == side else edge
    return Scaling(side, resize, interpolation, edge, "floor")


def _normalisation(steps: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns mean and standard deviation of values from 0 to 1.

    Pictures scaled by a factor f and normalised, (f x − m)/s, are (x/255 − m/(255 f))/(s/(255 f)).
    """
    mean, std = (0.0,) * 3, (1.0,) * 3
    if steps["do_normalize"]:
        mean, std = (_three(steps[key], key) for key in ("image_mean", "image_std"))
    factor = 255 * float(steps["rescale_factor"]) if steps["do_rescale"] else 255.0
    if not factor > 0:
        raise InputError(f"rescale_factor is {steps['rescale_factor']!r}; expected more than 0")
    if abs(factor - 1) < 1e-9:
        return mean, std
    return tuple(m / factor for m in mean), tuple(s / factor for s in std)


def _three(value: Any, key: str) -> tuple[float, ...]:
    """Returns a number for each channel."""
    values = value if isinstance(value, list | tuple) else [value] * 3
    if len(values) != 3 or not all(isinstance(x, int | float) for x in values):
        raise InputError(f"{key} is {value!r:.60}; expected three numbers")
    return tuple(float(x) for x in values)
