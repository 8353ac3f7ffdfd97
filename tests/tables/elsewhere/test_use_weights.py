"""What is kept elsewhere: joined by uid, refused where it does not fit, written whole."""

import csv
import os
import random
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from helpers import commands, material

from m4jax import files
from m4jax.data import readers
from m4jax.errors import DamagedError, InputError
from m4jax.files import parquet
from m4jax.tables import selection
from m4jax.tables import weights as on_disk
from m4jax.tables.elsewhere import Kept, UseConfig, choose, lists, read, use
from m4jax.tables.elsewhere.shards import SIZES, pattern
from m4jax.tables.elsewhere.using import NOTE

FOUND = material.examples()
UIDS = [one.key for one in FOUND]
WEIGHTS = np.linspace(0, 1, len(FOUND))
KEPT = selection.keep(UIDS, WEIGHTS, seed=3)


@pytest.fixture
def weights(tmp_path):
    """A folder of weights as a balancing leaves it, in another order and of more examples."""
    order = np.random.default_rng(0).permutation(len(UIDS))
    uids = [*(UIDS[i] for i in order), "another"]
    folder = tmp_path / "balanced"
    on_disk.write(folder, uids=uids, weights=[*WEIGHTS[order], 1.0], certificate={"status": "ok"})
    return str(folder)


def table(path, uids, **columns):
    parquet.write(pa.table({"uid": uids} | columns), path)
    return str(path)


def asked(data, weights, **fields):
    return UseConfig(data=str(data), weights=weights, seed=3, **fields)


def test_shards_hold_what_is_kept_and_nothing_else(tmp_path, weights):
    source = material.write_shards(tmp_path / "shards", FOUND)
    used = use(asked(source, weights), tmp_path / "out")
    assert used.format == "shards" and used.written == KEPT.sum()
    coverage = used.coverage
    assert (coverage.examples, coverage.weighed, coverage.unused) == (40, 40, 1)
    assert coverage.weight == pytest.approx(WEIGHTS.sum())
    before, after = readers.open_collection(source), readers.open_collection(tmp_path / "out")
    expected = material.read(before).filter(pa.array(KEPT))
    assert material.read(after).to_pylist() == expected.to_pylist()
    pictures = [before.picture(i) for i in np.flatnonzero(KEPT)]
    assert [after.picture(i) for i in range(len(after))] == pictures
    sizes = files.read_json(tmp_path / "out" / SIZES)
    assert sum(sizes.values()) == KEPT.sum() and "00002.tar" in sizes


def test_members_of_any_name_and_kind_go_on(tmp_path):
    long = f"{'folder/' * 30}ü"
    entries = [("a.jpg", b"x" * 700), ("a.txt", b"a man"), ("a.npy", b"\0" * 513)]
    entries += [(f"{long}.jpg", b"y"), (f"{long}.txt", b""), ("c.jpg", b"z"), ("c.txt", b"c")]
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        source = material.write_tar(tmp_path / "s" / "0.tar", entries, format)
        uids = ["a", long]
        out = tmp_path / f"out{format}"
        use(asked(source, table(tmp_path / "kept.parquet", uids)), out)
        with tarfile.open(out / "0.tar") as archive:
            found = [(x.name, archive.extractfile(x).read()) for x in archive]
        assert found == entries[:5]


def test_an_interrupted_rewrite_goes_on_with_the_next_shard(tmp_path, weights, monkeypatch):
    source = material.write_shards(tmp_path / "shards", FOUND)
    config, out = asked(source, weights), tmp_path / "out"
    use(config, out)
    whole = {path.name: path.read_bytes() for path in out.glob("*.tar")}
    (out / NOTE).unlink()
    (out / "00001.tar").unlink()
    (out / "00002.tar").write_bytes(b"damaged")
    stamp = (out / "00000.tar").stat().st_mtime_ns
    use(config, out)
    assert {path.name: path.read_bytes() for path in out.glob("*.tar")} == whole
    assert (out / "00000.tar").stat().st_mtime_ns == stamp
    assert files.read_sealed(out / NOTE)["written"] == KEPT.sum()


SCRIPT = """
import sys
from pathlib import Path
from m4jax.tables.elsewhere import UseConfig, use
print("begun", flush=True)
use(UseConfig(data=sys.argv[1], weights=sys.argv[2], seed=3), Path(sys.argv[3]))
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_does_the_rest(tmp_path, weights):
    many = [one._replace(picture=one.picture * 1000) for one in FOUND]
    source = material.write_shards(tmp_path / "shards", many, size=2)
    use(asked(source, weights), tmp_path / "whole")
    out, killed, chance = tmp_path / "out", 0, random.Random(0)
    while not (out / NOTE).exists():
        command = [sys.executable, "-c", SCRIPT, source, weights, str(out)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            if killed < 4:
                time.sleep(chance.uniform(0, 0.3))
                process.kill()
        killed += process.returncode == -signal.SIGKILL
    assert killed
    files.sweep(out)
    expected = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert {path.name: path.read_bytes() for path in out.iterdir()} == expected


def test_another_seed_replaces_the_shards(tmp_path, weights):
    source = material.write_shards(tmp_path / "shards", FOUND)
    use(asked(source, weights), tmp_path / "out")
    other = UseConfig(data=source, weights=weights, seed=4)
    use(other, tmp_path / "out")
    kept = selection.keep(UIDS, WEIGHTS, seed=4)
    after = material.read(readers.open_collection(tmp_path / "out"))
    assert after["uid"].to_pylist() == [uid for uid, one in zip(UIDS, kept, strict=True) if one]


def test_a_shard_of_which_nothing_is_kept_is_not_there(tmp_path):
    source = material.write_shards(tmp_path / "shards", FOUND)
    q = np.where(np.arange(40) < 15, 0.0, 1.0)
    path = table(tmp_path / "w.parquet", UIDS, weight=q)
    out = tmp_path / "out"
    use(asked(source, table(tmp_path / "all.parquet", UIDS, weight=np.ones(40))), out)
    assert (out / "00000.tar").exists()
    use(asked(source, path), out)
    assert sorted(x.name for x in out.glob("*.tar")) == ["00001.tar", "00002.tar"]
    assert "00000.tar" not in files.read_json(out / SIZES)


def test_shards_are_never_written_over_themselves(tmp_path, weights):
    source = material.write_shards(tmp_path / "shards", FOUND)
    before = (tmp_path / "shards" / "00000.tar").read_bytes()
    with pytest.raises(InputError, match="the shards lie there"):
        use(asked(source, weights), tmp_path / "shards")
    assert (tmp_path / "shards" / "00000.tar").read_bytes() == before


def test_a_pattern_stands_for_the_shards_that_are_there():
    assert pattern(["00000.tar", "00001.tar", "00002.tar"]) == "{00000..00002}.tar"
    assert pattern(["a-8.tar", "a-9.tar"]) == "a-{8..9}.tar"
    assert pattern(["00000.tar", "00002.tar"]) == "{00000,00002}.tar"
    assert pattern(["00007.tar"]) == "00007.tar"


def test_open_clips_csv_has_a_line_for_each_caption(tmp_path, weights):
    several = material.examples(several=True)
    source = material.write_table(tmp_path / "photos", several)
    used = use(asked(tmp_path / "photos", weights), tmp_path / "out")
    with open(used.path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    kept = [one for one, keep in zip(several, KEPT, strict=True) if keep]
    assert [row["title"] for row in rows] == [text for one in kept for text in one.captions]
    assert used.written == len(rows)
    assert all(os.path.isabs(row["filepath"]) for row in rows)
    assert {row["uid"]: float(row["weight"]) for row in rows} == {
        uid: q for uid, q, keep in zip(UIDS, WEIGHTS, KEPT, strict=True) if keep
    }
    assert Path(source).exists()


def test_rows_and_addresses_of_captions(tmp_path, weights):
    lines = ["uid,caption,url"]
    lines += [f"{one.key},{one.captions[0]},https://x.example/{one.key}.jpg" for one in FOUND]
    source = tmp_path / "list.csv"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    used = use(asked(source, weights), tmp_path / "out")
    assert used.format == "rows"
    np.testing.assert_array_equal(np.load(used.path), np.flatnonzero(KEPT))
    used = use(asked(source, weights, format="img2dataset"), tmp_path / "out")
    found = parquet.read(used.path)
    assert found.column_names == ["url", "caption", "uid", "weight"]
    uids = [uid for uid, one in zip(UIDS, KEPT, strict=True) if one]
    assert found["uid"].to_pylist() == uids
    assert found["url"].to_pylist() == [f"https://x.example/{uid}.jpg" for uid in uids]
    with pytest.raises(InputError, match=r"Say config\.url"):
        use(asked(source, weights, format="img2dataset", url="nowhere"), tmp_path / "out")


def test_weights_of_other_data_are_refused_with_the_coverage(tmp_path):
    source = material.write_shards(tmp_path / "shards", FOUND)
    half = table(tmp_path / "half.parquet", UIDS[:20], weight=np.ones(20))
    with pytest.raises(InputError, match=r"20 of the 40 .* it lacks 'p020', 'p021', 'p022'"):
        use(asked(source, half), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    used = use(asked(source, half, leave_out=True), tmp_path / "out")
    assert (used.written, used.coverage.weighed) == (20, 20)
    none = table(tmp_path / "none.parquet", ["a", "b"], weight=np.ones(2))
    with pytest.raises(InputError, match="0 of the 40"):
        use(asked(source, none, leave_out=True), tmp_path / "out")


def test_who_is_kept_may_be_given_as_a_list(tmp_path):
    source = material.write_shards(tmp_path / "shards", FOUND)
    path = table(tmp_path / "kept.parquet", UIDS[5:9])
    used = use(asked(source, path), tmp_path / "out")
    assert material.read(readers.open_collection(tmp_path / "out"))["uid"].to_pylist() == UIDS[5:9]
    assert used.coverage.kept == 4


def test_what_are_no_weights_is_refused(tmp_path, weights):
    for columns, message in (
        ({"uid": ["a", "a"], "weight": [1.0, 0.5]}, "'a' stands twice"),
        ({"uid": ["a", "b"], "weight": [1.0, 1.5]}, r"in \[0, 1\]"),
        ({"uid": ["a", "b"], "weight": [1.0, None]}, "NULL"),
        ({"uid": ["a", None], "weight": [1.0, 1.0]}, "NULL"),
        ({"uid": [0.5, 0.25], "weight": [1.0, 1.0]}, "text or whole numbers"),
        ({"id": ["a", "b"]}, "expected the columns uid and weight"),
    ):
        parquet.write(pa.table(columns), tmp_path / "odd.parquet")
        with pytest.raises(InputError, match=message):
            read(str(tmp_path / "odd.parquet"))
    with pytest.raises(InputError, match=r"config.weights: .*none: no such folder or file; expect"):
        read(str(tmp_path / "none"))
    Path(weights, "weights.parquet").write_bytes(b"x")
    with pytest.raises(DamagedError):
        read(weights)


def test_whole_numbers_and_text_are_the_same_uid(tmp_path):
    source = tmp_path / "list.csv"
    source.write_text("uid,caption\n7,a man\n8,a woman\n", encoding="utf-8")
    path = table(tmp_path / "w.parquet", [8, 7], weight=[0.0, 1.0])
    found = choose(read(path), readers.open_collection(source), seed=0)
    assert found.kept.tolist() == [True, False]
    with pytest.raises(InputError, match="open_clip's csv names files"):
        lists.write_open_clip(readers.open_collection(source), found, tmp_path / "x.csv")


def test_a_filter_keeps_what_a_rewrite_keeps(weights):
    kept = Kept.read(weights, seed=3)
    samples = [{"__key__": uid, "txt": "a man"} for uid in UIDS]
    assert [kept(sample) for sample in samples] == KEPT.tolist()
    assert [kept(uid) for uid in UIDS] == KEPT.tolist()
    assert (kept.seen, kept.kept, kept.unknown) == (80, 2 * KEPT.sum(), 0)
    with pytest.raises(InputError, match="no weight for 'p999'"):
        kept({"__key__": "p999"})
    inside = Kept.read(weights, seed=3, field=("json", "uid"))
    assert inside({"json": {"uid": UIDS[-1]}}) is True
    with pytest.raises(InputError, match=r"no json\.uid"):
        inside({"json": {}})
    assert Kept.read(weights, seed=3, leave_out=True)({"__key__": "p999"}) is False


def test_odd_settings_are_refused():
    with pytest.raises(InputError, match=r"config\.weights"):
        UseConfig(data="x")
    with pytest.raises(InputError, match="did you mean 'open_clip'"):
        UseConfig(data="x", weights="y", format="openclip")


def test_the_command_prints_the_coverage_and_how_to_read_it(tmp_path, weights):
    source = material.write_shards(tmp_path / "shards", FOUND)
    flags = ["--config=configs/use_weights.py", f"--workdir={tmp_path / 'out'}"]
    flags += [f"--config.weights={weights}", "--config.seed=3"]
    done = commands.run("use_weights", *flags, f"--config.data={source}")
    assert done.returncode == 0, done.stderr
    assert "40 of 40 examples have a weight, and 1 weights are of none of them" in done.stdout
    assert "{00000..00002}.tar' --dataset-type webdataset" in done.stdout
    done = commands.run("use_weights", *flags, f"--config.data={tmp_path / 'nothing'}")
    assert done.returncode == 2 and done.stderr.startswith("error: ")


@pytest.mark.parametrize("form", ["folder", "shards"])
def test_from_pictures_with_captions_to_what_is_kept_of_them(form, tmp_path):
    found = material.examples(90)
    if form == "folder":
        data = material.write_folder(tmp_path / "photos", found)
    else:
        data = material.write_shards(tmp_path / "shards", found)
    steps = {
        "annotate": [f"--config.files=('{data}',)"],
        "balance": [
            f"--config.files=('{tmp_path / 'annotate' / 'examples.parquet'}',)",
            "--config.attributes=('man',)", "--config.labels=('occupation: nurse',)",
            "--config.target=0.4", "--config.band=0.02", "--config.frontier=()",
        ],
        "use_weights": [f"--config.data={data}", f"--config.weights={tmp_path / 'balance'}"],
    }  # fmt: skip
    for name, flags in steps.items():
        done = commands.run(
            name, f"--config=configs/{name}.py", f"--workdir={tmp_path / name}", *flags
        )
        assert done.returncode == 0, done.stderr + done.stdout
    assert "90 of 90 examples have a weight" in done.stdout
    q = on_disk.read(tmp_path / "balance", [one.key for one in found])
    kept = selection.keep([one.key for one in found], q, seed=0)
    assert 0 < kept.sum() < 90
    expected = [one.key for one, keep in zip(found, kept, strict=True) if keep]
    if form == "shards":
        after = material.read(readers.open_collection(tmp_path / "use_weights"))
        assert after["uid"].to_pylist() == expected
    else:
        lines = (tmp_path / "use_weights" / "open_clip.csv").read_text().splitlines()[1:]
        assert [line.split("\t")[2] for line in lines] == expected
