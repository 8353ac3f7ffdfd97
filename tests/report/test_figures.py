import csv
import math

import matplotlib
import matplotlib.image
import numpy as np
import pytest
from helpers.figures import check, foot_of
from helpers.tables_of_results import OCCUPATIONS, THINGS, VERSIONS, changed, plausible_rows, table
from matplotlib.figure import Figure
from scipy import stats

from m4jax.report import comparisons, figures, panels, style
from m4jax.report.contrasts import Runs, difference
from m4jax.report.results import Estimate


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp("figures")
    return directory, figures.render(table(plausible_rows()), directory, figures.FIGURES)


def rows_of(directory, name):
    with open(directory / f"{name}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_is_drawn_with_its_data(drawn):
    directory, paths = drawn
    names = [f"{name}.{kind}" for name in figures.FIGURES for kind in ("csv", "png", "svg")]
    assert sorted(path.name for path in directory.iterdir()) == sorted(names)
    for path in paths:
        picture = matplotlib.image.imread(path)
        assert picture.shape[1] == style.WIDTH * 200
        assert picture[..., :3].std() > 0.05


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_figure_is_told_and_readable(name):
    with style.page():
        check(figures.FIGURES[name](table(plausible_rows()))[0], name)


def test_what_is_missing_below_a_figure_is_named():
    said = {"n": "3 seeds", "bars": "95% intervals", "wrong": "pictures are few"}
    for name in said:
        with pytest.raises(ValueError, match=f"'{name}'"):
            style.foot(Figure(layout="constrained"), **said | {name: " "})
    figure = Figure(layout="constrained")
    style.foot(figure, **said)
    assert foot_of(figure) == "n: 3 seeds. Bars: 95% intervals. Wrong if pictures are few."


def test_a_figure_that_is_not_told_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="needs style"):
        style.save(Figure(), tmp_path / "bare", [])
    assert not list(tmp_path.iterdir())


def test_notebooks_which_cut_pictures_to_what_is_drawn_show_what_is_told():
    figure = Figure(figsize=(style.WIDTH, 3), layout="constrained")
    ax = figure.subplots()
    handles = ax.plot([1, 2], label="line")
    style.foot(figure, n="3", bars="none", wrong="pictures are few", handles=handles)
    figure.draw_without_rendering()
    shown = figure.get_tightbbox()  # in inches
    for told in [*figure.texts, *figure.legends]:
        box = told.get_window_extent()
        assert box.y0 / figure.dpi >= shown.y0 - 0.01 and box.x1 / figure.dpi <= shown.x1 + 0.01


def test_panels_keep_their_size_whatever_is_told():
    sizes = []
    for times in (1, 9):
        figure = Figure(figsize=(style.WIDTH, 3), layout="constrained")
        ax = figure.subplots()
        style.foot(figure, n="3", bars="none", wrong="pictures are few " * times)
        figure.draw_without_rendering()
        sizes.append(ax.get_window_extent().height)
    assert sizes[0] == pytest.approx(sizes[1], abs=2)


@pytest.mark.slow
def test_rebuilding_gives_the_same_bytes(drawn, tmp_path):
    with matplotlib.rc_context({"axes.facecolor": "red"}):  # a user's own settings don't matter
        figures.render(table(plausible_rows()), tmp_path, figures.FIGURES)
        assert matplotlib.rcParams["axes.facecolor"] == "red"  # and are left alone
    for path in drawn[0].iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_labels_are_sorted_by_the_first_version(drawn):
    rows = [r for r in rows_of(drawn[0], "data_bias") if r["version"] == "original"]
    jobs = [float(r["association_bias"]) for r in rows if r["panel"] == "Occupations"]
    things = [r for r in rows if r["panel"] == "Things"]
    assert len(jobs) == len(OCCUPATIONS) and jobs == sorted(jobs, reverse=True)
    assert things[0]["label"] == "any thing" and len(things) == len(THINGS) + 1


def test_colors_are_centred_at_zero_and_numbers_carry_their_sign():
    figure, _ = figures.data_bias(table(plausible_rows()))
    for ax in figure.axes[:2]:
        (image,) = ax.images
        assert image.norm.vmin == -image.norm.vmax
        percent = np.asarray(image.get_array())
        texts = [text.get_text() for text in ax.texts]
        assert texts == [style.signed(value) for value in percent.ravel()]
    assert "+7.2" in [text.get_text() for text in figure.axes[0].texts]


def test_model_bias_has_every_seed(drawn):
    rows = [r for r in rows_of(drawn[0], "model_bias") if r["metric"] == "representation_bias"]
    for version in VERSIONS:
        assert [r["seed"] for r in rows if r["version"] == version] == ["all", "0", "1"]


def test_regression_is_that_of_numpy(drawn):
    rows = [r for r in rows_of(drawn[0], "association_by_occupation") if r["version"] == "original"]
    x = np.array([float(r["women_share"]) for r in rows])
    y = np.array([float(r["value"]) for r in rows])
    assert float(rows[0]["r"]) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-4)
    assert float(rows[0]["slope"]) == pytest.approx(np.polyfit(x, y, 1)[0], abs=1e-4)


def test_differences_are_those_of_the_results(drawn):
    results = table(plausible_rows())
    for row in rows_of(drawn[0], "quality_and_bias"):
        if row["metric"].startswith("|"):  # of |RB| nothing is pooled
            continue
        where = {"version": row["version"], "metric": row["metric"], "split": row["split"]}
        expected = results.one(kind="difference", **where)
        assert float(row["value"]) == pytest.approx(expected.value, rel=1e-4, abs=1e-6)
        assert float(row["low"]) == pytest.approx(expected.low, rel=1e-4, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "keep",
    [
        lambda r: r["version"] in ("original", "census"),
        lambda r: r["version"] in ("balanced", "census") and r["kind"] != "difference",
        lambda r: r["kind"] != "world",
        lambda r: r["kind"] != "data",
        lambda r: r["split"] != "occupations",
        lambda r: r["kind"] == "data",
        lambda r: r["version"] != "oracle",
        lambda r: False,
    ],
    ids=["reference alone", "other alone", "no census", "no data", "no occupations", "data alone",
         "no oracle", "nothing"],
)  # fmt: skip
def test_an_unfinished_study_is_drawn_as_far_as_it_goes(tmp_path, keep):
    rows = [r for r in plausible_rows() if keep(r)]
    chosen = table(rows) if rows else table(plausible_rows()).select(kind="")
    paths = figures.render(chosen, tmp_path, figures.FIGURES)
    kinds = {r["kind"] for r in rows}
    names = {path.stem for path in paths}
    assert ("data_bias" in names) == ("data" in kinds)
    assert ("model_bias" in names) == ("version" in kinds)
    assert ("quality_and_bias" in names) == ("difference" in kinds)


def test_what_can_not_be_estimated_is_left_out(tmp_path):
    nothing = dict.fromkeys(("value", "ci_low", "ci_high"), math.nan)
    rows = [r | nothing if r["kind"] != "world" else r for r in plausible_rows()]
    assert len(figures.render(table(rows), tmp_path, figures.FIGURES)) == len(figures.FIGURES)
    one = changed(plausible_rows(), {"label": "mechanic"}, **nothing)
    figures.render(table(one), tmp_path, figures.FIGURES)
    by_name = {r["occupation"]: r for r in rows_of(tmp_path, "association_by_occupation")}
    assert by_name["mechanic"]["value"] == "" and by_name["mechanic"]["r"] != ""


@pytest.mark.parametrize(("low", "high"), [(0.6, 0.7), (0.3, 0.4)])
def test_an_interval_beside_its_value_is_drawn(low, high):
    ax = Figure().subplots()
    style.errorbar(ax, Estimate(0.5, low, high), 0, style.MARKS[0])
    (bars,) = ax.containers
    (ends,) = bars[2][0].get_segments()
    np.testing.assert_allclose(ends[:, 0], [100 * min(low, 0.5), 100 * max(high, 0.5)])


def test_a_name_is_put_where_it_covers_nothing():
    page, anchor, size = (0, 0, 400, 400), np.array([200, 200]), (60, 12)
    point = (195, 195, 205, 205)
    right, below = (206, 150, 400, 250), (100, 0, 300, 194)
    for taken in ([point], [point, right], [point, right, below]):
        low, high = (panels.free_place(anchor, size, taken, page) + s * np.divide(size, 2)
                     for s in (-1, 1))  # fmt: skip
        assert (low >= 0).all() and (high <= 400).all()
        for box in taken:
            assert (np.minimum(high, box[2:]) <= np.maximum(low, box[:2])).any(), taken
    corner = panels.free_place(np.array([398, 398]), size, [], page)
    assert (corner + np.divide(size, 2) <= 400).all()


def three_seeds(deviation=0.01):
    """Rows of three seeds, with draws of the pictures."""
    rng = np.random.default_rng(0)
    rows = plausible_rows(seeds=(0, 1, 2))
    return [r | {"draws": rng.normal(0, deviation, 40)} if r["kind"] == "run" else r for r in rows]


def test_intervals_of_versions_are_over_seeds_and_pictures_where_there_are_seeds_enough(tmp_path):
    results = table(three_seeds())
    figures.render(results, tmp_path, figures.FIGURES)
    runs = Runs(results)
    metrics = [metric for of in figures.FOREST.values() for metric in of.values()]
    by_name = {(comparisons.key(metric), metric.split): metric for metric in metrics}
    for row in rows_of(tmp_path, "quality_and_bias"):
        metric = by_name[row["metric"], row["split"]]
        versus = difference({"version": row["version"]}, {"version": "original"})
        effect = runs.pairs(versus, metric).effect()
        found = [float(row[name]) for name in ("value", "low", "high")]
        assert found == pytest.approx(effect[:3], rel=1e-4, abs=1e-6) and effect.pictures > 0
    rows = rows_of(tmp_path, "model_bias")
    sizes = [r for r in rows if r["metric"] == "|representation_bias|"]
    assert sizes and all(float(r["value"]) >= 0 for r in sizes)
    assert all(float(r["low"]) >= 0 for r in sizes if r["seed"] == "all")


def test_association_of_an_occupation_is_over_seeds_and_at_least_as_wide_as_over_pictures():
    results = table(three_seeds())
    _, rows = figures.association_by_occupation(results)
    one = next(r for r in rows if r["version"] == "original" and r["occupation"] == "mechanic")
    part = results.select(kind="run", version="original", metric="association_bias",
                          label="mechanic")["value"]  # fmt: skip
    of_seeds = stats.t.ppf(0.975, 2) * part.std(ddof=1) / np.sqrt(3)
    half = np.hypot(of_seeds, 0.012)  # that of the rows over pictures
    assert one["value"] == pytest.approx(part.mean())
    assert one["high"] - one["value"] == pytest.approx(half) and half > 0.012


def test_versions_are_told_apart_without_color():
    shapes = [mark.marker for mark in style.MARKS]
    assert len(set(shapes)) == len(shapes)
    many = [f"version {i}" for i in range(len(shapes) + 1)]
    assert list(style.marks(many)) == many


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.25, "+1.2"), (-1.26, "−1.3"), (0.04, "0.0"), (-0.04, "0.0"), (math.nan, "–")],
)
def test_numbers_for_people(value, expected):
    assert style.signed(value) == expected
    assert style.number(value, 1) == expected.lstrip("+")
