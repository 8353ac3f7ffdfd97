"""What the command says became of what was asked for: in words, in files, by its exit code."""

import csv

import numpy as np
import pytest
from helpers import commands
from helpers.balancing import write

from configs import balance as settings
from experiments import balance_report
from m4jax import balance, files, tables
from m4jax.errors import InputError
from m4jax.report import style
from m4jax.report.results import write_csv
from m4jax.tables import figures, outcome, weights

COOKS, RARE = 12, 6


@pytest.fixture(scope="module")
def columns():
    """Returns examples in which nurses are women more often than not, and all cooks are men."""
    rng, n = np.random.default_rng(3), 2000
    man = rng.random(n) < 0.6
    men, women = np.flatnonzero(man), np.flatnonzero(~man)
    cook, rare = np.zeros(n, bool), np.zeros(n, bool)
    cook[men[:COOKS]] = True
    rare[[*men[-2 * RARE :], *women[:RARE]]] = True
    return {
        "uid": np.arange(n), "man": man, "nurse": rng.random(n) < np.where(man, 0.1, 0.3),
        "cook": cook, "rare": rare, "nobody": np.zeros(n, bool), "tokens": 5 + np.arange(n) % 4,
    }  # fmt: skip


@pytest.fixture(scope="module")
def path(columns, tmp_path_factory):
    return write(tmp_path_factory.mktemp("examples") / "data.parquet", columns)


@pytest.fixture(autouse=True)
def data_of_figures_alone(monkeypatch):
    """Drawing takes longer than all else here."""
    monkeypatch.setattr(style, "save", lambda figure, at, rows: write_csv(f"{at}.csv", rows))


def run(path, workdir, *more, labels=("nurse", "cook")):
    """Balances by the command; returns exit code, output in one line, certificate and verdicts."""
    done = commands.run(
        "balance", "--config=configs/balance.py", f"--workdir={workdir}",
        f"--config.files=('{path}',)", "--config.attributes=('man',)",
        f"--config.labels={labels!r}", "--config.frontier=()", *more,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
    if not (workdir / "weights.json").exists():
        return done.returncode, " ".join((done.stdout + done.stderr).split()), None, None
    with open(workdir / "tables" / "verdicts.csv", encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    text = " ".join(done.stdout.split())
    return done.returncode, text, files.read_json(workdir / "weights.json"), rows


def share(columns, label, q):
    chosen = columns[label]
    return (q * columns["man"])[chosen].sum() / q[chosen].sum()


def test_a_label_of_one_sex_is_told_and_left_as_it_is_or_dropped(tmp_path, path, columns):
    code, text, certificate, rows = run(path, tmp_path)
    assert code == outcome.UNKNOWN
    assert "share of man within cook" in text and "only man among 12 cook" in text
    assert "warning: 1 constraints can't be decided" in text
    assert text.index("share of man within nurse") < text.index("duality gap")
    assert "Of 2 constraints that the data can decide 2 hold, 0 of them before, too" in text
    assert certificate["verdicts"] == {"can't be": 1, "balanced": 2}
    assert certificate["verdicts_worst"][0]["name"] == "share of man within cook"
    cook, nurse = rows["share of man within cook"], rows["share of man within nurse"]
    assert cook["verdict"] == "can't be" and float(cook["after"]) == 1
    assert nurse["verdict"] == "balanced" and 0.449 <= float(nurse["after"]) <= 0.551
    q = weights.read(tmp_path, columns["uid"])
    assert float(nurse["after"]) == pytest.approx(share(columns, "nurse", q), abs=1e-5)
    assert certificate["kept"] > 0.7
    drawn = (tmp_path / "figures" / "association.csv").read_text().splitlines()
    assert drawn[-1].startswith("share of man within cook,can't be")
    # The same weights, but that they are left as they are is what is wanted.
    code, text, _, _ = run(path, tmp_path, "--config.one_sided=keep")
    assert code == outcome.GOOD and "leaves such labels as they are" in text


def test_what_can_not_be_decided_is_dropped_if_that_is_wanted(tmp_path, path, columns):
    code, text, certificate, rows = run(path, tmp_path, "--config.one_sided=drop")
    assert code == outcome.GOOD and "their examples have weight 0" in text
    q = weights.read(tmp_path, columns["uid"])
    assert not q[columns["cook"]].any() and 0.449 <= share(columns, "nurse", q) <= 0.551
    assert rows["share of man within cook"]["before_n"] == str(COOKS)
    assert certificate["examples"] == 2000 - COOKS
    cook = rows["share of man within cook"]
    assert cook["after"] == cook["gap_after"] == "" and float(cook["gap_before"]) > 0
    with open(tmp_path / "tables" / "constraints.csv", encoding="utf-8", newline="") as file:
        found = {row["label"]: row for row in csv.DictReader(file)}
    assert found["cook"]["gap_after"] == found["cook"]["prevalence_after"] == ""
    assert float(found["cook"]["gap_before"]) == pytest.approx(float(cook["gap_before"]))
    assert float(found[""]["prevalence_before"]) == pytest.approx(columns["man"].mean())


def test_what_holds_only_where_nothing_is_left_is_refused(tmp_path, columns):
    man = np.where(np.arange(2000) % 7 == 0, None, columns["man"])
    path = write(tmp_path / "data.parquet", columns | {"man": man.tolist()})
    words = ("share man between 40% and 50%", "share man at least 60%")
    asked = (f"--config.constraints={words!r}",)
    code, text, certificate, _ = run(path, tmp_path / "hard", *asked, labels=("nurse",))
    assert code == 2 and certificate is None and "only by dropping all" in text
    assert "prevalence of man at least 40.0% and at most 50.0%" in text


def test_bounds_that_ask_for_nothing_are_not_balance(tmp_path, path):
    asked = ("--config.eps_association=0.01", "--config.keep_rate=0.5")
    code, text, certificate, rows = run(path, tmp_path, *asked, labels=("nurse", "rare"))
    assert code == outcome.BAD and certificate["status"] == "converged"
    assert rows["share of man within rare"]["verdict"] == "vacuous"
    assert "bounds that ask for nothing are not balance" in text and "no band was asked" in text
    # The band holds the share of any label.
    code, _, certificate, rows = run(path, tmp_path, labels=("nurse", "rare"))
    assert code == outcome.GOOD
    assert 0.44 <= float(rows["share of man within rare"]["after"]) <= 0.56
    assert float(rows["share of man within rare"]["before"]) == pytest.approx(2 / 3)


def test_nothing_that_can_be_decided_is_no_success(tmp_path, path):
    asked = ("--config.constraints=('share man within cook between 45% and 55%',)",)
    code, text, certificate, _ = run(path, tmp_path, *asked, "--config.one_sided=keep")
    if certificate is None:  # hard bounds leave no weights at all
        assert code == 2 and "cook" in text
    else:
        assert code == outcome.UNKNOWN and certificate["verdicts"] == {"can't be": 1}


def test_labels_without_examples_are_no_success(tmp_path, path):
    code, _, certificate, rows = run(path, tmp_path, labels=("nurse", "nobody"))
    assert code == outcome.UNKNOWN and certificate["verdicts"]["can't be"] == 1
    assert rows["share of man within nobody"]["after"] == ""
    assert rows["share of man within nobody"]["gap_after"] == ""


def test_constraints_come_in_words_and_columns_have_budgets(tmp_path, path, columns):
    words = (
        "share man within nurse between 40% and 60%",
        {"budget": "tokens", "at_most": 8000},
        {"cap": "rare", "at_most": 0.004},
    )
    code, text, _, rows = run(
        path, tmp_path, f"--config.constraints={words!r}", "--config.columns=('tokens',)",
        labels=("nurse", "rare"),
    )  # fmt: skip
    assert code == outcome.GOOD
    assert set(rows) == {"share of man within nurse", "total of tokens", "share of rare"}
    assert "total of tokens" in text and "no band was asked for" in text
    q = weights.read(tmp_path, columns["uid"])
    assert q @ columns["tokens"] <= 8001
    assert 0.399 <= share(columns, "nurse", q) <= 0.601
    assert (q @ columns["rare"]) / q.sum() <= 0.00401


def test_violations_that_are_allowed_are_told(tmp_path, path):
    asked = ("--config.keep_rate=0.95",)
    code, text, _, _ = run(path, tmp_path, *asked, labels=("nurse",))
    assert code == 2 and "lower keep_rate" in text
    asked = (*asked, "--config.allow_violations=True")
    code, text, certificate, _ = run(path, tmp_path, *asked, labels=("nurse",))
    assert code == outcome.BAD and certificate["verdicts"]["violated"] >= 1
    assert "violated by" in text


def test_what_the_weights_drop_is_said_to_be_gone():
    weights, label = np.append(np.ones(1), np.full(19, 1e-12)), np.append(np.zeros(1), np.ones(19))
    problem = balance.Problem(
        (np.arange(20) % 2.0)[:, None], label[:, None], attribute_names=("s",), label_names=("y",),
        constraints=[balance.share("s", within="y", between=(0.4, 0.6))],
    )  # fmt: skip
    (row,) = outcome.judge(problem, np.ones(20), least=5)
    assert row["verdict"] == "was balanced" and np.isfinite(row["after"])
    (row,) = outcome.judge(problem, weights, least=5)
    none = ("after", "after_low", "after_high", "after_effective", "gap_after")
    assert row["verdict"] == "can't be" and np.isnan([row[name] for name in none]).all()
    assert np.isfinite(row["gap_before"]) and "none of its 19 examples is left" in row["text"]
    assert balance_report._gaps(row).endswith("→ –") and balance_report._interval(row) == "–"
    assert outcome.lost(problem, weights, least=5, first=1) == [
        f"{row['name']} at least 40.0% and at most 60.0%"
    ]
    assert not outcome.lost(problem, weights, least=10, first=1)


def test_warnings_speak_of_the_band_where_there_is_one():
    for one_sided in ("tell", "keep", "drop"):
        for more, band in (({}, True), ({"eps_association": 0.01}, False)):
            found = config(one_sided=one_sided, **more)
            text = " ".join(balance_report.warnings(found, {"can't be": 1}))
            assert ("the band" in text) == band and ("no band was asked for" in text) != band


def drawn(**more):
    row = dict.fromkeys(("before", "before_low", "before_high"), 1.0)
    row |= dict.fromkeys(("after", "after_low", "after_high"), 0.5)
    row |= {"name": "", "attribute": "man", "label": "cook", "unit": "share", "lower": 0.45,
            "upper": 0.55, "before_n": 12.0, "after_effective": 12.0}  # fmt: skip
    figure, rows = figures.association([row | more])
    (ax,) = figure.axes
    return [text.get_text() for text in ax.texts], ax.containers, rows


def test_what_can_not_be_estimated_does_not_look_balanced():
    texts, marks, rows = drawn(verdict="can't be")
    assert texts == ["can't be decided: 100% of 12"] and not marks and len(rows) == 1
    nothing = dict.fromkeys(("before", "after"), float("nan"))
    texts, marks, _ = drawn(verdict="can't be", before_n=0.0, **nothing)
    assert texts == ["no examples"] and not marks
    texts, marks, _ = drawn(verdict="balanced")
    assert not texts and len(marks) == 3  # the band, before, after


def config(**more):
    fields = {"files": ("x",), "attributes": ("man",), "labels": ("nurse",)}
    return tables.table_config(settings.get_config().to_dict() | fields | more)


def test_the_band_is_what_is_asked_for_by_default_alone():
    word = ("cap nurse at most 2%",)
    assert config().points == 0.05 and config().enforcement == np.inf
    assert config(eps_association=1e-3).points is None
    assert config(constraints=word).points is None
    assert config(constraints=word, band=0.02).points == 0.02
    assert config(allow_violations=True).enforcement == 10


def test_the_solution_has_another_name_if_something_else_is_asked():
    same = [config(), config(one_sided="keep"), config(band=0.05), config(penalty=np.inf)]
    assert len({repr(x.identity) for x in same}) == 1
    text, mapping = "cap nurse at most 2%", {"cap": "nurse", "at_most": 0.02}
    assert config(constraints=(text,)).identity == config(constraints=(mapping,)).identity
    others = [config(), config(band=0.02), config(least=3), config(one_sided="drop"),
              config(constraints=(text,)), config(eps_association=0.01)]  # fmt: skip
    assert len({repr(x.identity) for x in others}) == len(others)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"constraints": ("shore man between 1% and 2%",)}, r"config.constraints\[0\]: .*'share'"),
        ({"one_sided": "kep"}, "did you mean 'keep'"),
        ({"band": 5.0}, "config.band: expected 0 to 1"),
        ({"least": 0}, "config.least"),
    ],
)
def test_settings_that_can_not_be_used_are_told(more, told):
    with pytest.raises(InputError, match=told):
        config(**more)


@pytest.mark.parametrize(
    ("found", "accepted", "code"),
    [
        ({"balanced": 3, "was balanced": 1}, False, outcome.GOOD),
        ({"balanced": 3, "can't be": 1}, False, outcome.UNKNOWN),
        ({"balanced": 3, "can't be": 1}, True, outcome.GOOD),
        ({"can't be": 1}, True, outcome.UNKNOWN),
        ({"balanced": 3, "vacuous": 1}, True, outcome.BAD),
        ({"violated": 1, "can't be": 1}, True, outcome.BAD),
        ({}, True, outcome.UNKNOWN),
    ],
)
def test_the_exit_code_follows_the_verdicts(found, accepted, code):
    assert outcome.exit_code(found, accepted=accepted) == code


def test_without_labels_the_share_of_all_is_balanced(tmp_path, path):
    code, _, _, rows = run(path, tmp_path, "--config.frontier=(0.5,)", labels=())
    assert code == outcome.GOOD and list(rows) == ["prevalence of man"]
    assert (tmp_path / "figures" / "frontier.csv").read_text().splitlines()[1].startswith("0.5,,,")


def test_verdicts_are_found_again_from_the_weights_that_were_written(tmp_path, path):
    fields = {"files": (str(path),), "attributes": ("man",), "labels": ("nurse", "cook")}
    job = tables.Job(tables.TableConfig(**fields, columns=("tokens",), frontier=()), tmp_path)
    for name in ("fold", "solve", "weights"):
        tables.STAGES[name](job, lambda what, done, total: None)
    told = files.sealed_file(job.solution)
    found = files.read_json(tmp_path / "weights.json")
    for name in outcome.NUMBERS:  # of the patterns, and of the examples
        both = (np.array(x[name], float) for x in (told["certificate"], found))
        np.testing.assert_allclose(*both, atol=1e-9)
    told["certificate"]["shares"][0][1] += 1e-3
    facts = {name: value for name, value in told.items() if not name.startswith("file_")}
    files.seal_file(job.solution, **facts)
    (tmp_path / "weights.json").unlink()
    with pytest.raises(InputError, match="by the weights that were written, shares is"):
        tables.STAGES["weights"](job, lambda what, done, total: None)
