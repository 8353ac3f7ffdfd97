"""Words say what they say: their linear forms against the definitions, written out densely."""

import dataclasses

import numpy as np
import pytest

from m4jax import balance
from m4jax.balance.constraints.features import Names, evaluate
from m4jax.balance.constraints.moments import gather

ATTRIBUTES, LABELS = ("man", "dark skin"), ("nurse", "cook", "child")


def sample(seed=0, n=400, unknown=True, soft=False):
    """Returns attributes, labels, columns of random examples."""
    draw = np.random.default_rng(seed)
    s = (draw.random((n, 2)) < (0.6, 0.3)).astype(float)
    y = (draw.random((n, 3)) < (0.3, 0.2, 0.1)).astype(float)
    if soft:
        s, y = np.abs(s - 0.3 * draw.random((n, 2))), y * draw.random((n, 3))
    if unknown:
        s[draw.random((n, 2)) < 0.1] = np.nan
    columns = {
        "tokens": draw.integers(5, 70, n),
        "clear": draw.random(n),
        "age": 80 * draw.random(n),
    }
    return s, y, columns


def posed(*words, seed=0, **settings):
    s, y, columns = sample(seed, **settings)
    return balance.Problem(
        s, y, attribute_names=ATTRIBUTES, label_names=LABELS, constraints=words, columns=columns
    )


def value(problem, k, q):
    """Returns E[q part] / E[q whole], or E[q part], of the k-th moment by its coefficients."""
    m, recipe = problem.moments, problem.moments.recipe
    S = recipe.side_values(problem.attributes)
    Y = recipe.part_values(problem.attributes, problem.labels, problem.columns)
    mean = np.einsum("n,ng,nr->gr", q / len(q), S, np.asarray(Y, float)).ravel()
    part, whole = (m.part @ mean)[k], (m.whole @ mean)[k]
    return part / whole if m.relative[k] else part * m.scale[k]


@pytest.mark.parametrize("soft", [False, True])
def test_shares_are_those_of_their_definition(soft):
    words = (
        balance.share("man", within="nurse", between=(0.45, 0.55)),
        balance.share("man", within=("nurse", balance.no("child")), between=(0.4, 1)),
        balance.share(("man", "dark skin"), within="cook", between=(0.2, 0.3)),
        balance.prevalence("man", (0.5, 0.5)),
        balance.share("man", within=balance.no("dark skin"), between=(0, 0.6)),
        balance.share("clear", within="man", between=(0.2, 0.3)),
        balance.mean("age", within="nurse", between=(30, 40)),
        balance.share("nurse", between=(0.1, 0.2)),
    )
    problem = posed(*words, soft=soft)
    (s, y, columns), q = sample(soft=soft), np.random.default_rng(1).random(400)
    man, dark = np.nan_to_num(s).T
    known, known_dark = ~np.isnan(s.T)
    nurse, cook, child = y.T
    expected = [
        (man * nurse, known * nurse),
        (man * nurse * (1 - child), known * nurse * (1 - child)),
        (man * dark * cook, known * known_dark * cook),
        (man, known),
        (man * (known_dark - dark), known * (known_dark - dark)),
        (columns["clear"] * man, man),
        (columns["age"] * nurse, nurse),
        (nurse, np.ones(400)),
    ]
    m = problem.moments
    for k, (part, whole) in enumerate(expected):
        assert value(problem, k, q) == pytest.approx((q @ part) / (q @ whole), rel=1e-12), m.names[
            k
        ]
    inf = np.inf
    np.testing.assert_array_equal(m.lower, [0.45, 0.4, 0.2, 0.5, -inf, 0.2, 30, 0.1])
    np.testing.assert_array_equal(m.upper, [0.55, inf, 0.3, 0.5, 0.6, 0.3, 40, 0.2])
    assert m.names[:4] == (
        "share of man within nurse",
        "share of man within nurse and not child",
        "share of man and dark skin within cook",
        "prevalence of man",
    )


def test_rates_amounts_and_totals_are_those_of_their_definition():
    words = (
        balance.gap("nurse", "man", at_most=0.1),
        balance.gap("nurse", ("man", "dark skin", balance.no("man")), at_most=0.1, around=0.02),
        balance.ratio("cook", "dark skin", at_least=0.64),
        balance.equalized_odds("cook", "nurse", "man", at_most=0.2),
        balance.cap(at_most=0.2),
        balance.cap(("cook", "nurse"), at_most=40, unit="examples"),
        balance.floor("child", at_least=0.01),
        balance.budget("tokens", at_most=10_000),
    )
    problem = posed(*words)
    (s, y, columns), q = sample(), np.random.default_rng(2).random(400)
    man, dark = np.nan_to_num(s).T
    woman, light = ~np.isnan(s.T) - np.nan_to_num(s).T
    nurse, cook, child = y.T
    rate = lambda label, group: (q * group) @ label / (q @ group)  # noqa: E731
    expected = [rate(nurse, man), rate(nurse, woman)]
    expected += [rate(nurse, man), rate(nurse, dark), rate(nurse, woman)]
    expected += [rate(cook, dark), rate(cook, light)]
    for within in (nurse, 1 - nurse):
        expected += [rate(cook, man * within), rate(cook, woman * within)]
    expected += [q @ x / q.sum() for x in y.T] + [q @ cook, q @ nurse, q @ child / q.sum()]
    expected += [q @ columns["tokens"]]
    m = problem.moments
    found = [value(problem, k, q) for k in range(len(m))]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    around, cooks = nurse.mean(), cook.mean()
    np.testing.assert_allclose(m.lower[:2], around - 0.05)
    np.testing.assert_allclose(m.upper[:2], around + 0.05)
    np.testing.assert_array_equal([m.lower[2], m.upper[2]], [-np.inf, 0.07])
    np.testing.assert_allclose([m.lower[5], m.upper[5]], [cooks * 0.8, cooks / 0.8])
    totals = m.upper * m.scale
    np.testing.assert_allclose(totals[-5:], [0.2, 40, 40, np.inf, 10_000])
    assert m.units[-5:] == ("share", "examples", "examples", "share", "tokens")


def test_words_ratios_and_blocks_mix_in_their_order_with_their_own_penalties():
    ratio = balance.share("man", within=("nurse", "cook"), between=(0.3, 0.6)).ratios(
        posed(balance.prevalence("man", (0, 0.5))).moments.recipe.names, None
    )[0]
    problem = posed(
        balance.cap("cook", at_most=0.1, penalty=np.inf),
        ratio,
        balance.cap(at_most=0.3),
        balance.share("man", within=("child", "cook"), between=(0.2, 0.7), penalty=(3, 4)),
        balance.budget("tokens", at_most=5000),
    )
    m, nan = problem.moments, np.nan
    np.testing.assert_array_equal(m.penalty[0], [np.inf, nan, nan, nan, nan, 3, nan])
    np.testing.assert_array_equal(m.penalty[1], [np.inf, nan, nan, nan, nan, 4, nan])
    q = np.random.default_rng(4).random(400)
    s, y, columns = sample()
    both = y[:, 0] * y[:, 1]
    known = ~np.isnan(s[:, 0])
    assert value(problem, 1, q) == pytest.approx(
        (q * both) @ np.nan_to_num(s[:, 0]) / ((q * both) @ known)
    )
    assert value(problem, 3, q) == pytest.approx(q @ y[:, 1] / q.sum())
    assert value(problem, 6, q) == pytest.approx(q @ columns["tokens"])


def test_constraints_are_replaced_or_added_to():
    problem = posed(balance.share("man", within=("nurse", "cook"), between=(0.3, 0.6)))
    more = dataclasses.replace(problem, constraints=[problem.moments, balance.cap(at_most=0.4)])
    assert more.moments.names == (*problem.moments.names, *(f"share of {x}" for x in LABELS))
    q = np.random.default_rng(5).random(400)
    assert value(more, 0, q) == pytest.approx(value(problem, 0, q))
    other = dataclasses.replace(problem, constraints=[balance.cap("cook", at_most=0.4)])
    assert other.moments.names == ("share of cook",)
    assert dataclasses.replace(problem, keep_rate=0.3).moments == problem.moments
    with pytest.raises(balance.ProblemError, match="give words instead"):
        balance.Problem(problem.attributes, problem.labels, constraints=[problem.moments])


def test_band_bounds_what_the_data_can_decide():
    s, y, _ = sample(unknown=False)
    y[:, 2] = 0
    y[:7, 2] = 1
    s[:7, 0] = [1, 1, 1, 0, 0, 0, 0]
    problem = balance.Problem(
        s, y, attribute_names=ATTRIBUTES, label_names=LABELS,
        constraints=[balance.band(0.1, target={"man": 0.5, "dark skin": 0.05})],
    )  # fmt: skip
    m = problem.moments
    assert m.names[:4] == (
        "prevalence of man",
        "share of man within nurse",
        "share of man within cook",
        "share of man within child",
    )
    assert m.imposed[:4].tolist() == [True, True, True, False]
    np.testing.assert_allclose(m.lower, [0.4] * 4 + [-np.inf] * 4)
    np.testing.assert_allclose(m.upper, [0.6] * 4 + [0.15] * 4)
    assert set(problem.spec.system.moment) == set(np.flatnonzero(m.imposed))
    assert not balance.Problem(
        s, y, constraints=[balance.share("attribute 0", between=(0, 1))]
    ).moments.imposed.any()


@pytest.mark.parametrize("kind", ["bits", "unknown", "soft"])
def test_numbers_of_either_group_are_counted(kind):
    s, y, _ = sample(unknown=kind == "unknown", soft=kind == "soft")
    counts = np.random.default_rng(3).integers(0, 4, 400)
    problem = balance.Problem(s, y, target=0.5, counts=counts)
    found = problem._mean(problem.moments.recipe.names).group_numbers()
    label = np.insert(y > 0, 0, True, axis=1)
    for k in range(2):
        for group, side in ((s[:, k] < 1, 0), (s[:, k] > 0, 1)):
            np.testing.assert_allclose(found[side, k], counts @ (group[:, None] & label))


def test_half_a_million_caps_are_made_at_once():
    from scipy import sparse

    names = Names(("man",), tuple(f"concept {i}" for i in range(500_000)))
    (block,) = balance.cap(at_most=0.01).ratios(names, None)
    assert len(block) == 500_000 and sparse.issparse(block.part)
    assert gather(names, [block]).names[-1] == "share of concept 499999"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (
            "share man within nurse between 45% and 0.55",
            balance.share("man", within="nurse", between=(0.45, 0.55)),
        ),
        (
            "share man and 'dark skin' within nurse and not child at least 40% penalty inf",
            balance.share(
                ("man", "dark skin"), within=("nurse", balance.no("child")), between=(0.4, 1),
                penalty=np.inf,
            ),
        ),
        ('prevalence "dark skin" between 30% and 40%', balance.prevalence("dark skin", (0.3, 0.4))),
        ("cap nurse at most 2%", balance.cap("nurse", at_most=0.02)),
        ("cap nurse, cook at most 1_000 examples",
         balance.cap(("nurse", "cook"), at_most=1000, unit="examples")),
        ("cap all at most 2%", balance.cap(at_most=0.02)),
        ("floor nurse at least 1%", balance.floor("nurse", at_least=0.01)),
        ("budget tokens at most 1e9", balance.budget("tokens", at_most=1e9)),
        ("mean age within cook between 30 and 40",
         balance.mean("age", within="cook", between=(30, 40))),
        ("mean age at least 30", balance.mean("age", between=(30, np.inf))),
        ("gap nurse of man at most 5 points around 10%",
         balance.gap("nurse", "man", at_most=0.05, around=0.1)),
        ("ratio nurse of man, 'dark skin' at least 0.8",
         balance.ratio("nurse", ("man", "dark skin"), at_least=0.8)),
        ("equalized_odds cook given nurse of man at most 5 points",
         balance.equalized_odds("cook", "nurse", "man", at_most=0.05)),
        ("band 10 points of man labels nurse, cook",
         balance.band(0.1, attributes=("man",), labels=("nurse", "cook"))),
        ("band 10 points target 0.4 least 8", balance.band(0.1, target=0.4, least=8)),
    ],
)  # fmt: skip
def test_text_is_read(text, word):
    assert balance.parse(text) == word
    assert balance.from_config(text) == word


def test_plain_data_is_read():
    word = balance.share("man", within="nurse", between=(0.45, 0.55))
    items = ("share", "man", "within", "nurse", "between", (0.45, 0.55))
    assert balance.from_config(items) == word
    assert balance.from_config(dict(zip(items[::2], items[1::2], strict=True))) == word
    assert balance.from_config(word) is word


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shar man between 0 and 1", "did you mean 'share'"),
        ("share man within nurse", "at its end: expected between"),
        ("share man betwen 0.4 and 0.6", "at 'betwen': expected one of: between, within"),
        ("share man between 45 and 55", "expected two bounds in \\[0, 1\\]"),
        ("share man between 0.4, 0.6", 'expected "and"'),
        ("share within nurse between 0.4 and 0.6", "at 'within': expected a name"),
        ("cap nurse at most lots", "expected a number"),
        ("cap nurse at most 2", "expected a finite number in \\[0, 1\\]"),
        ("cap nurse at least 2%", "at 'at'"),
        ("cap 'nurse at most 2%", "quote has no end"),
        ("gap nurse at most 5 points", "expected of ATTRIBUTE"),
        ("gap nurse of man of man at most 5 points", "comes twice"),
        ("cap nurse at most 2% penalty 0", "expected a number above 0"),
        ("", "no known word"),
    ],
)
def test_text_that_is_wrong_is_told_where(text, message):
    with pytest.raises(balance.ProblemError, match=message):
        balance.parse(text)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: balance.share("mann", between=(0.4, 0.6)), "did you mean 'man'"),
        (lambda: balance.share("man", within="nurs", between=(0.4, 0.6)), "did you mean 'nurse'"),
        (lambda: balance.share("man", within=3, between=(0.4, 0.6)), "expected a name"),
        (lambda: balance.cap("nurs", at_most=0.1), "did you mean 'nurse'"),
        (lambda: balance.share("tokens", between=(0, 0.5)), "expected 0 to 1"),
        (lambda: balance.budget("man", at_most=3), "expected a column"),
        (lambda: balance.share("man", between=(0.6, 0.4)), "lower one first"),
        (lambda: balance.share("man", between=0.4), "lower one first"),
        (lambda: balance.mean("age", between=(np.nan, 4)), "lower one first"),
        (lambda: balance.gap("nurse", "man", at_most=5), "expected a finite number"),
        (lambda: balance.gap("nurse", ("man",)), "one group"),
        (lambda: balance.cap(at_most=-1, unit="examples"), "at least 0"),
        (lambda: balance.cap(at_most=0.1, unit="percent"), 'expected "share"'),
        (lambda: balance.band(5), "within \\[0, 1\\]"),
        (lambda: balance.band(target={"mann": 0.5}), "did you mean 'man'"),
        (lambda: balance.band(target={"man": 0.5}), "nothing for 'dark skin'"),
        (lambda: balance.from_config({"shar": "man"}), "did you mean 'share'"),
        (lambda: balance.from_config(("share", "man", "among", "nurse")), "among"),
        (lambda: balance.from_config(3), "expected a text"),
        (lambda: balance.no(3), "expected a name"),
    ],
)
def test_words_that_are_wrong_are_refused(make, message):
    with pytest.raises(balance.ProblemError, match=message):
        posed(make())


def test_what_needs_the_examples_says_what_to_give_instead():
    settings = {"attributes": ["man"], "labels": ["nurse"], "columns": ["tokens"]}
    for word, hint in (
        (balance.gap("nurse", "man"), "around=0.1"),
        (balance.cap("nurse", at_most=3, unit="examples"), 'unit="share"'),
        (balance.budget("tokens", at_most=3), "mean"),
    ):
        with pytest.raises(balance.ProblemError, match=hint):
            balance.Spec(constraints=[word], **settings)
    spec = balance.Spec(constraints=[balance.gap("nurse", "man", around=0.2)], **settings)
    assert len(spec.moments) == 2


def test_values_are_what_expressions_say():
    s, y, columns = sample()
    names = Names(ATTRIBUTES, LABELS, tuple(columns))
    expression = names.value("man") * names.value("nurse") - 0.5 * names.known("man")
    found = evaluate(expression, names, s, y, columns)
    expected = np.nan_to_num(s[:, 0]) * y[:, 0] - 0.5 * ~np.isnan(s[:, 0])
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: balance.parse("budget tokens at most 1e9 examples"), "cap and floor alone"),
        (lambda: balance.parse("share man at most 50% examples"), "cap and floor alone"),
        (lambda: balance.share(None, between=(0, 0.5)), "expected an attribute"),
        (lambda: balance.band(least="x"), "least is 'x'"),
        (lambda: balance.cap("a", at_most=0.1, penalty=True), "penalty is True"),
        (lambda: balance.Spec(attributes=["a"], labels=1, constraints=balance.band()), "a list of"),
        (lambda: balance.Spec(attributes=["a"], labels=1, constraints="share a"), "balance.parse"),
        (
            lambda: balance.Spec(attributes=["a"], labels=1, constraints=["share a"]),
            "balance.parse",
        ),
    ],
)
def test_what_can_not_be_meant_is_refused_in_words(make, why):
    with pytest.raises(balance.ProblemError, match=why):
        make()


def test_one_name_is_no_list_of_letters():
    word = balance.band(attributes="man", labels="nurse")
    assert (word.attributes, word.labels) == (("man",), ("nurse",))
