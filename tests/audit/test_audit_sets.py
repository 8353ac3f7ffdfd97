"""Sets of pictures beside the first, annotation made before, and texts that are no markup."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import audit_material, commands

from m4jax.audit.config import AuditConfig
from m4jax.audit.outcome import results
from m4jax.errors import InputError

DATE = "--config.date=2026-11-27"


def numbers(folder):
    return results.read(folder / "results.parquet").measures


def test_sets_beside_the_first(tmp_path):
    first, second = audit_material.make(), audit_material.make(towards_man=15, seed=1)
    (tmp_path / "street").mkdir()
    other = {"name": "street",
             "embeddings": str(audit_material.write_npz(tmp_path / "street", second)),
             "table": str(audit_material.write_csv(tmp_path / "street", second)),
             "attributes": (("gender", "sex"),), "nobody": "empty"}  # fmt: skip
    ended = commands.run("audit", *audit_material.arguments(tmp_path, first, DATE),
                         f"--config.sets=({other!r},)")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    found = numbers(tmp_path / "audit")
    by_set = {x.source: x.value for x in results.pick(found, metric="representation_bias",
                                                      attribute="gender", wording="")}  # fmt: skip
    assert by_set["pictures"] == first.preference and by_set["street"] == second.preference
    (spread,) = (x for x in found if x.metric == "representation_bias_range"
                 and x.wording == "pictures")  # fmt: skip
    assert spread.value == abs(first.preference - second.preference)


def test_annotation_made_before_is_joined(tmp_path):
    material = audit_material.make()
    captions = audit_material.write_csv(tmp_path, material)
    ended = commands.run(
        "annotate", "--config=configs/annotate.py", f"--workdir={tmp_path / 'annotated'}",
        f"--config.files=('{captions}',)", "--config.uid=image", "--config.check_language=False",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    made = tmp_path / "annotated" / "examples.parquet"
    assert "man" in pq.read_schema(made).names
    arguments = [x for x in audit_material.arguments(tmp_path, material, DATE)
                 if not x.startswith(("--config.attributes", "--config.table", "--config.labels",
                                      "--config.nobody"))]  # fmt: skip
    ended = commands.run("audit", *arguments, f"--config.annotation={made}", "--config.lexicon=")
    assert ended.returncode == 0, ended.stderr
    found = results.pick(numbers(tmp_path / "audit"), metric="accuracy", label="", wording="")
    assert {x.group: x.n for x in found} == {"": 40, "man": 20, "woman": 20}


def test_names_are_text_in_terminal_and_page(tmp_path):
    material = audit_material.make()
    odd = "[red]x[/red]\x1b[2J<script>alert(1)</script>"
    arguments = [x for x in audit_material.arguments(tmp_path, material, DATE)
                 if not x.startswith("--config.name")]  # fmt: skip
    ended = commands.run("audit", *arguments, f"--config.name={odd}",
                         "--config.limits=(('representation_bias', '', 0.1),)")  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    assert "[red]x[/red]" in ended.stdout and "\x1b[2J" not in ended.stdout
    page = (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page and "[red]x[/red]" in page


def test_the_default_configuration_is_that_of_the_class():
    config = AuditConfig(data="x")
    assert config.settings.resamples == 1000 and config.every_set[0].title == "x"
    assert np.isclose(config.level, 0.95) and not config.show_pictures


def test_pictures_that_no_model_looks_at_are_not_shown():
    with pytest.raises(InputError, match="whom a model takes pictures for"):
        AuditConfig(data="x", show_pictures=True)
