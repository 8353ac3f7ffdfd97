"""`experiments.audit` on stored embeddings, as somebody would use it."""

import subprocess
import sys

import numpy as np
import pytest
from helpers import audit_material, commands

from m4jax import files
from m4jax.audit.outcome import history, results

DATE = "--config.date=2026-11-27T08:00:00"


def audit(folder, material, *more, **how):
    folder.mkdir(exist_ok=True)
    taken = {x.partition("=")[0] for x in more}  # given twice, tuples would be joined
    usual = audit_material.arguments(folder, material, DATE, **how)
    usual = [x for x in usual if x.partition("=")[0] not in taken]
    return commands.run("audit", *usual, *more)


def numbers(folder):
    return results.read(folder / "audit" / "results.parquet").measures


def one(folder, metric, **where):
    (found,) = results.pick(numbers(folder), metric=metric, **{"wording": "", "label": ""} | where)
    return found


@pytest.fixture(scope="module")
def material():
    return audit_material.make()


@pytest.fixture(scope="module")
def done(tmp_path_factory, material):
    """An audit, in a folder, and what it printed."""
    folder = tmp_path_factory.mktemp("audit")
    return folder, audit(folder, material)


def test_from_embeddings_to_a_page(done, material):
    folder, ended = done
    assert ended.returncode == 0, ended.stderr
    found = one(folder, "representation_bias", attribute="gender")
    assert found.value == pytest.approx(material.preference) and found.n == 60
    assert found.low < found.value < found.high
    assert "Exit code 0: no limits were set, so nothing was judged." in ended.stdout
    assert "report.html" in ended.stdout
    page = (folder / "audit" / "report.html").read_text(encoding="utf-8")
    assert "representation bias" in page and "2026-11-27" in page
    record = files.read_sealed(folder / "audit" / "audit.json")
    assert record["exit_code"] == 0 and record["date"] == "2026-11-27T08:00:00"
    assert not (folder / "audit" / "begun.json").exists()


def test_shares_of_the_table_are_told(done):
    folder, _ = done
    (share,) = results.pick(numbers(folder), metric="share", group="man", label="")
    assert share.value == 0.5 and share.n == 40
    (gap,) = results.pick(numbers(folder), metric="gap", label="nurse")
    assert abs(gap.value) == 0.5  # every second woman is a nurse, no man is


def test_captions_are_quoted_unless_that_is_switched_off(done, tmp_path, material):
    caption = "a dog on the beach"
    assert caption in (done[0] / "audit" / "report.html").read_text(encoding="utf-8")
    assert audit(tmp_path, material, "--config.show_captions=False").returncode == 0
    assert caption not in (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("pictures", "table"),
    [
        (audit_material.write_parquet, audit_material.write_jsonl),
        (audit_material.write_npy, audit_material.write_table_parquet),
        (audit_material.write_npy_alone, audit_material.write_csv),
    ],
)
def test_every_layout_gives_the_same_numbers(done, tmp_path, material, pictures, table):
    ended = audit(tmp_path, material, pictures=pictures, table=table)
    assert ended.returncode == 0, ended.stderr
    for mine, other in zip(numbers(tmp_path), numbers(done[0]), strict=True):
        assert mine.key == other.key
        np.testing.assert_allclose(
            [mine.value, mine.low, mine.high], [other.value, other.low, other.high], atol=1e-6
        )


def test_the_same_input_gives_the_same_bytes(done, tmp_path, material):
    audit(tmp_path, material)
    for name in ("results.parquet", "history.parquet"):
        assert files.sha256(tmp_path / "audit" / name) == files.sha256(done[0] / "audit" / name)


def test_captions_tell_what_no_column_does(tmp_path, material):
    arguments = [x for x in audit_material.arguments(tmp_path, material, DATE)
                 if not x.startswith(("--config.attributes", "--config.nobody"))]  # fmt: skip
    ended = commands.run("audit", *arguments)
    assert ended.returncode == 0, ended.stderr
    found = one(tmp_path, "representation_bias", attribute="gender")
    assert found.value == pytest.approx(material.preference)
    (share,) = results.pick(numbers(tmp_path), metric="share", group="man", label="")
    assert share.n == 40


def test_no_model_is_built(tmp_path, material):
    arguments = audit_material.arguments(tmp_path, material)
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['audit', *{[str(x) for x in arguments]!r}]\n"
        "try:\n    runpy.run_module('experiments.audit', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "rooms = ('m4jax.models', 'm4jax.training', 'flax')\n"
        "loaded = [x for x in sys.modules if x.startswith(rooms)]\n"
        "print('loaded', loaded)\n"
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=commands.ROOT, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        (("representation_bias", "", 0.45), 0),
        (("representation_bias", "", 0.01), 1),
        (("representation_bias", "", 0.25), 3),
        (("gap", "nurse", 0.05), 1),
        (("gap", "*", 0.9), 0),
    ],
)
def test_limits_decide_the_exit_code(tmp_path, material, limit, code):
    ended = audit(tmp_path, material, f"--config.limits=({limit!r},)")
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert f"Exit code {code}" in ended.stdout
    assert files.read_sealed(tmp_path / "audit" / "audit.json")["exit_code"] == code


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("--config.limits=(('gapp', 'nurse', 0.05),)", "did you mean 'gap'?"),
        ("--config.limits=(('gap', 'nurze', 0.05),)", "did you mean 'nurse'?"),
        ("--config.limits=(('gap', '', 0.05),)", "name one, or '*' for each"),
        ("--config.limits=(('gap', 'nurse'),)", "expected (metric, label, limit)"),
        ("--config.limits=(('gap', 'nurse', 0.05, 'sauce=x'),)", "source=…, attribute=…, group=…"),
        ("--config.attributes=(('gender', 'sexx'),)", "did you mean 'sex'?"),
        ("--config.labels=('nurze',)", "did you mean 'nurse'?"),
        ("--config.nobody=sex", "not true or false"),
        ("--config.wordings=(('gender', 'man', 'a Mann'), ('gender', 'woman', 'a Woman'))",
         "no embedding of 'a Mann'; did you mean 'a Man'?"),
        ("--config.wordings=(('gender', 'man', 'a Man'),)", "expected two values or more"),
        ("--config.sets=({'name': 'x', 'date': 'y'},)", "did you mean 'data'?"),
        ("--config.sets=({'name': 'pictures', 'table': 'x.csv'},)", "two sets are called"),
        ("--config.sets=({'name': 'x'},)", "neither data, nor embeddings, nor a table"),
        ("--config.model=somewhere", "needs pictures to look at"),
        ("--config.prompts=audit_v9", "audit_v"),
        ("--config.uid=sex", "none of its rows"),
        ("--against=/nowhere", "no such folder"),
    ],
)  # fmt: skip
def test_bad_settings_end_in_one_line(tmp_path, material, more, told):
    ended = audit(tmp_path, material, more)
    assert ended.returncode == 2, ended.stdout
    assert ended.stderr.count("\n") == 1 and ended.stderr.startswith("error: ")
    assert told in ended.stderr
    assert not (tmp_path / "audit" / "results.parquet").exists()


def test_nothing_to_audit(tmp_path):
    ended = commands.run("audit", "--config=configs/audit.py", f"--workdir={tmp_path}")
    assert ended.returncode == 2 and "an audit is of something" in ended.stderr


def test_an_earlier_audit_is_compared_with(tmp_path, material):
    audit(tmp_path / "old", material)
    same = audit(tmp_path / "same", material, f"--against={tmp_path / 'old' / 'audit'}")
    assert " 0 of " in same.stdout.split("Since ")[1]
    other = audit_material.make(towards_man=15)
    moved = audit(tmp_path / "new", other, f"--against={tmp_path / 'old' / 'audit'}")
    assert moved.returncode == 0, moved.stderr
    told = moved.stdout.split("Since ")[1]
    assert "representation_bias / pictures / gender" in told and " 0 of " not in told


def test_a_folder_is_compared_with_what_it_held(tmp_path, material):
    audit(tmp_path, material)
    other = audit_material.make(towards_man=15)
    again = audit(tmp_path, other, f"--against={tmp_path / 'audit'}")
    assert "representation_bias / pictures / gender" in again.stdout.split("Since ")[1]


def test_every_audit_adds_to_the_history(tmp_path, material):
    audit(tmp_path, material)
    week = "--config.date=2026-12-04T08:00:00"
    for _ in range(2):  # the second replaces its own entry
        assert audit(tmp_path, material, week).returncode == 0
    rows = history.read(tmp_path / "audit" / "history.parquet")
    assert list(dict.fromkeys(row["date"] for row in rows)) == [
        "2026-11-27T08:00:00", "2026-12-04T08:00:00",
    ]  # fmt: skip
    numbers = [row["metric"] for row in rows]
    assert numbers[: len(rows) // 2] == numbers[len(rows) // 2 :]
    assert "representation_bias" in numbers


def test_killed_before_its_end_it_goes_on_under_its_date(tmp_path, material, monkeypatch):
    from m4jax.audit import stages

    def killed(*args):
        raise KeyboardInterrupt

    arguments = audit_material.arguments(tmp_path, material)
    with monkeypatch.context() as patch:
        patch.setitem(stages.STAGES, "show", killed)
        ended = commands.run("audit", *arguments)
    assert ended.returncode == 130
    begun = files.read_sealed(tmp_path / "audit" / "begun.json")
    files.write_sealed(tmp_path / "audit" / "begun.json", begun | {"date": "2026-01-02T03:04:05"})
    assert commands.run("audit", *arguments).returncode == 0
    rows = history.read(tmp_path / "audit" / "history.parquet")
    assert {row["date"] for row in rows} == {"2026-01-02T03:04:05"}


def test_predictions_need_no_embeddings(tmp_path):
    rng = np.random.default_rng(0)
    race = rng.choice(["Black", "White"], 400)
    truth = rng.choice(["Male", "Female"], 400)
    right = rng.random(400) < np.where(race == "Black", 0.7, 0.95)
    said = np.where(right, truth, np.where(truth == "Male", "Female", "Male"))
    rows = ["file,gender,race,gender_preds"]
    rows += [f"{i}.jpg,{truth[i]},{race[i]},{race[i]}_{said[i]}" for i in range(400)]
    (tmp_path / "faces.csv").write_text("\n".join(rows) + "\n")
    ended = commands.run(
        "audit", "--config=configs/audit.py", f"--workdir={tmp_path / 'audit'}", DATE,
        f"--config.table={tmp_path / 'faces.csv'}", "--config.resamples=200",
        "--config.attributes=(('gender', 'gender'), ('race', 'race'))",
        "--config.predictions=(('gender', 'gender_preds'),)",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = [x for x in numbers(tmp_path) if x.metric == "accuracy" and not x.group]
    assert any(x.value == pytest.approx(right.mean()) and x.n == 400 for x in found)
