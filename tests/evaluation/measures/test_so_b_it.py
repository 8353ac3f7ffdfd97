"""C-ASC and entropy against their definition in plain loops."""

import dataclasses
import math

import numpy as np
import pytest
from helpers.asking import D, asked, one, pictures

from m4jax.evaluation.measures.so_b_it import so_b_it


def reference_c_asc(similarity, member):
    """(mean of the label's pictures − mean of the others) / deviation of all, n − 1 below."""
    inside = [s for s, m in zip(similarity, member, strict=True) if m]
    outside = [s for s, m in zip(similarity, member, strict=True) if not m]
    both = inside + outside
    mean = sum(both) / len(both)
    deviation = math.sqrt(sum((s - mean) ** 2 for s in both) / (len(both) - 1))
    return (sum(inside) / len(inside) - sum(outside) / len(outside)) / deviation


def reference_entropy(labels, values):
    shares = [sum(label == v for label in labels) / len(labels) for v in range(values)]
    return -sum(p * math.log(p) for p in shares if p > 0) / math.log(values)


@pytest.mark.parametrize("values", [2, 3])
def test_are_the_published_formulas(values):
    ask = asked(pictures(values=values), lean={"l1": 0.6, "w2": -0.3})
    found = list(so_b_it(ask))
    (known,) = ask.pictures.attributes.values()
    for category, k in (("looks", 40), ("work", 40)):
        texts = ask.words.texts(category, "a photo of {}")
        similar = (ask.pictures.embeddings @ ask.texts(list(texts.values())).T).astype(float)
        entropies = [
            reference_entropy(known.codes[np.argsort(-column)][:k], values) for column in similar.T
        ]
        assert one(found, "entropy", label=category).value == pytest.approx(np.mean(entropies))
        for v, name in enumerate(known.names[: 1 if values == 2 else values]):
            group = f"{name} − {'woman' if values == 2 else 'others'}"
            expected = [reference_c_asc(column, known.codes == v) for column in similar.T]
            for word, value in zip(texts, expected, strict=True):
                measure = one(found, "c_asc", label=f"{category}: {word}", group=group)
                assert measure.value == pytest.approx(value, rel=1e-4)
                assert measure.low < measure.value < measure.high
            size = one(found, "c_asc_size", label=category, group=group)
            assert size.value == pytest.approx(np.abs(expected).mean(), rel=1e-4)
            assert size.which == list(texts)[int(np.abs(expected).argmax())]
    keys = [m.key for m in found]
    assert len(set(keys)) == len(keys)


def test_leans_are_found_and_signed():
    found = list(so_b_it(asked(lean={"l1": 0.6, "w2": -0.6})))
    assert one(found, "c_asc", label="looks: l1").low > 0.2
    assert one(found, "c_asc", label="looks: l1").p < 0.01
    assert one(found, "c_asc", label="looks: l0").p > 0.05  # of seven words
    assert one(found, "c_asc", label="work: w2").high < -0.2
    assert one(found, "c_asc_size", label="looks").which == "l1"
    leaning, fair = (
        one(list(so_b_it(asked(lean=lean))), "entropy", label="looks")
        for lean in ({"l": 1.0}, {})
    )  # fmt: skip
    assert leaning.high < fair.value
    assert fair.high > 0.97
    assert "the first 40 of 400 pictures; of all of them: 1.000" in fair.note


def test_what_can_not_be_told():
    (measure,) = so_b_it(asked(known=lambda text: False))
    assert "no embedding of" in measure.note
    found = list(so_b_it(asked(known=lambda text: "l2" not in text)))
    assert one(found, "c_asc_size", label="looks").note == "no embedding of 'a photo of a l2'"
    assert one(found, "c_asc_size", label="work").told
    same = dataclasses.replace(pictures(), embeddings=np.ones((400, D), np.float32) / D**0.5)
    for measure in so_b_it(asked(same)):
        assert "no order" in measure.note
    assert list(so_b_it(dataclasses.replace(asked(), texts=None))) == []
