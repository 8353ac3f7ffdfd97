"""Two balancings in one directory: neither takes what is not its own for what it asked for."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import commands
from helpers.balancing import people, run, write

from configs import balance as settings
from m4jax import files, tables
from m4jax.errors import InputError
from m4jax.tables import weights


def made(folder, world, told=None, **more):
    """Returns the columns and the checksum of the testbed's table."""
    fields = {"world": vars(world), "frontier": ()} | more
    config = tables.table_config(settings.get_config().to_dict() | fields)
    job = tables.Job(config, folder, [].append if told is None else told.append)
    tables.STAGES["examples"](job, lambda what, done, total: None)
    path = folder / "examples.parquet"
    return pq.read_schema(path).names, files.sha256(path)


def test_the_testbeds_table_is_of_the_world_that_is_asked_for(tmp_path, small_world):
    told = []
    before = made(tmp_path, small_world, told)
    assert made(tmp_path, small_world, told) == before and not told
    names, other = made(tmp_path, small_world, told, world_labels=("any_thing",))
    assert len(names) < len(before[0]) and other != before[1]
    assert "of another world" in told[0]
    assert made(tmp_path, small_world) == before


def test_a_table_of_the_users_is_not_written_over(tmp_path, small_world):
    made(tmp_path, small_world)  # whose seal then lies beside the user's
    mine = write(tmp_path / "examples.parquet", people())
    content = mine.read_bytes()
    with pytest.raises(InputError, match=r"is not the testbed's: .* config.files"):
        made(tmp_path, small_world)
    assert mine.read_bytes() == content
    (tmp_path / "examples.json").unlink()
    with pytest.raises(InputError, match="is not the testbed's"):
        made(tmp_path, small_world)
    assert mine.read_bytes() == content


def test_uids_are_checked_although_the_weights_are_there(tmp_path):
    columns = people()
    columns["uid"][1] = columns["uid"][0]
    path = write(tmp_path / "data.parquet", columns)
    run([path], tmp_path / "out", check_uids=False, selection_seed=0)
    with pytest.raises(InputError, match="comes 2 times"):
        run([path], tmp_path / "out", selection_seed=0)
    for name in ("weights.parquet", "weights.json", "kept.parquet"):
        assert not (tmp_path / "out" / name).exists()


def test_what_is_refused_has_no_tables_of_another(tmp_path):
    path = write(tmp_path / "data.parquet", people())
    run([path], tmp_path / "out", without="")
    mine = tmp_path / "out" / "tables" / "mine.csv"
    mine.write_text("")
    shown = [x for name in ("tables", "figures") for x in (tmp_path / "out" / name).iterdir()]
    assert len(shown) > 5
    with pytest.raises(InputError, match="lower keep_rate"):
        run([path], tmp_path / "out", without="", keep_rate=0.99)
    assert [x for x in shown if x.exists()] == [mine]


def test_an_attribute_has_one_target(tmp_path):
    path = write(tmp_path / "data.parquet", people())
    with pytest.raises(InputError, match=r"config.target: 'man' comes twice"):
        run([path], tmp_path / "out", target=(("man", 0.5), ("man", 0.65)))


@pytest.mark.parametrize(("workdir", "told"), [("", "empty name"), ("file/x", "file is a file")])
def test_a_workdir_is_a_directory(tmp_path, workdir, told):
    (tmp_path / "file").write_text("")
    done = commands.run(
        "balance", "--config=configs/balance.py", f"--workdir={workdir and tmp_path / workdir}"
    )
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_a_seed_is_checked_before_the_work_is_done(tmp_path):
    path = write(tmp_path / "data.parquet", people())
    with pytest.raises(InputError, match=r"config.selection_seed: expected 0 to"):
        run([path], tmp_path / "out", selection_seed=-1)
    assert not (tmp_path / "out").exists()


def test_want_of_memory_is_not_the_files_fault(tmp_path):
    path = write(tmp_path / "data.parquet", people())
    with pytest.raises(InputError) as told:
        run([path], tmp_path / "out", memory_limit="1KB")
    assert "raise memory_limit (1KB)" in str(told.value) and "\n" not in str(told.value)
    assert "not a readable" not in str(told.value)


def test_what_to_raise_is_what_is_in_the_way(tmp_path):
    columns = people() | {"man": np.arange(400) < 399}
    path = write(tmp_path / "data.parquet", columns)
    with pytest.raises(InputError, match=r"\(man, representation\) .*eps_representation"):
        run([path], tmp_path / "out", labels=())


@pytest.mark.parametrize("uids", [["007"], [7.0], [float(2**53 + 1)], [" 7"], [True], [None]])
def test_weights_are_of_the_very_uid(tmp_path, uids):
    weights.write(tmp_path, uids=[7, 2**53], weights=np.array([0.1, 0.2]), certificate={})
    with pytest.raises(InputError):
        weights.read(tmp_path, uids)


def test_seven_and_its_text_are_one_uid(tmp_path):
    for stored in ([7, 8], ["7", "8"]):
        weights.write(tmp_path, uids=stored, weights=np.array([0.1, 0.2]), certificate={})
        for wanted in ([8, 7], ["8", "7"], np.array([8, 7], np.int32), np.array(["8", "7"])):
            assert weights.read(tmp_path, wanted).tolist() == [0.2, 0.1]
    assert weights.read(tmp_path, pa.array([], pa.string()).to_pylist()).tolist() == []
