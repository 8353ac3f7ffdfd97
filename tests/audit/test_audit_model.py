"""`experiments.audit` of a model that looks at pictures, in every form that people have."""

import csv
import io
import json
import shutil
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import commands
from PIL import Image

from m4jax import models, training
from m4jax.audit.model import embedding as looking
from m4jax.audit.outcome import results
from m4jax.data import pictures, readers
from m4jax.data.testbed import catalog
from m4jax.data.tokenizers import WordTokenizer, open_named
from m4jax.evaluation.measures import prompts
from m4jax.evaluation.ranks import class_embeddings
from m4jax.models.folders.write import write_hugging_face
from m4jax.run import model as writing

WORDS = catalog.words()
MODULE = models.create("emoji-CLIP-S/8", vocab_size=len(WORDS), depth=1, width=16)
CAPTIONS = ("a man with a hat", "a woman at a desk", "a mountain by the sea")
NUMBER = 60


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given") / "model"
    params = training.step.init_params(MODULE, seed=1)
    writing.write_hugging_face(MODULE, params, WordTokenizer(WORDS, context_length=12), folder)
    return folder


def examples():
    """Names, pictures' files and captions."""
    rng = np.random.default_rng(0)
    for i in range(NUMBER):
        small = rng.integers(0, 256, (4, 4 + i % 3, 3), np.uint8)
        written = io.BytesIO()
        Image.fromarray(small).resize((40, 33), Image.Resampling.BICUBIC).save(written, "PNG")
        yield f"p{i:02d}", written.getvalue(), CAPTIONS[i % 3]


def folder_of(path):
    path.mkdir()
    with open(path / "captions.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["uid", "image", "caption"])
        for name, content, caption in examples():
            (path / f"{name}.png").write_bytes(content)
            writer.writerow([name, f"{name}.png", caption])
    return path


def shards_of(path):
    path.mkdir()
    every = list(examples())
    for shard, part in enumerate((every[:25], every[25:])):
        with tarfile.open(path / f"{shard:05d}.tar", "w") as tar:
            for name, content, caption in part:
                record = json.dumps({"uid": name, "caption": caption}).encode()
                for suffix, body in (("png", content), ("json", record)):
                    info = tarfile.TarInfo(f"{name}.{suffix}")
                    info.size = len(body)
                    tar.addfile(info, io.BytesIO(body))
    return path


def parquet_of(path):
    path.mkdir()
    names, contents, captions = zip(*examples(), strict=True)
    table = pa.table({"uid": names, "image": list(contents), "caption": captions})
    pq.write_table(table, path / "pictures.parquet")
    return path


def audit(folder, model, data, *more):
    return commands.run(
        "audit", "--config=configs/audit.py", f"--workdir={folder}", f"--config.data={data}",
        f"--config.model={model}", "--config.name=pictures", "--config.resamples=200",
        "--config.words=", "--config.date=2026-11-27", *more,
    )  # fmt: skip


def numbers(folder):
    return results.read(folder / "results.parquet").measures


@pytest.fixture(scope="module")
def done(tmp_path_factory, model):
    """An audit of a folder: the folder of pictures and that of the audit."""
    base = tmp_path_factory.mktemp("audited")
    data = folder_of(base / "pictures")
    ended = audit(base / "audit", model, data)
    assert ended.returncode == 0, ended.stderr
    return data, base / "audit"


def test_numbers_are_those_of_the_model(done, model):
    opened = models.open_folder(model)
    embedder = training.Embedder(opened.module, opened.params)
    words = open_named(opened.tokenizer, opened.context)
    alone = [x for _, x, caption in examples() if caption == CAPTIONS[2]]
    scaling = opened.scaling
    squares = np.stack([pictures.read(x, scaling.size, **scaling.options) for x in alone])
    asked = prompts.load("audit_v1")
    both = [asked.attributes["gender"][x][0] for x in ("man", "woman")]
    texts = class_embeddings(both, templates=asked.templates,
                             embed_texts=lambda x: embedder.tokens(words(x)))  # fmt: skip
    man, woman = (embedder.images(squares) @ texts.T).T
    (found,) = results.pick(numbers(done[1]), metric="representation_bias", attribute="gender",
                            wording="")  # fmt: skip
    assert found.n == 20
    assert found.value == pytest.approx((man > woman).mean() - 0.5)


@pytest.mark.parametrize("form", [shards_of, parquet_of])
def test_every_form_gives_the_same_numbers(done, model, tmp_path, form):
    ended = audit(tmp_path / "audit", model, form(tmp_path / "data"))
    assert ended.returncode == 0, ended.stderr
    for mine, other in zip(numbers(tmp_path / "audit"), numbers(done[1]), strict=True):
        assert mine.key == other.key and mine.sample == other.sample
        np.testing.assert_allclose([mine.value, mine.low, mine.high],
                                   [other.value, other.low, other.high])  # fmt: skip


def test_killed_while_it_embeds_it_goes_on(done, model, tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "ROWS", 16)
    seen = []
    whole = training.Embedder.images

    def images(self, squares):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(squares))
        return whole(self, squares)

    with monkeypatch.context() as patch:
        patch.setattr(training.Embedder, "images", images)
        assert audit(tmp_path, model, done[0]).returncode == 130
    again = []

    def counted(self, squares):
        again.append(len(squares))
        return whole(self, squares)

    monkeypatch.setattr(training.Embedder, "images", counted)
    assert audit(tmp_path, model, done[0]).returncode == 0
    assert (sum(seen), sum(again)) == (32, NUMBER - 32)
    assert [x.value for x in numbers(tmp_path)] == pytest.approx(
        [x.value for x in numbers(done[1])], nan_ok=True
    )
    again.clear()
    assert audit(tmp_path, model, done[0]).returncode == 0 and again == []


def test_damaged_embeddings_are_made_again(done, model, tmp_path):
    shutil.copytree(done[1], tmp_path / "audit")
    (part,) = (tmp_path / "audit" / "embeddings").glob("*/*.parquet")
    whole = bytearray(part.read_bytes())
    whole[len(whole) // 2] ^= 255
    part.write_bytes(whole)
    ended = audit(tmp_path / "audit", model, done[0])
    assert ended.returncode == 0 and "made again" in ended.stdout
    assert numbers(tmp_path / "audit")[5].value == pytest.approx(numbers(done[1])[5].value)


def test_a_picture_that_is_none_is_left_out_and_told(model, tmp_path):
    data = folder_of(tmp_path / "data")
    (data / "p02.png").write_bytes(b"no picture")
    ended = audit(tmp_path / "audit", model, data)
    assert ended.returncode == 0, ended.stderr
    (found,) = results.pick(numbers(tmp_path / "audit"), metric="representation_bias",
                            attribute="gender", wording="")  # fmt: skip
    assert found.n == 19
    page = (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    assert "1 of 60 pictures of pictures can&#x27;t be read" in page.replace("&#39;", "&#x27;")


def test_short_texts_are_embedded_as_long_ones_are(model, tmp_path, monkeypatch):
    one = looking.Model(models.open_folder(model), tmp_path)
    texts = ["a man", "a woman with a wrench next to a photo of a judge", *CAPTIONS]
    short = None
    for lengths in ((4, 8), ()):
        monkeypatch.setattr(looking, "LENGTHS", lengths)
        found = one.embed_texts(texts)
        np.testing.assert_allclose(found if short is None else short, found, atol=1e-5)
        short = found


def test_backgrounds_can_be_blurred(done, model, tmp_path):
    assert audit(tmp_path / "a", model, done[0], "--config.blurred=edges").returncode == 0
    same = audit(tmp_path / "b", model, done[0], f"--config.blurred={done[0]}")
    assert same.returncode == 0, same.stderr
    for folder, moved in (("a", True), ("b", False)):
        changes = [x for x in numbers(tmp_path / folder) if x.metric.endswith("_change")]
        told = [x for x in changes if x.told]
        assert told and any(x.value != 0 for x in told) == moved


def test_pictures_are_shown_if_that_is_asked_for(done, model, tmp_path):
    assert audit(tmp_path, model, done[0], "--config.show_pictures=True").returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Nobody, taken for" in page and "data:image/jpeg" in page
    assert "data:image" not in (done[1] / "report.html").read_text(encoding="utf-8")


def test_the_middle_of_a_picture_stays():
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    found = looking.blurred_edges(picture)
    np.testing.assert_array_equal(found[28:36, 28:36], picture[28:36, 28:36])
    assert found[:6].std() < 0.5 * picture[:6].std()


def test_without_a_tokenizer_nothing_is_asked_of_texts(done, model, tmp_path):
    params = training.step.init_params(MODULE, seed=1)
    write_hugging_face(tmp_path / "model", MODULE, params)
    ended = audit(tmp_path / "audit", tmp_path / "model", done[0])
    assert ended.returncode == 0, ended.stderr
    assert "no tokenizer" in (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    name = models.open_folder(model).tokenizer
    ended = audit(tmp_path / "named", tmp_path / "model", done[0], f"--config.tokenizer={name}")
    assert ended.returncode == 0, ended.stderr
    assert "no tokenizer" not in (tmp_path / "named" / "report.html").read_text(encoding="utf-8")


def test_pictures_without_captions_tell_nothing_of_who_is_there(model, tmp_path):
    data = folder_of(tmp_path / "data")
    (data / "captions.csv").unlink()
    ended = audit(tmp_path / "audit", model, data, "--config.limits=(('gap', '*', 0.1),)")
    assert ended.returncode == 3, ended.stderr
    page = (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    assert "othing is known of who is in pictures" in page
    assert not any(x.told for x in numbers(tmp_path / "audit") if x.metric == "accuracy")


def test_folders_that_are_no_models_are_refused(done, tmp_path):
    ended = audit(tmp_path / "audit", tmp_path, done[0])
    assert ended.returncode == 2 and ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


def test_readers_and_audit_number_alike(done):
    collection = readers.open_collection(done[0])
    uids = [x for block in collection.blocks() for x in block["uid"].to_pylist()]
    assert uids == [name for name, _, _ in examples()]
