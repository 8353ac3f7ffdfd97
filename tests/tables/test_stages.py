import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.balancing import ABSOLUTE

from configs import balance as settings
from m4jax import balance, files
from m4jax import tables as weigh
from m4jax.errors import InputError
from m4jax.tables import weights


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("examples")
    for i in range(3):
        man = rng.random(400) < 0.6
        nurse = rng.random(400) < np.where(man, 0.1, 0.3)
        uid = np.arange(400) + 1000 * i
        pq.write_table(pa.table({"uid": uid, "man": man, "nurse": nurse}), folder / f"{i}.parquet")
    return folder


def run(examples, folder, stages=None, **more):
    fields = {"files": (str(examples / "*.parquet"),), "attributes": ("man",),
              "labels": ("nurse",), "frontier": (0.3, 0.9)} | ABSOLUTE  # fmt: skip
    config = weigh.table_config(settings.get_config().to_dict() | fields | more)
    job = weigh.Job(config, folder)
    for stage in stages or weigh.stages(config):
        weigh.STAGES[stage](job, lambda what, done, total: None)


def content(folder):
    paths = [p for p in folder.rglob("*") if p.is_file() and p.parent.name != "folds"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_the_weights_are_those_of_the_solver_in_memory(examples, tmp_path):
    run(examples, tmp_path)
    table = pa.concat_tables(pq.read_table(examples / f"{i}.parquet") for i in range(3))
    man, nurse = (table[name].to_numpy()[:, None] for name in ("man", "nurse"))
    problem = balance.Problem(man, nurse, target=0.5, keep_rate=0.5, eps_representation=1e-4,
                              eps_association=1e-4)  # fmt: skip
    found = weights.read(tmp_path, table["uid"].to_pylist())
    np.testing.assert_allclose(found, balance.solve(problem).weights, atol=1e-6)


@pytest.mark.parametrize("objective", ["quadratic", pytest.param("kl", marks=pytest.mark.slow)])
def test_utilities_in_levels_end_in_the_exact_weights_of_every_example(tmp_path, objective):
    rng = np.random.default_rng(1)
    man, dark = rng.random((2, 900)) < [[0.6], [0.3]]
    columns = {"uid": np.arange(900), "man": man, "dark": dark,
               "nurse": rng.random(900) < np.where(man, 0.1, 0.3),
               "quality": rng.lognormal(sigma=0.3, size=900)}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "examples.parquet", row_group_size=100)
    settings = {"attributes": ("man", "dark"), "intersections": (("man", "dark"),),
                "target": (("man", 0.5), ("dark", 0.3)), "objective": objective,
                "files": (str(tmp_path / "examples.parquet"),), "utility": "quality",
                "utility_levels": 2, "frontier": ()}  # fmt: skip
    run(tmp_path, tmp_path / "out", **settings)
    problem = balance.Problem(
        np.stack([man, dark], axis=1), columns["nurse"][:, None], utility=columns["quality"],
        target={"man": 0.5, "dark": 0.3}, attribute_names=("man", "dark"), keep_rate=0.5,
        intersections=(("man", "dark"),), eps_representation=1e-4, eps_association=1e-4,
    )  # fmt: skip
    expected = balance.solve(problem, objective=objective, tolerance=1e-9)
    found = weights.read(tmp_path / "out", columns["uid"])
    np.testing.assert_allclose(found, expected.weights, atol=1e-4)
    certificate = files.read_json(tmp_path / "out" / "weights.json")
    assert certificate["objective"] == pytest.approx(expected.objective, rel=1e-5)
    assert certificate["passes"] >= 2


@pytest.mark.parametrize("one_sided", [pytest.param("tell", marks=pytest.mark.slow), "drop"])
def test_words_columns_and_levels_of_utility_go_together(tmp_path, one_sided):
    rng = np.random.default_rng(1)
    man = rng.random(900) < 0.6
    cook = np.isin(np.arange(900), np.flatnonzero(man)[:9])
    columns = {"uid": np.arange(900), "man": man, "cook": cook, "tokens": 5 + np.arange(900) % 4,
               "nurse": rng.random(900) < np.where(man, 0.1, 0.3),
               "quality": rng.lognormal(sigma=0.3, size=900)}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "examples.parquet")
    settings = {"labels": ("nurse", "cook"), "columns": ("tokens",), "utility": "quality",
                "constraints": ("budget tokens at most 2700", "band 5 points"), "frontier": (),
                "keep_rate": "max", "eps_association": None, "eps_representation": None,
                "penalty": None, "one_sided": one_sided}  # fmt: skip
    found = []
    for levels in (0, 2):
        run(tmp_path, tmp_path / str(levels), utility_levels=levels, **settings)
        found.append(weights.read(tmp_path / str(levels), columns["uid"]))
    q = found[0]
    np.testing.assert_allclose(found[1], q, atol=1e-4)
    assert q @ columns["tokens"] <= 2700.001 and q[cook].any() == (one_sided == "tell")
    assert 0.449 <= q[columns["nurse"] & man].sum() / q[columns["nurse"]].sum() <= 0.551


def test_stopped_after_any_stage_it_ends_in_the_same_bytes(examples, tmp_path):
    run(examples, tmp_path / "once", selection_seed=1)
    for stop in range(1, len(weigh.STAGES) + 1):
        run(examples, tmp_path / "again", tuple(weigh.STAGES)[:stop], selection_seed=1)
    assert content(tmp_path / "again") == content(tmp_path / "once")
    assert {"kept.parquet", "figures/frontier.png"} <= content(tmp_path / "once").keys()


def test_weights_that_miss_a_bound_are_refused_and_older_ones_gone(examples, tmp_path):
    run(examples, tmp_path, frontier=())
    with pytest.raises(InputError, match=r"\(man, nurse\).*no weights meet them all beyond a keep"):
        run(examples, tmp_path, keep_rate=0.99)
    assert not list(tmp_path.glob("weights.*"))
    run(examples, tmp_path, keep_rate=0.99, allow_violations=True)
    assert files.read_json(tmp_path / "weights.json")["violation_max"] > 1e-3
    run(examples, tmp_path, keep_rate="max")
    certificate = files.read_json(tmp_path / "weights.json")
    assert certificate["violation_max"] < 1e-6 and certificate["keep_rate_binding"]
