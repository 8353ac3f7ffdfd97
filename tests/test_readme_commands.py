"""Every command of the pages has the module, the flags and the fields that it names, and works."""

import os
import re

import numpy as np
import pytest
from helpers import audit_material, balancing, commands, markdown, material, page_commands
from helpers.markdown import README, ROOT

from m4jax import models, training
from m4jax.data.testbed import catalog
from m4jax.data.tokenizers import WordTokenizer
from m4jax.run import model as writing

PAGES = [page for page in markdown.pages() if page.name != "CHANGELOG.md"]
SHOWN = {page: list(page_commands.commands(markdown.read(page))) for page in PAGES}
BARE = {page: list(page_commands.bare_flags(markdown.read(page))) for page in PAGES}


def configured(shown):
    """Returns the (module, configuration) of commands, each once."""
    found = {}
    for module, arguments in shown:
        for one in arguments:
            if one.startswith("--config="):
                found[module, one.removeprefix("--config=")] = None
    return list(found)


ALL = configured([one for shown in SHOWN.values() for one in shown])


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("page", [page for page in PAGES if SHOWN[page]], ids=markdown.name)
def test_commands_have_what_they_name(page):
    told = [page_commands.wrong(module, arguments) for module, arguments in SHOWN[page]]
    assert [one for one in told if one] == []


@pytest.mark.parametrize("page", [page for page in PAGES if BARE[page]], ids=markdown.name)
def test_flags_without_a_command_are_those_of_one(page):
    of_page = configured(SHOWN[page])
    candidates = of_page + [one for one in ALL if one not in of_page]
    for arguments in BARE[page]:
        assert any(page_commands.accepts(*one, arguments) for one in candidates), arguments


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("python -m experiments.no --config=configs/base.py", "no module"),
        ("python -m experiments.train --config=configs/no.py", "no file"),
        ("python -m experiments.train --config=configs/base.py --config.no=1", "'no'"),
        ("python -m experiments.train --config=configs/base.py --config.seed=x", "invalid"),
        ("python -m experiments.train --config=configs/base.py --action=run", "no flag"),
        ("python -m experiments.grid --config=configs/ablation.py:no", "KeyError|ValueError"),
        ("python -m experiments.train --config=configs/base.py FOLDER", "FOLDER"),
    ],
)
def test_what_is_not_there_is_seen(line, told):
    ((module, arguments),) = page_commands.commands(f"Text.\n\n    {line} && echo\n")
    assert re.search(told, page_commands.wrong(module, arguments))


def test_flags_that_no_command_has_are_seen():
    line = "`--config.nobody --no_such=3`"
    (arguments,) = page_commands.bare_flags(line)
    assert page_commands.accepts("experiments.audit", "configs/audit.py", arguments[:1])
    assert not page_commands.accepts("experiments.audit", "configs/audit.py", arguments)
    assert not page_commands.accepts("experiments.train", "configs/base.py", arguments[:1])


# The commands of the README's table, on small real material: what stands for their files, fields
# that make them small, and what they leave. Those of big studies are run by other tests.
ROWS = [
    (" ".join([module, *arguments]), module, arguments)
    for module, arguments in SHOWN[README]
    if module.startswith("experiments.")
]
ELSEWHERE = {
    "configs/quickstart.py": "tests/grid/test_quickstart.py",
    "configs/ablation.py:laptop": "tests/report/test_ablation.py",
    "configs/ablation.py:gpu": "tests/grid/test_gpu_preset.py",
}
SMALL_MODEL = {"depth": 1, "width": 16}
BALANCED = [
    "--config.world.examples=500",
    "--config.balance.keep_rate=0.2",
    "--config.balance.eps_association=1e-3",
]  # so few examples have less to keep
SMALL = {
    "runs/captions": ["--config.resamples=100"],
    "runs/pairs": ["--config.resamples=100"],
    "runs/model": ["--config.resamples=100", "--config.words="],
    "runs/stored": ["--config.resamples=100", "--config.words=", "--config.logit_scale=1.0",
                    "--config.attributes=(('gender', 'sex'),)"],
    "runs/objectives": [*BALANCED, "--config.train.steps=12",
                        "--config.train.warmup_steps=2", "--config.train.batch_size=16",
                        "--config.train.log_every=3", "--config.train.checkpoint_every=4",
                        "--config.evaluate.resamples=100"],
    "runs/tuned": [*BALANCED, "--config.train.steps=2",
                   "--config.train.warmup_steps=1", "--config.train.batch_size=16",
                   "--config.train.log_every=1", "--config.train.checkpoint_every=2"],
}  # fmt: skip
LEFT = {
    "audit": "report.html", "annotate": "examples.parquet", "balance": "weights.parquet",
    "use_weights": "selection.json", "train": "metrics.jsonl",
    "grid": "results.parquet",
}  # fmt: skip
SLOW = ("runs/model", "runs/objectives", "runs/tuned")
UIDS = [one.key for one in material.examples()]


def captions(folder):
    path = folder / "captions.csv"
    lines = [f"{one.key},{one.captions[0]}" for one in material.examples()]
    path.write_text("\n".join(["uid,caption", *lines]) + "\n", encoding="utf-8")
    return path


def photos(folder):
    (folder / "photos").mkdir()
    return material.write_folder(folder / "photos", material.examples())


def shards(folder):
    material.write_shards(folder / "shards", material.examples())
    return folder / "shards" / "*.tar"


def table(folder):
    columns = balancing.people()
    columns["engineer"] = np.roll(columns["nurse"], 1)
    return balancing.write(folder / "data" / "one.parquet", columns)


def weights(folder):
    rng = np.random.default_rng(0)
    columns = {"uid": UIDS, "weight": rng.random(len(UIDS))}
    return balancing.write(folder / "weights" / "weights.parquet", columns)


def model(folder):
    words = catalog.words()
    module = models.create("emoji-CLIP-S/8", vocab_size=len(words), **SMALL_MODEL)
    params = training.step.init_params(module, seed=1)
    tokenizer = WordTokenizer(words, context_length=12)
    writing.write_hugging_face(module, params, tokenizer, folder / "model")
    return folder / "model"


def objective(folder):
    """Writes the objective of the page of balancing, as users would."""
    page = markdown.read(ROOT / "m4jax/balance/README.md")
    (block,) = [one for one in markdown.fenced(page, "python") if "CHI_SQUARE = " in one]
    text = f"{block}\nMY_OBJECTIVE = CHI_SQUARE\n"
    (folder / "my_module.py").write_text(text, encoding="utf-8")
    return "my_module:MY_OBJECTIVE"


MATERIAL = {
    "captions.csv": captions,
    "photos": photos,
    "data/*.parquet": table,
    "shards/*.tar": shards,
    "runs/balance": weights,
    "clip-vit-base-patch32": model,
    "FOLDER": model,
    "my_module:MY_OBJECTIVE": objective,
    "pictures.npz": lambda folder: audit_material.write_npz(folder, audit_material.make()),
    "texts.npz": lambda folder: audit_material.write_texts(folder, audit_material.make()),
    "shown.csv": lambda folder: audit_material.write_csv(folder, audit_material.make()),
}


def workdir(arguments):
    (found,) = [one for one in arguments if one.startswith("--workdir=")]
    return found.removeprefix("--workdir=")


def slow(row):
    return pytest.param(*row, id=row[0], marks=[pytest.mark.slow] * (workdir(row[2]) in SLOW))


RUN = [row for row in ROWS if configured([row[1:]])[0][1] not in ELSEWHERE]


@pytest.mark.parametrize(("line", "module", "arguments"), [slow(row) for row in RUN])
def test_commands_of_the_readme_work(line, module, arguments, tmp_path, monkeypatch):
    given, told = workdir(arguments), []
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")  # workers
    for one in arguments:
        name, _, value = one.partition("=")
        if name == "--workdir":
            value = str(tmp_path / "out")
        else:
            for shown, make in MATERIAL.items():
                if shown in value.strip("()',").split("', '"):
                    value = value.replace(shown, str(make(tmp_path)))
        told.append(f"{name}={value}")
    command = module.removeprefix("experiments.")
    done = commands.run(command, *told, *SMALL.get(given, []))
    assert done.returncode in ((0, 3) if command == "audit" else (0,)), done.stdout + done.stderr
    assert list((tmp_path / "out").rglob(LEFT[command]))


def test_what_others_run_they_run():
    of_readme = {configured([row[1:]])[0][1] for row in ROWS}
    for config, test in ELSEWHERE.items():
        assert config in of_readme
        name = re.search(r"/(\w+)\.py", config)[1]
        text = (ROOT / test).read_text(encoding="utf-8")
        assert re.search(rf"configs/{name}\.py|from configs import {name}\b", text)
