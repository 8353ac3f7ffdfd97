"""Opening a folder, whatever its kind."""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from m4jax import files
from m4jax.errors import InputError
from m4jax.models import convert
from m4jax.models.convert import configurations
from m4jax.models.convert.api import MODEL, VARIANT
from m4jax.models.convert.archives import INDEX
from m4jax.models.convert.open_clip_config import open_clip
from m4jax.models.folders import big_vision, pieces, preprocessing
from m4jax.models.folders.opened import Opened
from m4jax.models.scaling import Scaling
from m4jax.models.two_towers import TwoTowers
from m4jax.models.variants import Variant

CONFIG, OPEN_CLIP = "config.json", "open_clip_config.json"
OPEN_CLIP_MODEL = "open_clip_model.safetensors"
_PROCESSORS = {"clip": "CLIP", "siglip": "Siglip", configurations.NAFLEX: "Siglip2"}
_SQUARES = (
    "the model takes pictures of any proportion (NaFlex); here each is cut to the square in its "
    "middle, which it embeds as transformers embeds that square"
)
_ELSEWHERE = (
    *("pytorch_model.bin", "open_clip_pytorch_model.bin", "pytorch_model.bin.index.json"),
    *("tf_model.h5", "flax_model.msgpack"),
)


def open_folder(path: str | os.PathLike, *, image_size: int | None = None) -> Opened:
    """Returns the model of a folder, with its tokenizer and its way with pictures.

    A folder is one of transformers (`config.json`, `model.safetensors`, also in shards with an
    index, `preprocessor_config.json`, `tokenizer.json`), of open_clip (`open_clip_config.json`,
    `open_clip_model.safetensors`, a tokenizer's files) or an exported model of ours
    (`model.json`). All sizes are those of its configuration. One that is of both libraries is
    opened as transformers'. A SigLIP of big_vision is one npz file, whose shapes tell the sizes.

    Args:
        path: of the folder, or of an npz file.
        image_size: for pictures of another size than the model's own, in pixels: its positions
            are interpolated as the folder's library does it.

    Raises:
        InputError: if a file is missing, unreadable or contradicts another one, or the model is
            of a kind that there is not here; with what to do.
    """
    path = _resolved(Path(path))
    opener = _big_vision if path.is_file() else _opener(path)
    return opener(path, image_size)


def _resolved(path: Path) -> Path:
    """Returns a folder or a file of big_vision; a download cache leads to its one snapshot."""
    if not path.exists():
        raise InputError(
            f"{path}: no such folder; give that of a model's configuration and weights"
        )
    if not path.is_dir():
        if path.suffix == ".npz":
            return path
        raise InputError(f"{path}: a file; give the folder in which it lies")
    snapshots = path / "snapshots"
    if snapshots.is_dir() and not (path / CONFIG).exists():
        found = sorted(entry for entry in snapshots.iterdir() if entry.is_dir())
        if len(found) != 1:
            raise InputError(f"{snapshots}: has {len(found)} snapshots; give the folder of one")
        return found[0]
    archives = sorted(path.glob("*.npz"))
    named = any((path / name).exists() for name in (CONFIG, OPEN_CLIP, VARIANT))
    return archives[0] if len(archives) == 1 and not named else path


def _opener(folder: Path) -> Callable[[Path, int | None], Opened]:
    if (folder / VARIANT).is_file():
        return _ours
    if (folder / OPEN_CLIP).is_file():
        both = (folder / CONFIG).is_file() and _weights(folder, MODEL) is not None
        return _transformers if both and _is_transformers(folder / CONFIG) else _open_clip
    if (folder / CONFIG).is_file():
        return _transformers
    names = sorted(entry.name for entry in folder.iterdir())
    shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
    raise InputError(
        f"{folder}: no model: expected {CONFIG} (transformers), {OPEN_CLIP} or {VARIANT} (an "
        f"exported model); "
        f"it has {shown or 'nothing'}"
    )


def _is_transformers(path: Path) -> bool:
    """Whether a config.json is of a model of transformers; timm has files of that name as well."""
    content = files.read_json(path)
    return isinstance(content, dict) and content.get("model_type") in list(_PROCESSORS)


def weights_of(folder: Path, name: str) -> Path:
    """Returns a folder's file of parameters, or the index of several.

    Raises:
        InputError: if there is none; saying so if it has a format that is not read.
    """
    found = _weights(folder, name)
    if found is not None:
        return found
    if (folder / name).is_symlink():
        raise InputError(f"{folder / name}: a link to a file that is not there; fetch it again")
    other = next((other for other in _ELSEWHERE if (folder / other).exists()), None)
    if other is not None:
        raise InputError(
            f"{folder}: has {other} but no {name}; save it as safetensors (with the library that "
            "wrote it), as reading it would execute what it contains"
        )
    raise InputError(f"{folder}: has no {name}; fetch it again, or give another folder")


def _weights(folder: Path, name: str) -> Path | None:
    """Returns a folder's file of parameters, or the index of several, if there is one."""
    paths = (folder / name, folder / (name.removesuffix(".safetensors") + INDEX))
    return next((path for path in paths if path.is_file()), None)


def _ours(folder: Path, image_size: int | None) -> Opened:
    if image_size is not None:
        raise InputError(f"{folder}: an exported model takes pictures of its own size only")
    module, params = convert.read_model(folder)
    scaling = Scaling(module.variant.image_size)
    read = [folder / VARIANT, folder / MODEL]
    return _opened(folder, "m4jax", module, params, scaling, read)


def _transformers(folder: Path, image_size: int | None) -> Opened:
    config = files.read_json(folder / CONFIG)
    fields = configurations.read(config, configurations.transformers, str(folder / CONFIG))
    kind = _PROCESSORS[config["model_type"]]
    if kind == "Siglip2" and image_size is not None:
        raise InputError(f"{folder}: a NaFlex model is opened at its own number of patches only")
    steps = preprocessing.transformers(folder, kind)
    fields += [("pixel_mean", steps.mean), ("pixel_std", steps.std)]
    variant = configurations.variant(fields, str(folder / CONFIG))
    if steps.scaling.size != variant.image_size:
        raise InputError(
            f"{folder}: its pictures are cut to {steps.scaling.size} pixels "
            f"({preprocessing.PROCESSOR}), and its model takes {variant.image_size} ({CONFIG})"
        )
    weights = weights_of(folder, MODEL)
    resized, scaling = at_size(variant, steps.scaling, image_size)
    params = parameters(weights, resized, "transformers", folder / CONFIG)
    read = [folder / CONFIG, weights, *_shards(weights)]
    for name in (preprocessing.PROCESSOR, preprocessing.NESTED):
        read += [folder / name] if (folder / name).is_file() else []
    opened = _opened(folder, "transformers", TwoTowers(resized), params, scaling, read)
    return dataclasses.replace(opened, notes=opened.notes + ((_SQUARES,) * (kind == "Siglip2")))


def _open_clip(folder: Path, image_size: int | None) -> Opened:
    config = folder / OPEN_CLIP
    content = files.read_json(config)
    fields = configurations.read(content, open_clip, str(config))
    steps = preprocessing.open_clip(content, dict(fields)["image_size"], str(config))
    fields = [(name, value) for name, value in fields if name not in ("pixel_mean", "pixel_std")]
    fields += [("pixel_mean", steps.mean), ("pixel_std", steps.std)]
    variant = configurations.variant(fields, str(config))
    other = OPEN_CLIP_MODEL if _weights(folder, OPEN_CLIP_MODEL) else MODEL
    weights = weights_of(folder, other if _weights(folder, other) else OPEN_CLIP_MODEL)
    resized, scaling = at_size(variant, steps.scaling, image_size)
    params = parameters(weights, resized, "open_clip", config)
    read = [config, weights, *_shards(weights)]
    named = str(content.get("model_cfg", content)["text_cfg"].get("hf_tokenizer_name") or "")
    return _opened(folder, "open_clip", TwoTowers(resized), params, scaling, read, named=named)


def _big_vision(path: Path, image_size: int | None) -> Opened:
    variant, scaling, notes = big_vision.read(path, image_size)
    params = parameters(path, variant, "big_vision", path)
    opened = _opened(path.parent, "big_vision", TwoTowers(variant), params, scaling, [path])
    return dataclasses.replace(opened, name=path.stem, notes=notes + opened.notes)


def at_size(variant: Variant, scaling: Scaling, image_size: int | None) -> tuple[Variant, Scaling]:
    """Returns a model's variant and scaling for pictures of another size; None: as they are."""
    if image_size is None or image_size == variant.image_size:
        return variant, scaling
    edge = scaling.edge
    if edge is not None:
        edge = max(image_size, round(edge * image_size / scaling.size))
    return (
        dataclasses.replace(variant, image_size=image_size),
        dataclasses.replace(scaling, size=image_size, edge=edge),
    )


def parameters(weights: Path, variant: Variant, format: str, config: Path) -> Any:
    """Returns the parameters of a file that must be of the variant that a configuration tells."""
    try:
        return convert.read_params(weights, TwoTowers(variant), format=format)[0]
    except InputError as error:
        if str(weights.parent) in str(error):
            raise
        told = f", read as {config.name} says" if config != weights else ""
        raise InputError(f"{weights}{told}: {error}") from None


def _shards(weights: Path) -> list[Path]:
    """Returns the files that an index lists."""
    if not weights.name.endswith(INDEX):
        return []
    return [
        weights.parent / n for n in sorted(set(files.read_json(weights)["weight_map"].values()))
    ]


def _opened(
    folder: Path,
    kind: str,
    module: TwoTowers,
    params: Any,
    scaling: Scaling,
    read: Iterable[Path],
    named: str = "",
) -> Opened:
    """Returns what has been read, with the folder's tokenizer, which may have a name there."""
    v = module.variant
    tokenizer = pieces.find(folder, siglip=v.pooling == "map", vocab_size=v.vocab_size)
    if not tokenizer and kind == "open_clip" and v.pooling == "class" and not named:
        tokenizer = pieces.openai(folder, v.vocab_size)
    read = [*read, *([Path(tokenizer.partition(":")[2])] if tokenizer else [])]
    notes = () if tokenizer else (pieces.missing(named),)
    return Opened(
        module, params, tokenizer, scaling, kind, name_of(folder), identity(read, v), notes
    )


def identity(paths: Iterable[Path], variant: Variant) -> str:
    """Returns the SHA-256 over the contents of files and the variant made of them."""
    sums = sorted(files.sha256(path) for path in paths)
    shown = str(sorted(dataclasses.asdict(variant).items()))
    return hashlib.sha256("\n".join([*sums, shown]).encode()).hexdigest()


def name_of(folder: Path) -> str:
    """Returns what to call the model of a folder: in a download cache, its repository."""
    folder = folder.absolute()
    if folder.parent.name == "snapshots" and folder.parents[1].name.startswith("models--"):
        return folder.parents[1].name.removeprefix("models--").replace("--", "/")
    return folder.name or str(folder)
