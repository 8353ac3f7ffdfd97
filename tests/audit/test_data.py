"""The part of an audit that is about data, from what is known of examples to tables."""

import io
import math

import numpy as np
import pytest
from helpers import material
from helpers.data_made import made
from PIL import Image
from scipy import sparse

from m4jax.audit.data import coverage, hidden, patterns, reach
from m4jax.audit.data.part import DataSettings, measure_data, sample_of
from m4jax.audit.inputs import shown
from m4jax.data import readers
from m4jax.errors import InputError
from m4jax.evaluation.measures.pictures import Attribute
from m4jax.evaluation.resampling import Settings

FAST = DataSettings(resampling=Settings(resamples=100), rates=(0.5, 1.0))


def biased(n=2000, seed=0):
    """60% men; 80% of cooks and 30% of nurses are men; 3 pilots, all men."""
    rng = np.random.default_rng(seed)
    codes = (rng.random(n) < 0.6).astype(int)
    codes[rng.random(n) < 0.3] = -1
    labels = {
        "cook": rng.random(n) < np.where(codes == 1, 0.16, 0.06),
        "nurse": rng.random(n) < np.where(codes == 1, 0.05, 0.17),
        "pilot": np.isin(np.arange(n), np.flatnonzero(codes == 1)[:3]),
    }
    return made(codes, labels)


def table(part, title):
    (found,) = [x for x in part.tables if x.title == title]
    assert all(len(row) == len(found.columns) for row in found.rows)
    assert len(found.units) in (0, len(found.columns))
    return found


def test_patterns_are_the_examples_once_each():
    data = biased()
    found = patterns.patterns(data)
    assert found.attribute_names == ("man",)
    assert found.targets == {"man": 0.5}
    assert found.counts.sum() == len(data)
    np.testing.assert_array_equal(found.codes[found.place, 0], data.attributes["gender"].codes)
    np.testing.assert_array_equal(found.labels[found.place] > 0, data.matrix.toarray())
    rows = np.column_stack([found.codes, found.labels])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_values_of_three_are_columns_that_are_even_at_a_third():
    data = made([0, 1, 2, -1], {"a": [1, 0, 0, 0], "never": [0] * 4}, values=("x", "y", "z"))
    found = patterns.patterns(data)
    assert found.attribute_names == ("gender: x", "gender: y", "gender: z")
    assert found.label_names == ("a",)
    assert set(found.targets.values()) == {1 / 3}
    np.testing.assert_array_equal(found.attributes[found.place][:3], np.eye(3))
    assert np.isnan(found.attributes[found.place][3]).all()


def test_balancing_reaches_the_band_and_tells_whom_it_drops():
    part = measure_data(biased(), FAST)
    assert 0.5 < part.largest_keep_rate < 1
    within = {row[1]: row for row in table(part, reach.BY_LABEL).rows}
    for name in ("all", "cook", "nurse"):
        assert within[name][-1] == "balanced"
        assert abs(within[name][6] - 0.5) < 0.0501
        assert 0.3 < within[name][3] < 1
    assert within["pilot"][-1] == "can't be"
    groups = {row[1]: row for row in table(part, reach.BY_GROUP).rows}
    n, kept = within["all"][2:4]
    assert n * (1 - kept) == pytest.approx(groups["man"][3] + groups["woman"][3], abs=2)
    assert groups["man"][3] > 2 * groups["woman"][3]
    dropped = sum(row[3] for row in groups.values())
    assert dropped == pytest.approx(2000 * (1 - 0.99 * part.largest_keep_rate), abs=3)
    told = " ".join(part.sentences)
    assert "can decide: 2, of which inside that band 0 now and 2 after balancing" in told
    assert "Labels that the data can't decide: 1 (pilot)." in told


def test_the_frontier_rises_behind_the_largest_keep_rate():
    part = measure_data(biased(), FAST)
    curve = {x.keep_rate: x.value for x in part.frontier if x.curve == reach.LARGEST}
    assert curve[0.5] == pytest.approx(0.05, abs=1e-3)
    assert curve[round(part.largest_keep_rate, 6)] == pytest.approx(0.05, abs=1e-3)
    assert curve[1.0] > 0.2


def test_data_of_one_group_alone_are_told_and_not_balanced():
    part = measure_data(made(np.ones(200, int), {"cook": np.arange(200) < 50}), FAST)
    assert math.isnan(part.largest_keep_rate)
    assert part.frontier == ()
    assert "Not balanced, since no two examples differ in what is known: man." in part.unknown
    share = next(x for x in part.measures if x.metric == "share" and not x.label)
    assert share.value == 1 > share.low > 0.97


def test_what_all_agree_on_does_not_keep_the_rest_from_being_balanced():
    data = biased()
    same = Attribute(("indoors", "outdoors"), np.ones(len(data), int))
    more = shown.dataclasses.replace(data, attributes=dict(data.attributes) | {"place": same})
    part = measure_data(more, FAST)
    assert part.largest_keep_rate == pytest.approx(measure_data(data, FAST).largest_keep_rate)
    assert any("outdoors" in x for x in part.unknown)


@pytest.mark.parametrize("n", [1, 2, 8])
def test_a_handful_of_examples_tells_nothing(n):
    part = measure_data(made(np.arange(n) % 2, {"cook": np.arange(n) % 3 == 0}), FAST)
    assert not any(one.told for one in part.measures)
    assert math.isnan(part.largest_keep_rate) and not part.sentences
    assert part.unknown


def test_groups_that_only_two_labels_tell_are_found():
    rng = np.random.default_rng(0)
    n = 8000
    a, b = rng.random((2, n)) < 0.3
    codes = (rng.random(n) < np.where(a & b, 0.85, 0.5)).astype(int)
    data = made(codes, {"cook": a, "night": b, "tall": rng.random(n) < 0.3, "old": ~a})
    found = hidden.hidden(patterns.patterns(data), points=0.05, least=30)
    (one,) = found.tables
    assert [row[1] for row in one.rows] == ["cook and night"]
    assert one.rows[0][4] == pytest.approx(codes[a & b].mean())
    parts = " / ".join(f"{100 * codes[x].mean():.0f}%" for x in (a, b))
    assert one.rows[0][3] == parts
    thrice = made(*(np.repeat(codes, 3), {k: np.repeat(v, 3) for k, v in data.labels.items()}))
    again = hidden.hidden(
        patterns.patterns(thrice), points=0.05, least=30, independent=1 / 3
    ).tables[0]
    assert again.rows[0][1:2] == one.rows[0][1:2] and again.rows[0][2] == 3 * one.rows[0][2]
    assert again.rows[0][5] == pytest.approx(one.rows[0][5])
    even = made(rng.integers(0, 2, n), {"cook": a, "night": b})
    none = hidden.hidden(patterns.patterns(even), points=0.05, least=30)
    assert none.tables == () and "of one kind alone" in none.sentences[0]


def test_values_of_one_attribute_do_not_meet():
    rng = np.random.default_rng(1)
    n = 6000
    age, woman = rng.integers(0, 3, n), rng.integers(0, 2, n)
    tall = rng.random(n) < np.where((age == 2) & (woman == 1), 0.9, 0.5)
    data = made(tall.astype(int), {}, values=("short", "tall"), name="size")
    others = {
        "age": Attribute(("young", "middle", "old"), age),
        "gender": Attribute(("man", "woman"), woman),
    }
    data = shown.dataclasses.replace(data, attributes=dict(data.attributes) | others)
    (found,) = hidden.hidden(patterns.patterns(data), points=0.05, least=30).tables
    told = {(row[0], row[1]) for row in found.rows}
    assert ("tall", "age: old and woman") in told
    assert not any("not age" in within for _, within in told)
    assert not any(name.startswith("age") and "age" in within for name, within in told)
    assert not measure_data(data, FAST).sentences[-1].startswith("Labels")


def test_coverage_counts_what_is_known():
    data = biased()
    known, unknown = coverage.coverage(data)
    rows = {row[0]: row[1] for row in known.rows}
    codes = data.attributes["gender"].codes
    assert rows["examples"] == 2000
    assert rows["gender: man"] == (codes == 1).sum()
    assert rows["gender: unknown"] == (codes < 0).sum()
    assert f"{(codes < 0).sum():,} of 2,000" in unknown[0]


def test_captions_that_come_again_are_the_same_in_other_letters():
    captions = [["A dog."], ["a  DOG."], ["a cat"], ["a dog.", "a dog."]]
    found = coverage.repeated_captions(made([0, 1, 0, 1], {}, captions=captions))
    assert found.rows == (("a dog.", 3),)
    assert coverage.repeated_captions(made([0], {}, captions=[["x", "x"]])) is None


class Pictures:
    """A collection of pictures that stand here."""

    name, has_pictures = "pictures", True

    def __init__(self, contents):
        self.contents = contents

    def __len__(self):
        return len(self.contents)

    def picture(self, row):
        if self.contents[row] is None:
            raise InputError(f"picture {row} can't be read")
        return self.contents[row]


def test_pictures_that_come_twice_stand_in_a_table():
    def file(shade):
        with io.BytesIO() as out:
            Image.linear_gradient("L").rotate(shade).save(out, "PNG")
            return out.getvalue()

    pictures = Pictures([file(0), file(90), file(0), None])
    data = made([0, 1, 0, 1], {})
    part = measure_data(data, DataSettings(rates=(), hidden_least=0), collection=pictures)
    found = table(part, "Pictures that come twice")
    assert ("same file", "u0, u2", 1, 1) in found.rows
    assert "1 pictures could not be read" in found.note
    with pytest.raises(InputError, match="4 examples, expected the 3"):
        measure_data(made([0, 1, 0], {}), FAST, collection=pictures)


def test_numbers_of_one_sample_are_paired_and_of_others_not():
    data, settings = biased(), Settings(resamples=100)
    assert sample_of(data, settings) == sample_of(biased(), settings)
    assert sample_of(data, settings) != sample_of(biased(1999), settings)
    assert sample_of(data, settings) != sample_of(data, Settings(resamples=100, seed=1))
    assert {x.sample for x in measure_data(data, FAST).measures} == {sample_of(data, settings)}


def test_the_order_of_examples_changes_no_number():
    data = biased()
    order = np.random.default_rng(3).permutation(len(data))
    codes = data.attributes["gender"].codes
    turned = made(codes[order], {name: x[order] for name, x in data.labels.items()})
    turned = shown.dataclasses.replace(turned, uids=data.uids[order], groups=data.groups[order])
    assert measure_data(turned, FAST).measures == measure_data(data, FAST).measures


def test_a_matrix_of_labels_counts_as_columns_do():
    data = biased()
    names = tuple(data.labels)
    kept = shown.Columns(names, sparse.csc_array(data.matrix))
    other = shown.dataclasses.replace(data, labels=kept)
    assert measure_data(other, FAST) == measure_data(data, FAST)


def test_odd_settings_are_refused():
    with pytest.raises(InputError, match="band"):
        DataSettings(band=0)
    with pytest.raises(InputError, match="least"):
        DataSettings(least=0)
    with pytest.raises(InputError, match="no examples"):
        measure_data(made([], {}))


def test_the_same_pictures_in_every_form_give_the_same_numbers(tmp_path):
    found = material.examples(60)
    paths = {
        "folder": material.write_folder(tmp_path / "folder", found),
        "table": material.write_table(tmp_path / "table", found, "jsonl"),
        "shards": material.write_shards(tmp_path / "shards", found),
        "parquet": material.write_parquet(tmp_path / "p" / "data.parquet", found),
    }
    parts = {}
    for form, path in paths.items():
        collection = readers.open_collection(path, uid=readers.CONTENTS)
        known = shown.dataclasses.replace(shown.by_words(collection), name="same")
        parts[form] = measure_data(known, FAST, collection=collection)
    assert all(part == parts["folder"] for part in parts.values())
    assert sum(one.told for one in parts["folder"].measures) > 5


def test_what_would_be_dropped_agrees_with_what_could_be_kept():
    found = measure_data(made([0, 1] * 50, {"a": [1, 1, 0, 0] * 25}), FAST)
    (told,) = [x for x in found.sentences if "keep at most" in x]
    assert "at most 100.0% of the 100 examples" in told
    assert "keeps 1% fewer than that" in told and "it would drop 1 of the 100" in told
