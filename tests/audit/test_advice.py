"""What an audit looked for, that nothing could be measured, and what to do next."""

import shlex

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from m4jax.audit.config import AuditConfig
from m4jax.audit.data import undecided
from m4jax.audit.job import Job
from m4jax.audit.outcome import advice
from m4jax.audit.stages import STAGES
from m4jax.data import readers
from m4jax.errors import InputError


def audited(folder, rows, **config):
    """Returns the job of an audit of captions, as it ends."""
    path = folder / "it's.csv"
    path.write_text("caption\n" + "\n".join(rows) + "\n")
    job = Job(
        AuditConfig(data=str(path), **config),
        folder / "out",
        command="python -m experiments.audit --config=x",
    )
    job.folder.mkdir()
    for stage in STAGES.values():
        stage(job, lambda *_: None)
    return job


def people(women=12, men=30):
    return ["a woman who is a nurse"] * women + ["a man who is a nurse"] * men + ["a car"] * 10


def test_what_was_looked_for_stands_on_the_page(tmp_path):
    job = audited(tmp_path, people())
    (fact,) = (x for x in job.page.facts if x.name == "looked for")
    assert "gender (woman, man)" in fact.text and "of which 1 occur" in fact.text
    assert "--config.label_sets=" in fact.text and "age" in fact.text
    assert "10 have captions that name nobody" in job.page.facts[0].text
    assert "prompts" not in dict(job.page.versions)


def test_steps_are_commands_of_this_data(tmp_path):
    job = audited(tmp_path, people())
    commands = [x for step in job.page.steps for x in step.commands]
    annotate, check, balance, watch = map(shlex.split, commands)
    assert annotate[2] == "experiments.annotate" and check[2] == "experiments.check_annotation"
    assert f"--config.files=({job.config.data!r},)" in annotate
    assert "--config.labels=('occupation: nurse',)" in balance
    assert "--config.attributes=('man',)" in balance
    assert watch[-1].startswith("--against=") and "experiments.balance" in balance
    text = (job.folder / "report.html").read_text()
    assert 'id="next"' in text and 'id="words"' in text and not job.page.nothing


def test_that_nothing_could_be_measured_comes_first(tmp_path):
    job = audited(tmp_path, ["a car on the road", "a dog in the park"] * 10)
    assert job.page.nothing.startswith("Nothing could be measured: no example tells gender")
    assert "--config.attributes=" in job.page.nothing and job.page.steps == ()
    text = (job.folder / "report.html").read_text()
    assert text.index("Nothing could be measured") < text.index("What stands out")


def test_without_a_lexicon_the_reason_is_told(tmp_path):
    job = audited(tmp_path, people(), lexicon="")
    assert "the lexicon is off" in job.page.nothing


def test_a_label_on_nearly_every_example_is_named(tmp_path):
    few = audited(tmp_path, people())
    assert not any("hardly any two" in x for x in few.page.unknown)
    (tmp_path / "b").mkdir()
    every = audited(tmp_path / "b", people()[:42])
    assert any("hardly any two" in x and "nurse" in x for x in every.page.unknown)


def row(label, n, share, imposed):
    return {"attribute": "man", "label": label, "before_n": n, "before": share, "imposed": imposed}


def test_labels_that_cannot_be_decided_are_told_apart():
    rows = [row("a", 40, 0.5, True), row("b", 10, 0.2, False), row("c", 6, 1.0, False),
            row("d", 0, np.nan, False), row("e", 30, 0.1, False)]  # fmt: skip
    first, more = undecided.sentences(rows, 5)
    assert "can't decide: 4 (e, b, c, d)" in first
    assert "2 have both groups, but fewer than 5 of one; 1 have one group alone" in first
    assert "1 have no example of which it is known" in first
    assert "With 2.1 times as many" in more and "with 2.5 times as many all" in more
    assert undecided.decided(rows) == ("a",)
    assert undecided.sentences(rows[:1], 5) == ("Labels that the data can't decide: none.",)


def test_captions_are_read_whether_their_pictures_are_there_or_not(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    table = tmp_path / "t.csv"
    table.write_text("file_name,caption\na.png,a man\nlost.png,a woman\n")
    assert len(readers.open_collection(table)) == 1
    alone = readers.open_collection(table, image="none")
    assert len(alone) == 2 and not alone.has_pictures
    pq.write_table(pa.table({"file_name": ["a.png", "lost.png"], "caption": ["x", "y"]}),
                   tmp_path / "t.parquet")  # fmt: skip
    assert len(readers.open_collection(tmp_path / "t.parquet", image="none")) == 2
    (tmp_path / "s.tar").touch()
    for path in (tmp_path / "s.tar", tmp_path / "a.png"):
        with pytest.raises(InputError, match="give the table's path"):
            readers.open_collection(path, image="none")
    with pytest.raises(InputError, match="give the table's path"):
        readers.open_collection(tmp_path, image="none")


def test_paths_are_quoted_for_a_shell():
    text = advice._python("annotate", "a b", files=("x$y's.csv",))
    assert r"x\$y's.csv" in text  # between double quotes a shell would put in a variable
    parts = shlex.split(text.replace(r"\$", "$"))
    assert parts[4] == "--workdir=a b" and parts[5] == '--config.files=("x$y\'s.csv",)'
