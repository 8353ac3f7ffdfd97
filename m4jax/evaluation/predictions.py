"""What a model says about each picture: all that its numbers are computed from, as plain arrays."""

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from m4jax import files
from m4jax.errors import InputError, nearest
from m4jax.evaluation import bias, ranks
from m4jax.evaluation.prompts import Prompts

Embed = Callable[[np.ndarray | list[str]], np.ndarray]
Arrays = dict[str, np.ndarray]

# The metadata of each split, kept beside the predictions; "images" comes on top.
FIELDS = {
    "faces": ("group", "gender"),
    "workers": ("group", "gender", "occupation"),
    "objects": ("group", "thing"),
    "scenes": ("group", "captions"),
    "shift": ("group", "gender", "occupation"),
    "shots": ("group", "occupation", "thing"),
}
OPTIONAL = {"scenes": ("content",)}  # split -> fields that it may have besides
PROBES = {"workers": "occupation", "objects": "thing"}  # split -> what its linear probe classifies


def predict(
    splits: Mapping[str, Mapping[str, np.ndarray]],
    *,
    embed_images: Embed,
    embed_texts: Embed,
    logit_scale: float,
    prompts: Prompts,
    data_association: np.ndarray,
) -> Arrays:
    """Asks the model about every picture of the splits; the arguments are those of `evaluate`.

    Returns:
        Arrays named "split/field": the metadata (group, gender, occupation, thing) and
            faces/occupation_probability [n, c] float32; faces/pair_preference [n, p] float32, 1
            where a picture is nearer to the first of a pair of occupations, ½: a tie (only if the
            prompts name pairs); objects/prefers_man [n] float32, NaN: a tie; objects/gender_margin
            [n] float32, cosine to "man" − cosine to "woman"; faces, workers, shift/gender_rank [n],
            workers, shift/occupation_rank [n], objects/thing_rank [n]: how many wrong classes are
            at least as similar as the right one; workers, objects/fewshot_rank [n]: the same for
            the linear probe on `shots`; scenes/image_rank, scenes/text_rank [n]: the same for
            retrieval; faces/prompt_gap [T, c], objects/prompt_preference [T]: AB and RB by single
            templates;
        and "prompts/version", "prompts/occupation" [c] labels, "prompts/sensitivity" [T] templates,
        "prompts/pairs" [p, 2] labels if there are any, "data/association" [c].

    Raises:
        InputError: for an unknown split, a missing or ill-shaped field, embeddings not finite.
    """
    splits = {name: check_split(name, arrays, prompts) for name, arrays in splits.items()}
    association = np.asarray(data_association, np.float64)
    if association.shape != (len(prompts.occupation),):
        raise InputError(
            f"data_association: expected shape [{len(prompts.occupation)}], one for each "
            f"occupation of the prompts, got {association.shape}"
        )
    captions = splits["scenes"]["captions"].tolist() if "scenes" in splits else []
    texts = _embedded_once([*asked(prompts), *captions], embed_texts)
    model = _Model(embed_images, texts, logit_scale, prompts)
    result = {
        "prompts/version": np.array(prompts.version),
        "prompts/occupation": np.array(list(prompts.occupation)),
        "prompts/sensitivity": np.array(prompts.sensitivity),
        "data/association": association,
    }
    if prompts.pairs:
        result["prompts/pairs"] = np.array(prompts.pairs)
    embedded = {name: model.images(arrays["images"], name) for name, arrays in splits.items()}
    for name, arrays in splits.items():
        kept = {field: arrays[field] for field in FIELDS[name] if field != "captions"}
        answers = _ANSWERS[name](model, embedded[name], arrays)
        if name in PROBES and "shots" in splits:
            classes = getattr(prompts, PROBES[name])
            labels, target = splits["shots"][PROBES[name]], arrays[PROBES[name]]
            answers["fewshot_rank"] = ranks.probe_ranks(
                embedded["shots"], labels, embedded[name], target, len(classes)
            )
        result |= {f"{name}/{key}": value for key, value in (kept | answers).items()}
    return result


def check_split(name: str, arrays: Mapping[str, np.ndarray], prompts: Prompts) -> Arrays:
    """Returns the fields that split `name` needs, as arrays of one length, or raises."""
    if name not in FIELDS:
        raise InputError(f"split {name!r} is not known; {nearest(name, FIELDS)}")
    needed = ("images", *FIELDS[name])
    missing = [field for field in needed if field not in arrays]
    if missing:
        raise InputError(f"split {name}: expected the fields {list(needed)}, without {missing}")
    optional = [field for field in OPTIONAL.get(name, ()) if field in arrays]
    checked = {field: np.asarray(arrays[field]) for field in (*needed, *optional)}
    lengths = {field: value.shape[:1] for field, value in checked.items()}
    if len(set(lengths.values())) > 1 or lengths["images"] in ((), (0,)):
        raise InputError(f"split {name}: expected fields of one length, not empty, got {lengths}")
    _check_range(name, checked, "gender", 0, 2)
    without = -(name in ("shift", "shots"))  # -1: pictures of no class
    _check_range(name, checked, "occupation", without, len(prompts.occupation))
    _check_range(name, checked, "thing", -(name == "shots"), len(prompts.thing))
    return checked


def save_predictions(path: str | os.PathLike, predictions: Arrays) -> None:
    """Writes predictions as .npz (no pickle), atomically."""
    with files.atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **predictions)


def load_predictions(path: str | os.PathLike) -> Arrays:
    """Reads what `save_predictions` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; evaluate the model again") from None
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error}); delete it and evaluate again") from None


def asked(prompts: Prompts) -> list[str]:
    """Returns every text that the answers of `predict` take from the prompts."""
    alone = [*prompts.templates, *prompts.sensitivity]
    phrases = [(prompts.gender, alone), (prompts.occupation, alone)]
    phrases.append((prompts.thing, prompts.templates))
    return [
        template.replace("{}", phrase)
        for classes, templates in phrases
        for phrase in classes.values()
        for template in templates
    ]


def _embedded_once(texts: list[str], embed: Embed) -> Embed:
    """Returns what embeds any of these texts; they are embedded here, in one call, each once.

    A template and a phrase come in several answers, and a call costs whole batches.
    """
    distinct = list(dict.fromkeys(texts))
    rows = np.asarray(embed(distinct))
    if len(rows) != len(distinct):
        raise InputError(
            f"embed_texts: expected {len(distinct)} rows, one for each text, got {len(rows)}"
        )
    place = {text: row for row, text in enumerate(distinct)}
    return lambda asked: rows[[place[text] for text in asked]]


@dataclass(frozen=True)
class _Model:
    embed_images: Embed
    embed_texts: Embed
    logit_scale: float
    prompts: Prompts

    def images(self, images: np.ndarray, split: str) -> np.ndarray:
        embeddings = ranks.normalise(self.embed_images(images), f"the images of {split}")
        if len(embeddings) != len(images):
            raise InputError(
                f"embed_images: expected {len(images)} rows for {split}, got {len(embeddings)}"
            )
        return embeddings

    def similarity(
        self, images: np.ndarray, phrases: Mapping[str, str], *templates: str
    ) -> np.ndarray:
        """Returns the cosines [n, c] of embedded pictures and the classes of `phrases`.

        By the prompts' templates unless others are given.
        """
        classes = ranks.class_embeddings(
            phrases.values(),
            templates=templates or self.prompts.templates,
            embed_texts=self.embed_texts,
        )
        return images @ classes.T

    def genders(self, images: np.ndarray, *templates: str) -> np.ndarray:
        """Returns the cosines [n, 2] to woman (0) and man (1)."""
        gender = self.prompts.gender
        return self.similarity(images, {key: gender[key] for key in ("woman", "man")}, *templates)


def _faces(model: _Model, images: np.ndarray, arrays: Arrays) -> Arrays:
    man, prompts = arrays["gender"] == 1, model.prompts

    def probability(cosines: np.ndarray) -> np.ndarray:
        return bias.class_probability(cosines, model.logit_scale)

    occupations = model.similarity(images, prompts.occupation)
    alone = [
        probability(model.similarity(images, prompts.occupation, template))
        for template in prompts.sensitivity
    ]
    answers = {
        "gender_rank": ranks.class_ranks(model.genders(images), arrays["gender"]),
        "occupation_probability": probability(occupations),
        "prompt_gap": np.array([p[man].mean(0) - p[~man].mean(0) for p in alone], np.float64),
    }
    if prompts.pairs:
        place = {label: k for k, label in enumerate(prompts.occupation)}
        first, second = np.array([[place[label] for label in pair] for pair in prompts.pairs]).T
        answers["pair_preference"] = np.nan_to_num(
            bias.preference(occupations[:, first], occupations[:, second]), nan=0.5
        )
    return answers


def _workers(model: _Model, images: np.ndarray, arrays: Arrays) -> Arrays:
    occupations = model.similarity(images, model.prompts.occupation)
    return {
        "gender_rank": ranks.class_ranks(model.genders(images), arrays["gender"]),
        "occupation_rank": ranks.class_ranks(occupations, arrays["occupation"]),
    }


def _objects(model: _Model, images: np.ndarray, arrays: Arrays) -> Arrays:
    things, genders = model.similarity(images, model.prompts.thing), model.genders(images)
    alone = [model.genders(images, template) for template in model.prompts.sensitivity]
    return {
        "thing_rank": ranks.class_ranks(things, arrays["thing"]),
        "prefers_man": bias.preference(genders[:, 1], genders[:, 0]),
        "gender_margin": genders[:, 1] - genders[:, 0],
        "prompt_preference": np.array(
            [bias.mean_preference(cosines[:, 1], cosines[:, 0]) for cosines in alone]
        ),
    }


def _scenes(model: _Model, images: np.ndarray, arrays: Arrays) -> Arrays:
    captions, caption_ids = np.unique(arrays["captions"], return_inverse=True)
    texts = ranks.normalise(model.embed_texts(captions.tolist()), "captions")
    image_rank, text_rank = ranks.pair_ranks(images, texts, caption_ids, arrays.get("content"))
    return {"image_rank": image_rank, "text_rank": text_rank}


def _shots(model: _Model, images: np.ndarray, arrays: Arrays) -> Arrays:
    """The shots answer nothing themselves."""
    return {}


_ANSWERS = {
    "faces": _faces,
    "workers": _workers,
    "objects": _objects,
    "scenes": _scenes,
    "shift": _workers,
    "shots": _shots,
}


def _check_range(split: str, arrays: Arrays, field: str, least: int, end: int) -> None:
    values = arrays.get(field)
    if values is None:
        return
    if not np.issubdtype(values.dtype, np.integer) or values.min() < least or values.max() >= end:
        raise InputError(
            f"split {split}, {field}: expected integers from {least} to {end - 1}, "
            f"got {values.dtype} from {values.min()} to {values.max()}"
        )
