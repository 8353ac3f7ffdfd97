"""Files between the steps: what is damaged or missing is noticed, told and made again."""

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.balancing import people, run, write
from helpers.damage import flips

from m4jax import balance, files
from m4jax.errors import DamagedError, InputError
from m4jax.files import contents
from m4jax.tables import assignment, solving, verification, weights

MORE = {"selection_seed": 1, "frontier": (0.3, 0.6)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A table, and the directory of its balancing."""
    folder = tmp_path_factory.mktemp("made")
    path = write(folder / "a.parquet", people())
    run([path], folder / "w", **MORE)
    return path, folder / "w"


@pytest.fixture
def copy(made, tmp_path):
    path, folder = made
    shutil.copytree(folder, tmp_path / "w")
    return path, tmp_path / "w"


def content(folder):
    paths = [p for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def find(folder, name):
    (path,) = folder.glob(name)
    return path


WRITTEN = ["folds/*.parquet", "folds/*.json", "solutions/*.parquet", "solutions/*.json",
           "weights.parquet", "weights.json", "kept.parquet", "kept.json",
           "frontiers/*.json"]  # fmt: skip


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "[]", "deleted", "nested"])
def test_what_is_damaged_is_made_again_to_the_same_bytes(copy, made, name, damage):
    path, folder = copy
    file, told = find(folder, name), []
    whole = file.read_bytes()
    if damage == "deleted":
        file.unlink()
    else:
        changed = whole[:40] + bytes([whole[40] ^ 4]) + whole[41:]
        other = {"flip": changed, "cut": whole[:-9], "empty": b"", "[]": b"[]",
                 "nested": b"[" * 10**5}  # fmt: skip
        file.write_bytes(other[damage])
    # What is made again and what follows from it; nothing else.
    run([path], folder, told, **MORE)
    assert content(folder) == content(made[1])
    assert len(told) == (0 if damage == "deleted" and name.endswith("json") else 1), told
    assert all("it is made again" in line and "\n" not in line for line in told)


@pytest.mark.parametrize("name", ["folds/*.parquet", "solutions/*.parquet", "kept.parquet"])
def test_every_flipped_bit_of_a_file_is_noticed(copy, name):
    file = find(copy[1], name)
    for bit in flips(file, 200):
        with pytest.raises(DamagedError):
            files.sealed_file(file)
        assert bit >= 0


@pytest.mark.parametrize("name", [x for x in WRITTEN if x.endswith("json")])
def test_every_flipped_bit_of_a_seal_is_noticed_or_changes_nothing(copy, name):
    file = find(copy[1], name)
    before = files.read_sealed(file)
    for bit in flips(file, 400):
        try:
            assert files.read_sealed(file) == before, bit
        except DamagedError:
            continue


def test_other_settings_after_damage_end_in_the_right_weights(copy, tmp_path):
    path, folder = copy
    run([path], tmp_path / "other", keep_rate=0.45)
    expected = (tmp_path / "other" / "weights.parquet").read_bytes()
    fold = find(folder, "folds/*.parquet")
    for _ in flips(fold, 4):
        told = []
        run([path], folder, told, keep_rate=0.45)
        assert len(told) == 1
        assert (folder / "weights.parquet").read_bytes() == expected
        shutil.rmtree(folder / "solutions")


def test_a_fold_whose_counts_do_not_add_up_is_refused(copy):
    path, folder = copy
    fold = find(folder, "folds/*.parquet")
    table, facts = pq.read_table(fold), files.sealed_file(fold)
    shutil.rmtree(folder / "solutions")
    pq.write_table(table.slice(1), fold)
    files.seal_file(fold, **facts)
    with pytest.raises(DamagedError, match=r"counts add up to .*, those of the examples to 400"):
        run([path], folder)


@pytest.mark.parametrize("utility", ["", "quality"])
def test_weights_other_than_those_that_were_solved_for_are_refused(tmp_path, monkeypatch, utility):
    columns = people() | {"quality": np.tile([0.5, 0.75, 1.0, 2.0], 100)}
    path = write(tmp_path / "a.parquet", columns)
    more = {"utility": utility, "utility_levels": 1 if utility else 0}

    def spoiled(write):
        def wrong(*given):
            out = given[1] if utility else given[3]
            write(*given)
            table = pq.read_table(out)
            weight = np.roll(table["weight"].to_numpy(), 1)
            pq.write_table(table.set_column(1, "weight", pa.array(weight)), out)

        return wrong

    monkeypatch.setattr(assignment, "assign", spoiled(assignment.assign))
    monkeypatch.setattr(solving, "weigh_each", spoiled(solving.weigh_each))
    with pytest.raises(DamagedError, match=r"by the weights that were written, .*violation"):
        run([path], tmp_path / "w", **more)
    assert not list((tmp_path / "w").glob("weights.*"))


@pytest.mark.parametrize("utility", ["", "quality"])
def test_the_certificate_is_of_the_weights_that_were_written(tmp_path, monkeypatch, utility):
    rng = np.random.default_rng(0)
    columns = people(n=900) | {"quality": rng.lognormal(0, 0.3, 900), "dark": rng.random(900) < 0.3}
    columns["times"] = rng.integers(0, 4, 900) / 2
    man = pa.array(columns["man"], mask=rng.random(900) < 0.1)
    path = write(tmp_path / "a.parquet", columns | {"man": man})
    more = {"utility": utility, "utility_levels": 1 if utility else 0, "counts": "times",
            "attributes": ("man", "dark"), "intersections": (("man", "dark"),),
            "target": 0.4, "penalty": 0.01, "allow_violations": True}  # fmt: skip
    monkeypatch.setattr(verification, "ROUNDING", 1e-9)
    found = run([path], tmp_path / "w", **more)
    s = np.stack([man.cast("float64").to_numpy(zero_copy_only=False), columns["dark"]], axis=1)
    problem = balance.Problem(
        s, columns["nurse"][:, None], counts=columns["times"], target=0.4,
        attribute_names=("man", "dark"), intersections=(("man", "dark"),), keep_rate=0.5,
        eps_representation=1e-4, eps_association=1e-4,
    )  # fmt: skip
    diagnostics = balance.diagnose(problem, weights.read(tmp_path / "w", columns["uid"]))
    for name in verification.OF_PATTERNS:
        assert found[name] == pytest.approx(getattr(diagnostics.weights, name), rel=1e-12), name
    beyond = (np.abs(diagnostics.moment) - diagnostics.eps).clip(0)
    assert found["violation_max"] == pytest.approx(beyond.max(), rel=1e-9)
    np.testing.assert_allclose(found["association_violation"], beyond[:, 1:], atol=1e-12)


def test_a_table_is_known_by_its_contents(tmp_path):
    columns = people()
    path = write(tmp_path / "a.parquet", columns)
    stat = os.stat(path)
    first = run([path], tmp_path / "w")
    swapped = columns | {"man": ~columns["man"]}
    write(path, swapped)  # as large, and as old
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert os.stat(path).st_size == stat.st_size
    second = run([path], tmp_path / "w")
    assert second["solution"] != first["solution"]
    found = weights.read(tmp_path / "w", columns["uid"])
    bias = balance.bias(swapped["man"][:, None], columns["nurse"][:, None], found, 0.5)
    assert abs(bias.representation[0]) < 1e-3
    # Elsewhere, under another name and with another time, it is what it was.
    other = tmp_path / "elsewhere" / "b.parquet"
    other.parent.mkdir()
    shutil.copyfile(path, other)
    assert run([other], tmp_path / "w2")["solution"] == second["solution"]


def test_files_that_change_meanwhile_are_told(tmp_path, monkeypatch):
    columns = people()
    path = write(tmp_path / "a.parquet", columns)
    written = assignment.assign

    def late(*given):
        written(*given)
        write(path, columns | {"man": np.roll(columns["man"], 1)})

    monkeypatch.setattr(assignment, "assign", late)
    with pytest.raises(InputError, match="run again"):
        run([path], tmp_path / "w")
    assert not list((tmp_path / "w").glob("weights.*"))


def test_a_link_is_replaced_and_what_it_leads_to_left_alone(tmp_path):
    path = write(tmp_path / "a.parquet", people())
    (tmp_path / "w").mkdir()
    for name in ("weights.parquet", "weights.json", "kept.parquet"):
        (tmp_path / name).write_bytes(b"mine")
        (tmp_path / "w" / name).symlink_to(tmp_path / name)
    run([path], tmp_path / "w", [], selection_seed=0)
    for name in ("weights.parquet", "weights.json", "kept.parquet"):
        assert (tmp_path / name).read_bytes() == b"mine"
        assert not (tmp_path / "w" / name).is_symlink()
    assert len(weights.read(tmp_path / "w", people()["uid"])) == 400


@pytest.mark.slow
def test_the_testbeds_table_is_made_again(tmp_path, small_world):
    world = {"world": vars(small_world), "attributes": (), "labels": (),
             "allow_violations": True}  # fmt: skip
    first = run([], tmp_path, **world)
    told, file = [], tmp_path / "examples.parquet"
    file.write_bytes(file.read_bytes()[:-5])
    assert run([], tmp_path, told, **world) == first
    assert len(told) == 1 and "examples.parquet is damaged" in told[0]


def test_large_files_are_hashed_in_full_when_told(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet", people())
    small = run([path], tmp_path / "w")["solution"]
    monkeypatch.setattr(contents, "IN_FULL", 100)
    monkeypatch.setattr(contents, "BLOCK", 10)
    sampled = run([path], tmp_path / "w")["solution"]
    full = run([path], tmp_path / "w", full_fingerprints=True)["solution"]
    assert small == full != sampled
