"""A run's bias, accuracy and retrieval from its embeddings, by none of the project's code.

    python tests/independent/recompute_metrics.py results/confirmation

compares every `embeddings/<run>.npz` with the run's numbers in `seeds/*.parquet`, and
    python tests/independent/recompute_metrics.py RUN.npz eval.jsonl
one run with what its evaluation wrote. Both print the number of metrics and the largest difference
alone. Needs numpy and pyarrow. Cosines are of float64, so that an answer may differ where two
cosines differ by `TIE` to a rounding: one of n answers, 1/n of a share.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

TIE = 1e-6  # cosines that are nearer count as tied: against the model; of man and woman: no answer
Kept = Mapping[str, np.ndarray]
Numbers = dict[tuple[str, str], float]  # split, metric -> its value


def read(path: Path) -> dict[str, np.ndarray]:
    """Returns the arrays of a run; those of integers, floats and texts alone are read."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def unit(x: np.ndarray) -> np.ndarray:
    """Returns rows at unit length, float64."""
    x = x.astype(np.float64)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def classes(kept: Kept, phrases: np.ndarray) -> np.ndarray:
    """Returns the embeddings [c, d] of classes: the mean over templates, of unit length again."""
    row = {str(text): k for k, text in enumerate(kept["texts/text"])}
    embedded = unit(kept["texts/embedding"])
    templates = [str(template) for template in kept["prompts/templates"]]
    rows = [[row[t.replace("{}", str(phrase))] for t in templates] for phrase in phrases]
    return unit(embedded[np.array(rows)].mean(1))


def cosines(kept: Kept, split: str, axis: str) -> np.ndarray:
    """Returns the cosines [n, c] of the pictures of a split and the classes of an axis."""
    return unit(kept[f"{split}/embedding"]) @ classes(kept, kept[f"prompts/{axis}"]).T


def accuracy(cosine: np.ndarray, target: np.ndarray, within: int = 1) -> float:
    """Returns the share of pictures with fewer than `within` wrong classes as near as the right."""
    shown = target >= 0
    cosine, target = cosine[shown], target[shown]
    own = cosine[np.arange(len(target)), target][:, None]
    return float(((cosine >= own - TIE).sum(1) - 1 < within).mean())


def representation(kept: Kept) -> Numbers:
    """Returns RB, the share of pictures of things nearer to man − ½, and the mean margin."""
    woman, man = cosines(kept, "objects", "gender").T
    gap = man - woman
    return {
        ("objects", "representation_bias"): float((gap[abs(gap) > TIE] > 0).mean() - 0.5),
        ("objects", "representation_margin"): float(gap.mean()),
    }


def association(kept: Kept) -> Numbers:
    """Returns mean |AB| over the occupations, and the same of preferences between pairs."""
    cosine, men = cosines(kept, "faces", "occupation"), kept["faces/gender"] == 1
    logits = float(kept["logit_scale"]) * cosine
    likelihood = np.exp(logits - logits.max(1, keepdims=True))
    probability = likelihood / likelihood.sum(1, keepdims=True)

    def gap(answers: np.ndarray) -> float:
        return float(np.abs(answers[men].mean(0) - answers[~men].mean(0)).mean())

    found = {("faces", "association_bias_mean"): gap(probability)}
    if "prompts/pairs" in kept:
        first, second = kept["prompts/pairs"].T
        nearer = cosine[:, first] - cosine[:, second]
        answers = np.where(abs(nearer) <= TIE, 0.5, nearer > 0)
        found["faces", "association_bias_pairwise"] = gap(answers)
    return found


def classification(kept: Kept) -> Numbers:
    """Returns the accuracy on gender, occupations and things."""
    found = {}
    for split, axis, name in (
        ("faces", "gender", "gender_acc"),
        ("workers", "gender", "gender_acc"),
        ("shift", "gender", "gender_acc"),
        ("workers", "occupation", "acc"),
        ("shift", "occupation", "acc"),
        ("objects", "thing", "acc"),
    ):
        cosine, target = cosines(kept, split, axis), kept[f"{split}/{axis}"]
        for k in (1,) if axis == "gender" else (1, 5):
            found[split, f"{name}{k}"] = accuracy(cosine, target, k)
    return found


def retrieval(kept: Kept) -> Numbers:
    """Returns recall at 1, 5 and 50 both ways: an answer is right if its content is.

    Captions of the same words are one text; an answer is among the first k if fewer than k wrong
    ones are as near as the nearest right one.
    """
    pictures, caption = unit(kept["scenes/embedding"]), kept["scenes/caption"]
    content = kept.get("scenes/content", caption)
    texts, place = np.unique(caption, return_inverse=True)
    of_text = np.zeros(len(texts), content.dtype)
    of_text[place] = content
    cosine = pictures @ unit(kept["texts/embedding"])[texts].T
    right = content[:, None] == of_text[None]

    def wrong_before(cosine: np.ndarray, right: np.ndarray) -> np.ndarray:
        best = np.where(right, cosine, -2).max(1, keepdims=True)
        return (~right & (cosine >= best - TIE)).sum(1)

    to_text, to_image = wrong_before(cosine, right), wrong_before(cosine.T, right.T)[place]
    return {
        ("scenes", f"{way}_retrieval_recall@{k}"): float((before < k).mean())
        for way, before in (("text", to_text), ("image", to_image))
        for k in (1, 5, 50)
    }


def numbers(kept: Kept) -> Numbers:
    """Returns all that is recomputed of a run."""
    return representation(kept) | association(kept) | classification(kept) | retrieval(kept)


def difference(kept: Kept, told: Numbers) -> tuple[int, float]:
    """Returns how many metrics were compared, and the largest difference; NaN: one is not told."""
    found = numbers(kept)
    return len(found), max(abs(value - told.get(key, np.nan)) for key, value in found.items())


def evaluated(path: Path) -> Numbers:
    """Returns the numbers that an evaluation wrote."""
    with open(path, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return {(r["split"], r["metric"]): r["value"] for r in rows if r.get("label") == ""}


def kept_runs(folder: Path) -> Iterator[tuple[str, dict[str, np.ndarray], Numbers]]:
    """Yields run, embeddings and published numbers of a study's runs whose seed is there."""
    wanted = {path.stem: path for path in sorted((folder / "embeddings").glob("*.npz"))}
    for part in sorted((folder / "seeds").glob("*.parquet")):
        rule = [("kind", "==", "run"), ("label", "==", ""), ("run_id", "in", sorted(wanted))]
        columns = ["run_id", "split", "metric", "value"]
        rows = pq.read_table(part, filters=rule, columns=columns).to_pylist() if wanted else []
        for run in sorted({row["run_id"] for row in rows}):
            told = {(r["split"], r["metric"]): r["value"] for r in rows if r["run_id"] == run}
            yield run, read(wanted[run]), told


def main(paths: list[Path]) -> int:
    """Prints how far what is recomputed is from what was told; returns 1 if 1e-6 or more."""
    if len(paths) == 2:
        compared = [(paths[0].stem, read(paths[0]), evaluated(paths[1]))]
    else:
        compared = list(kept_runs(paths[0]))
    worst = 0.0
    for run, kept, told in compared:
        count, largest = difference(kept, told)
        worst = max(worst, largest) if largest == largest else np.inf
        print(f"{run}: {count} metrics, largest difference {largest:.1g}")
    return int(not compared or worst >= 1e-6)


if __name__ == "__main__":
    sys.exit(main([Path(name) for name in sys.argv[1:]]))
