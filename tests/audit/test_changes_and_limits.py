"""Limits, changes, results and history: what they say of numbers, and that damage is noticed."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.damage import flips

from m4jax.audit.config import AuditConfig
from m4jax.audit.outcome import changes, history, limits, results
from m4jax.audit.outcome.history import Entry
from m4jax.audit.outcome.results import Results
from m4jax.errors import DamagedError, InputError
from m4jax.evaluation.measures.measure import Measure
from m4jax.report.page.content import OUTSIDE, UNCLEAR, WITHIN


def number(value=0.1, half=0.02, draws=(), **about):
    fields = {"part": "model", "metric": "representation_bias", "source": "s", "version": "1"}
    fields |= {"n": 100, "groups": 100, "p": 0.5, "low": value - half, "high": value + half}
    return Measure(**fields | {"value": value, "draws": tuple(draws)} | about)


@pytest.mark.parametrize(
    ("metric", "value", "limit", "outcome"),
    [
        ("representation_bias", 0.05, 0.1, WITHIN),
        ("representation_bias", -0.05, 0.1, WITHIN),
        ("min_skew", -0.3, 0.5, WITHIN),
        ("min_skew", -0.8, 0.5, OUTSIDE),
        ("entropy", 0.95, 0.1, WITHIN),
        ("representation_bias", -0.2, 0.1, OUTSIDE),
        ("representation_bias", 0.11, 0.1, UNCLEAR),
        ("accuracy", 0.95, 0.9, WITHIN),
        ("accuracy", 0.8, 0.9, OUTSIDE),
        ("accuracy", 0.9, 0.9, UNCLEAR),
        ("share", 0.55, 0.1, WITHIN),
        ("share", 0.65, 0.1, OUTSIDE),
    ],
)
def test_a_limit_holds_if_the_whole_interval_is_within(metric, value, limit, outcome):
    assert limits.verdict(number(value, metric=metric), limit) == outcome


def test_what_is_not_known_is_not_within():
    nothing = number(math.nan, note="no examples")
    (found,) = limits.check([("representation_bias", "", 0.1)], [nothing])
    assert found.outcome == UNCLEAR and "no examples" in found.note
    (found,) = limits.check([("gap", "nurse", 0.1)], [nothing], ["nurse"])
    assert found.outcome == UNCLEAR and limits.code([found]) == 3


def test_one_that_is_outside_decides():
    found = limits.check(
        [("representation_bias", "", 0.1)],
        [number(0.3), number(0.0, source="t"), number(math.nan, source="u")],
    )
    assert [x.outcome for x in found] == [OUTSIDE, WITHIN, UNCLEAR] and limits.code(found) == 1
    assert limits.code(found[1:]) == 3 and limits.code(found[1:2]) == 0 == limits.code([])


def test_a_limit_of_each_label_is_not_broken_by_chance():
    """200 labels without any gap, of few examples: alone some are beyond 5 points, by chance."""
    rng, alarms, alone = np.random.default_rng(0), 0, 0
    for _ in range(60):
        errors = 0.08 * rng.normal(size=200)
        every = [number(x, 1.96 * 0.08, metric="gap", label=str(i)) for i, x in enumerate(errors)]
        found = limits.check([("gap", "*", 0.05)], every)
        alarms += limits.code(found) == 1
        alone += any(limits.verdict(one, 0.05) == OUTSIDE for one in every)
    assert alarms <= 8 and alone > 40  # 3 expected at most, P(more than 8) < 0.005
    (found, *_) = limits.check(
        [("gap", "*", 0.05)], [number(0.4, 0.15, metric="gap", label="a"), *every]
    )
    assert found.outcome == OUTSIDE


def test_of_seven_values_none_has_to_be_a_half():
    seventh = number(0.14, metric="share", group="Black", p=math.nan)
    (found,) = limits.check([("share", "", 0.05)], [seventh])
    assert found.outcome == UNCLEAR and "more than two values" in found.note


def test_a_limit_can_be_narrowed():
    both = [number(0.3), number(0.0, source="t")]
    (found,) = limits.check([("representation_bias", "", 0.1, "source=t")], both)
    assert found.outcome == WITHIN
    with pytest.raises(InputError, match="known: s, t"):
        limits.check([("representation_bias", "", 0.1, "source=x")], both)


def test_wordings_are_no_part_of_limits():
    other = number(0.4, wording="a guy / a gal")
    assert len(limits.check([("representation_bias", "", 0.1)], [number(0.0), other])) == 1


def resampled(mean, noise, own, seed):
    """A number whose resamples share `noise` with another's."""
    draws = mean + noise + own * np.random.default_rng(seed).normal(size=noise.size)
    half = 1.96 * draws.std()
    return number(mean, half, draws - draws.mean(), sample="same", groups=10_000)


def test_pairing_finds_what_independence_can_not():
    noise = 0.05 * np.random.default_rng(0).normal(size=200)
    old, new = resampled(0.1, noise, 0.001, 1), resampled(0.13, noise, 0.001, 2)
    (paired,) = changes.compare([new], [old])
    assert paired.changed and paired.note.startswith("paired")
    assert paired.low < 0.03 < paired.high and paired.high - paired.low < 0.01
    (apart,) = changes.compare([dataclasses.replace(new, sample="other")], [old])
    assert apart.changed is False and apart.high - apart.low > 0.2


def test_independent_intervals_add_up():
    (found,) = changes.compare([number(0.5, 0.03)], [number(0.1, 0.04)])
    assert found.value == pytest.approx(0.4)
    assert (found.low, found.high) == pytest.approx((0.35, 0.45))
    assert found.changed


def test_many_comparisons_are_corrected():
    """A difference of 2.5 standard errors is told alone, and not among a hundred of none."""
    half = 1.96 / np.sqrt(2)
    old, new = number(0.0, half), number(2.5, half)
    assert changes.compare([new], [old])[0].changed
    others = [number(0.0, half, label=str(i)) for i in range(100)]
    found = changes.compare([new, *others], [old, *others])
    assert not found[0].changed and not any(x.changed for x in found)


def test_false_alarms_are_as_rare_as_the_level_says():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        pair = [[number(rng.normal(), 1.96, label=str(i)) for i in range(5)] for _ in range(2)]
        alarms += any(x.changed for x in changes.compare(*pair))
    assert alarms <= 36  # 20 expected, Holm's bound; 36: p < 0.001


@pytest.mark.parametrize(
    ("now", "before", "why"),
    [
        (number(version="2"), number(), "version"),
        (number(math.nan, note="too few"), number(), "too few"),
        (number(), number(math.nan), "earlier audit"),
    ],
)
def test_what_can_not_be_compared_says_why(now, before, why):
    (found,) = changes.compare([now], [before])
    assert found.changed is None and why in found.note and math.isnan(found.value)


def test_the_same_number_is_no_change():
    (found,) = changes.compare([number(draws=[0.0] * 200, sample="x")],
                               [number(draws=[0.0] * 200, sample="x")])  # fmt: skip
    assert found.changed is False and found.value == 0


def test_numbers_of_one_audit_alone_are_named():
    told = changes.uncompared([number(), number(source="new")], [number(), number(source="old")])
    assert [x.split(": ")[0].split(", ")[1] for x in told] == ["new", "old"]


def test_results_are_read_back_as_they_were(tmp_path):
    measures = (number(draws=[0.012345, -0.5], which="w"), number(math.nan, source="t", n=0))
    results.write(tmp_path / "r.parquet", Results(measures, {"level": 0.95}))
    found = results.read(tmp_path / "r.parquet")
    assert found.measures[0] == measures[0] and found.facts == {"level": 0.95}
    assert math.isnan(found.measures[1].value) and found.measures[1].key == measures[1].key
    results.write(tmp_path / "s.parquet", Results(measures, {"level": 0.95}))
    assert (tmp_path / "r.parquet").read_bytes() == (tmp_path / "s.parquet").read_bytes()


def test_a_number_stands_once(tmp_path):
    with pytest.raises(InputError, match="two numbers"):
        results.write(tmp_path / "r.parquet", Results((number(), number())))


def test_every_flipped_byte_of_results_is_noticed(tmp_path):
    path = tmp_path / "r.parquet"
    measures = tuple(number(label=str(i), draws=[0.1] * 3) for i in range(20))
    results.write(path, Results(measures))
    for _ in flips(path, 600):
        try:
            found = results.read(path)
        except InputError:
            continue
        assert found.measures == measures  # a bit that nothing is read from
    table = pq.read_table(path)
    changed = table.set_column(
        table.schema.get_field_index("value"), "value", pa.array([0.0] * len(table))
    )
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(DamagedError, match="checksum"):
        results.read(path)


def test_a_history_that_was_changed_is_refused(tmp_path):
    path, entry = tmp_path / "history.parquet", Entry("2026-01-01", "a", "d", "m")
    kept = history.append(path, entry, history.rows(entry, [number()], []))
    assert len(kept) == 1 and history.past(kept)[0].measure.value == 0.1
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "date", pa.array(["2020-01-01"])), path)
    with pytest.raises(DamagedError, match="history"):
        history.check(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DamagedError, match="move it away"):
        history.check(path)


def test_limits_in_points_are_asked_about():
    with pytest.raises(InputError, match=r"write 0\.05 for 5"):
        AuditConfig(data="x", limits=(("gap", "*", 5.0),))
    assert AuditConfig(data="x", limits=(("ndkl", "", 5.0),)).limits  # no share of anything
    assert limits.words("min_skew", "", 0.5).endswith("at least −0.5")
    assert limits.words("entropy", "", 0.1).endswith("at least 0.9")
