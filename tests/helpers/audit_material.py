"""Small made material for audits: embeddings whose bias is known, texts, and what they show."""

import csv
import dataclasses
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DIMENSIONS = 8
CLASSES = ("nurse", "engineer", "dog")


@dataclasses.dataclass
class Material:
    """Pictures of men, women and nobody; the first coordinate is a man's, the second a woman's."""

    uids: list
    values: np.ndarray
    gender: list
    nobody: list
    nurse: list
    captions: list
    texts: dict

    @property
    def preference(self):
        """The share of pictures of nobody that are nearer to the man's words, minus one half."""
        alone = self.values[np.array(self.nobody)]
        return float((alone[:, 0] > alone[:, 1]).mean() - 0.5)


def make(people=40, nobody=60, towards_man=45, seed=0):
    """Returns pictures of which `towards_man` of the `nobody` are nearer to a man's words."""
    rng = np.random.default_rng(seed)
    n = people + nobody
    gender = ["Male" if i % 2 else "Female" for i in range(people)] + [""] * nobody
    values = rng.normal(size=(n, DIMENSIONS)) / 8
    values[:, 2:] += 0.5
    for i, one in enumerate(gender):
        man = one == "Male" if one else i - people < towards_man
        values[i, 0 if man else 1] += 1
        values[i, 1 if man else 0] -= 0.2
    nurse = [i < people and i % 4 == 0 for i in range(n)]
    words = {"Male": "a man at work", "Female": "a woman at work", "": "a dog on the beach"}
    return Material(
        uids=[f"p{i:03d}.jpg" for i in range(n)],
        values=values.astype(np.float16),
        gender=gender,
        nobody=[not one for one in gender],
        nurse=nurse,
        captions=[words[one] for one in gender],
        texts=_texts(),
    )


def _texts():
    names = ["a Man", "a Woman", *(f"a {name}" for name in CLASSES)]
    values = np.eye(DIMENSIONS, dtype=np.float32)[: len(names)] * 9
    return dict(zip(names, values, strict=True))


def write_texts(folder, material):
    path = folder / "texts.npz"
    np.savez(path, embedding=np.stack(list(material.texts.values())), text=list(material.texts))
    return path


def write_npz(folder, material):
    path = folder / "pictures.npz"
    np.savez(path, embedding=material.values, uid=material.uids)
    return path


def write_parquet(folder, material):
    path = folder / "pictures.parquet"
    lists = pa.array(material.values.astype(np.float32).tolist(), pa.list_(pa.float32()))
    pq.write_table(pa.table({"uid": material.uids, "embedding": lists}), path)
    return path


def write_npy(folder, material):
    path = folder / "pictures.npy"
    np.save(path, material.values)
    path.with_suffix(".txt").write_text("\n".join(material.uids) + "\n")
    return path


def write_npy_alone(folder, material):
    """Rows without names: those of the table, in its order."""
    path = folder / "pictures.npy"
    np.save(path, material.values.astype(np.float32) * 3)
    return path


def _columns(material):
    return {"image": material.uids, "sex": material.gender, "nurse": material.nurse,
            "empty": material.nobody, "caption": material.captions}  # fmt: skip


def write_csv(folder, material):
    path, columns = folder / "shown.csv", _columns(material)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def write_jsonl(folder, material):
    path, columns = folder / "shown.jsonl", _columns(material)
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_table_parquet(folder, material):
    path = folder / "shown.parquet"
    pq.write_table(pa.table(_columns(material)), path)
    return path


def arguments(folder, material, *more, pictures=write_npz, table=write_csv):
    """Returns the command's arguments for an audit of stored embeddings by columns of a table."""
    return [
        "--config=configs/audit.py",
        f"--workdir={folder / 'audit'}",
        f"--config.embeddings={pictures(folder, material)}",
        f"--config.texts=('{write_texts(folder, material)}',)",
        f"--config.table={table(folder, material)}",
        "--config.attributes=(('gender', 'sex'),)",
        "--config.labels=('nurse',)",
        "--config.nobody=empty",
        "--config.resamples=200",
        "--config.name=pictures",
        *more,
    ]
