"""A source of examples that nothing but the table knows of: training data, balancing, weights."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest

from configs import base
from m4jax import balance, settings
from m4jax.data.annotation import MAN, Annotation
from m4jax.data.examples import Source, Training
from m4jax.data.sources import SOURCES
from m4jax.data.tokenizers import SPECIAL, WordTokenizer
from m4jax.errors import InputError
from m4jax.evaluation import prompts
from m4jax.run import evaluate, train, weights
from m4jax.run.config import from_json, run_config
from m4jax.run.state import Layout


@dataclasses.dataclass(frozen=True)
class Memory:
    """Cooks, mostly women, and others; all in memory."""

    kind: ClassVar[str] = "memory"
    id: ClassVar[str] = "memory"
    vocab_size: ClassVar[int] = 6
    composed: ClassVar[int] = 0

    examples: int = 400  # training pairs
    resolution: int = 32  # pixels a side

    def first(self, examples):
        return dataclasses.replace(self, examples=examples)

    def is_prepared(self, data_dir):
        return True

    def prepare(self, data_dir, progress=None):
        pass

    def train(self, data_dir, in_memory_gb=float("inf")):
        rng = np.random.default_rng(0)
        cook = rng.random(self.examples) < 0.5
        man = (rng.random(self.examples) < np.where(cook, 0.3, 0.6)).astype(float)

        def annotate(label_sets):
            return Annotation(man[:, None], cook[:, None].astype(float), (MAN,), ("cook",))

        side = self.resolution
        images = rng.integers(256, size=(self.examples, side, side, 3), dtype=np.uint8)
        texts = ["a cook", "a person"]
        uids = np.array([f"memory/{i}" for i in range(self.examples)])
        return Training(images, uids, texts, (~cook).astype(int), annotate)

    def evaluation(self, data_dir, in_memory_gb=float("inf")):
        return {}

    def classes(self):
        return None

    def open_tokenizer(self, data_dir, context_length):
        return WordTokenizer([*SPECIAL, "a", "cook", "person"], context_length=context_length)


@pytest.fixture
def config(monkeypatch):
    monkeypatch.setitem(SOURCES, Memory.kind, Memory)
    fields = base.get_config().to_dict() | {"memory": settings.fields(Memory).to_dict()}
    fields |= {"source": "memory"}
    fields["balance"] |= {"enabled": True, "keep_rate": 0.5, "labels": ("occupations",)}
    return run_config(fields)


def test_a_third_source_is_balanced_and_trained_on(config, tmp_path):
    assert isinstance(config.source, Source) and from_json(config.to_json()) == config
    layout = Layout(tmp_path)
    weights.weigh(config, layout, lambda *event: None)
    source = config.source.train(layout.data)
    weight = weights.read(config, layout, source.uids)
    assert weight.mean() == pytest.approx(0.5, abs=1e-3)
    notes = source.annotate(("occupations",))
    before = balance.bias(notes.attributes, notes.labels)
    after = balance.bias(notes.attributes, notes.labels, weights=weight)
    assert before.association_max > 0.1 and after.association_max < 5e-3
    data = train.train_data(config, layout)
    assert data.images.shape == (400, 32, 32, 3) and data.tokens.shape == (400, 12)
    np.testing.assert_array_equal(data.stages[0].weights, weight)
    np.testing.assert_array_equal(data.target, [0.5])
    names, _ = evaluate._association(config.source, layout.data)
    assert names == ("cook",)


def test_the_census_tells_of_men_alone(config):
    census = dataclasses.replace(config.balance, target="census")
    notes = Annotation(np.ones((2, 2)), np.ones((2, 1)), ("man", "day"), ("cook",))
    with pytest.raises(InputError, match=r"census is of men; got \('man', 'day'\)"):
        weights.targets(census, notes)
    assert weights.targets(census, notes.only("man")).shape == (1, 2)


def test_occupations_of_prompts_and_data_are_matched_by_name(tmp_path):
    """A lexicon may know others, or name them in another order."""
    names = {"pilot": "a pilot", "cook": "a cook"}
    asked = dataclasses.replace(prompts.load("emoji_scenes_v2"), occupation=names)
    pilot, cook = evaluate.data_association(Memory(), tmp_path, asked)
    assert np.isnan(pilot) and cook < -0.1
