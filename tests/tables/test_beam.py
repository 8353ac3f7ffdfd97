"""Many workers make what one machine does."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import commands, tables_of_examples
from helpers.balancing import ABSOLUTE, people, write
from helpers.tables_of_examples import ATTRIBUTES, LABELS, draw

from configs import balance as settings
from m4jax import files, tables
from m4jax.data.annotation import tables as annotation
from m4jax.errors import InputError
from m4jax.tables import weights

pytest.importorskip("apache_beam")

from m4jax.tables.beam import annotating, folding, looking, pipelines

THREADS = pipelines.local_options(2)


def run(paths, folder, stages=None, told=None, options=THREADS, **more):
    """Carries out the stages, but for the pictures; returns the job."""
    fields = {"files": tuple(map(str, paths)), "attributes": ("man",), "labels": ("nurse",)}
    fields |= ABSOLUTE
    if more.get("engine") == "beam":
        fields["beam_options"] = options
    config = tables.table_config(settings.get_config().to_dict() | {"frontier": ()} | fields | more)
    job, works = tables.job(config, folder, [].append if told is None else told.append)
    for stage in stages or tables.stages(config)[:-1]:
        works[stage](job, lambda what, done, total: None)
    return job


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(looking, "ROWS", 450)
    monkeypatch.setattr(folding, "MERGED", 2)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowd")
    for i in range(3):
        columns = people(seed=i)
        columns["cook"] = columns["man"] & (np.arange(400) % 50 == 0)
        columns["quality"] = np.random.default_rng(i).lognormal(sigma=0.3, size=400)
        pq.write_table(pa.table(columns), folder / f"{i}.parquet", row_group_size=90)
    return [folder / "*.parquet"]


CASES = {
    "labels of any kind": {"kind": "soft", "counts": "times"},
    "utilities in levels": {"utility": "quality", "utility_levels": 4, "counts": "times"},
    "columns of numbers": {"columns": ("tokens",), "utility": "quality"},
    "bits": {"packed": "bits"},
}


@pytest.mark.parametrize("case", CASES)
def test_the_fold_is_the_same_to_the_byte(tmp_path, case):
    more, rng = dict(CASES[case]), np.random.default_rng(0)
    kind = more.pop("kind", "bool")
    for i in range(3):
        data = draw(rng, 200, kind=kind)
        data["times"] = rng.random(200)  # fractions: their sums must not depend on the order
        data["tokens"] = rng.integers(0, 3, 200)
        data["bits"] = rng.integers(0, 32, 200).astype(np.uint8)
        tables_of_examples.write(tmp_path / f"{i}.parquet", data, kind=kind)
    more |= {"attributes": ATTRIBUTES, "labels": LABELS}
    plain, many = (
        run([tmp_path / "?.parquet"], tmp_path / engine, ["fold"], engine=engine, **more)
        for engine in ("duckdb", "beam")
    )
    assert len(many.table.pieces()) == 2
    assert many.fold_id == plain.fold_id and many.solution_id == plain.solution_id
    assert many.fold.read_bytes() == plain.fold.read_bytes()
    seals = [job.fold.with_suffix(".json").read_bytes() for job in (many, plain)]
    assert seals[0] == seals[1]


DROP = {"labels": ("nurse", "cook"), "one_sided": "drop"} | dict.fromkeys(ABSOLUTE)


@pytest.mark.parametrize(
    ("levels", "more"),
    [(0, {}), (2, {"utility": "quality"}), (0, DROP | {"keep_rate": "max", "tolerance": 1e-6})],
    ids=["plain", "levels", "dropped"],
)
def test_the_weights_are_the_same(crowd, tmp_path, levels, more):
    more = {"selection_seed": 3, "threads": 2, "utility_levels": levels} | more
    plain = run(crowd, tmp_path / "plain", **more)
    many = run(crowd, tmp_path / "many", engine="beam", **more)
    assert many.solution.read_bytes() == plain.solution.read_bytes()
    for kind in ("weights", "kept"):
        shards = sorted(many.folder.glob(f"{kind}-*.parquet"))
        assert [x.name for x in shards] == [f"{kind}-{i:05d}-of-00003.parquet" for i in range(3)]
        found = pa.concat_tables(map(pq.read_table, shards))
        expected = pq.read_table(plain.folder / f"{kind}.parquet")
        if levels and kind == "weights":  # scores in blocks of another length may round otherwise
            assert found["uid"] == expected["uid"]
            np.testing.assert_allclose(found["weight"], expected["weight"], atol=1e-12)
        else:
            assert found == expected
    first, second = (tables.certificate(job.folder) for job in (plain, many))
    assert second.keys() - first.keys() == {"shards", "kept_shards", "selection_seed"}
    assert second["examples"] == first["examples"] and second["rows"] == 1200
    for name in ("kept", "effective_sample_size", "weight_max", "weight_zero_share"):
        assert second[name] == pytest.approx(first[name], rel=1e-12)


def test_weights_in_shards_are_read_as_one(crowd, tmp_path):
    run(crowd, tmp_path, engine="beam")
    uids = [2003, 0, 1399]
    table = pa.concat_tables(map(pq.read_table, sorted(tmp_path.glob("weights-*.parquet"))))
    expected = dict(zip(table["uid"].to_pylist(), table["weight"].to_pylist(), strict=True))
    assert weights.read(tmp_path, uids).tolist() == [expected[uid] for uid in uids]
    shard = tmp_path / "weights-00001-of-00003.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged"):
        weights.read(tmp_path, uids)
    told = []
    run(crowd, tmp_path, engine="beam", told=told)
    assert "weights-00001-of-00003.parquet is damaged" in told[0]
    assert weights.is_intact(tmp_path)
    run(crowd, tmp_path)  # and on one machine it is one file again
    assert not list(tmp_path.glob("weights-*")) and weights.is_intact(tmp_path)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("man", 1.5, "column 'man' is 1.5 for the example 'odd'; expected 0 to 1, or NULL"),
        ("soft", None, "column 'soft' is None for the example 'odd'; expected 0 to 1, never"),
        ("times", -1.0, "column 'times' is -1.0 for the example 'odd'; expected 0, or 1e-09 to"),
        ("uid", None, "column 'uid' is NULL for 1 examples"),
        ("uid", "id5", "column 'uid': 'id5' comes 2 times; expected a uid of its own"),
        ("other", 0, "no column 'men'; did you mean 'man'?"),
        ("file", 0, "not a readable parquet file"),
    ],
)
def test_what_is_wrong_is_told_as_on_one_machine(tmp_path, column, value, told):
    data = draw(np.random.default_rng(5), 200, kind="soft")
    data["times"] = data["times"].astype(float)
    columns = {name: values.tolist() for name, values in data.items()}
    (place,) = np.flatnonzero(data["uid"] == "id6")
    columns["uid"][place] = "odd"
    columns.get(column, [0] * 200)[place] = value
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=50)
    if column == "file":
        (tmp_path / "b.parquet").write_text("not parquet, and long enough to be looked at")
    more = {"attributes": ("men" if column == "other" else "man",), "labels": ("soft",)}
    more |= {"counts": "times", "eps_association": 1.0, "eps_representation": 1.0}
    for engine in ("duckdb", "beam"):
        with pytest.raises(InputError, match=told.replace("?", r"\?")):
            run([tmp_path / "?.parquet"], tmp_path / engine, engine=engine, **more)
        assert not list((tmp_path / engine).glob("weights*"))


def test_files_that_change_meanwhile_are_told(tmp_path):
    path = write(tmp_path / "data.parquet", people())
    run([path], tmp_path / "out", ["fold", "solve"], engine="beam")
    config = {"engine": "beam", "stages": ["fold", "solve"]}
    job = run([path], tmp_path / "out", **config)
    write(tmp_path / "data.parquet", people() | {"uid": np.arange(400) + 7})
    from m4jax.tables.beam import stages

    with pytest.raises(InputError, match="were changed while they were balanced; run again"):
        stages.STAGES["weights"](job, lambda what, done, total: None)
    assert not list((tmp_path / "out").glob("weights*"))


def test_options_that_beam_refuses_are_told(crowd, tmp_path):
    options = ("--runner=FlankRunner",)
    with pytest.raises(InputError, match=r"config.beam_options: Unexpected .* FlankRunner"):
        run(crowd, tmp_path, engine="beam", options=options)


def test_captions_are_annotated_as_by_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(annotating, "ROWS", 40)
    texts = ["a man who is a nurse", "a woman, a doctor", "[b] a doctor's dog", "", "two cats"] * 30
    pq.write_table(pa.table({"caption": texts}), tmp_path / "a.parquet", row_group_size=20)
    (tmp_path / "b").mkdir()
    for name in ("b.txt", "b/a.txt"):
        (tmp_path / name).write_text("\n".join(texts[:7]))
    paths = (f"{tmp_path}/a.parquet", f"{tmp_path}/b/a.txt", f"{tmp_path}/b.txt")
    plain = annotation.AnnotateConfig(files=paths)
    expected = annotation.annotate_files(plain, tmp_path / "examples.parquet")
    many = dataclasses.replace(plain, engine="beam", beam_options=THREADS)
    found, shards = annotating.annotate(many, str(tmp_path / "out"))
    assert found == expected and len(shards) == 6
    paths = [tmp_path / "out" / shard["name"] for shard in shards]
    assert [files.sha256(path) for path in paths] == [shard["sha256"] for shard in shards]
    table = pa.concat_tables(map(pq.read_table, paths))
    assert table == pq.read_table(tmp_path / "examples.parquet")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ein Mann, der in der Küche steht und für die Frau kocht\n" * 30, "check_language"),
        ("\n\n", "no captions in .*row 0: empty"),
        ("a\rb\n", "line 1 has carriage returns within"),
    ],
)
def test_captions_that_are_none_are_told(tmp_path, text, told):
    (tmp_path / "a.txt").write_text(text, newline="")
    config = annotation.AnnotateConfig(files=(f"{tmp_path}/a.txt",))
    many = dataclasses.replace(config, engine="beam", beam_options=THREADS)
    messages = []
    for work in (
        lambda: annotation.annotate_files(config, tmp_path / "x.parquet"),
        lambda: annotating.annotate(many, str(tmp_path / "out")),
    ):
        with pytest.raises(InputError, match=told) as error:
            work()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_examples_and_weights_may_lie_in_a_bucket(crowd, tmp_path):
    pytest.importorskip("helpers.bucket")  # Beam finds file systems among classes that are there
    plain = run(crowd, tmp_path / "plain")
    (folder,) = {path.parent for path in crowd}
    there = {"engine": "beam", "beam_folder": f"bucket://{tmp_path}/shared", "selection_seed": 0}
    many = run([f"bucket://{folder}/*.parquet"], tmp_path / "many", **there)
    assert many.fold_id == plain.fold_id and len(many.table.pieces()) == 3
    assert many.solution.read_bytes() == plain.solution.read_bytes()
    names = sorted(path.name for path in (tmp_path / "shared").rglob("*.*"))
    assert len(names) == 7 and "kept-00002-of-00003.parquet" in names and "weights.json" in names
    assert not list((tmp_path / "many").glob("weights-*"))
    uids = [0, 1003, 2399]
    expected = weights.read(tmp_path / "plain", uids).tolist()
    assert weights.read(tmp_path / "shared", uids).tolist() == expected
    with pytest.raises(InputError, match="no file matches 'bucket://"):
        run([f"bucket://{folder}/*.x"], tmp_path / "many", **there)


def test_captions_may_lie_in_a_bucket(tmp_path):
    pytest.importorskip("helpers.bucket")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a man\n\na nurse, and a woman\n")
    pq.write_table(pa.table({"caption": ["a man", "a doctor"]}), tmp_path / "in" / "b.parquet")
    config = annotation.AnnotateConfig(files=(f"{tmp_path}/in/*",))
    annotation.annotate_files(config, tmp_path / "examples.parquet")
    there = {"files": (f"bucket://{tmp_path}/in/*",), "engine": "beam", "beam_options": THREADS}
    many = dataclasses.replace(config, **there)
    found, shards = annotating.annotate(many, f"bucket://{tmp_path}/out")
    table = pa.concat_tables(pq.read_table(tmp_path / "out" / x["name"]) for x in shards)
    assert table == pq.read_table(tmp_path / "examples.parquet")
    assert found.reasons == [f"bucket://{tmp_path}/in/a.txt, row 1: empty"]
    (tmp_path / "in" / "a.txt").write_text("a\rb\n")
    with pytest.raises(InputError, match=r"^bucket://.*/in/a.txt: line 1 has carriage returns"):
        annotating.annotate(many, f"bucket://{tmp_path}/out")


def test_what_steps_cost_is_priced(tmp_path):
    (tmp_path / "a.csv").write_text(
        "caption\n" + "a man who is a nurse\na woman who is a doctor\na nurse with her bag\n" * 99
    )
    done = commands.run(
        "benchmark_beam",
        "--config=configs/benchmark_beam.py",
        f"--workdir={tmp_path / 'out'}",
        f"--config.files=({str(tmp_path / 'a.csv')!r},)",
        "--config.rows=1000",
    )
    assert done.returncode == 0, done.stderr
    rows = files.read_json(tmp_path / "out" / "price.json")
    assert [row["step"] for row in rows][:3] == ["annotate", "fold", "assign"]
    assert rows[-1]["dollars"] > 0 and "10,000,000,000 pairs" in done.stdout


@pytest.mark.slow
def test_processes_of_this_machine_do_it_as_a_user_would_have_it(crowd, tmp_path):
    def done(command, folder, *flags):
        done = commands.run(
            command, f"--config=configs/{command}.py", f"--workdir={folder}", *flags,
            "--config.engine=beam",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    captions = tmp_path / "captions.txt"
    captions.write_text("a man who is a nurse and a doctor\n" * 50)
    shown = done("annotate", tmp_path / "table", f"--config.files=({str(captions)!r},)")
    assert "examples-00000-of-00001.parquet" in shown
    assert files.read_sealed(tmp_path / "table" / "annotation.json")["captions"] == 50
    options = pipelines.local_options(2, processes=True)
    shown = done(
        "balance",
        tmp_path / "out",
        f"--config.files=({str(crowd[0])!r},)",
        "--config.attributes=('man',)",
        "--config.labels=('nurse',)",
        f"--config.beam_options={options!r}",
    )
    assert "weights-00000-of-00003.parquet to weights-00002-of-00003.parquet" in shown
    assert weights.is_intact(tmp_path / "out")
