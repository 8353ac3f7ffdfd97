"""Settings stand once: configurations follow from the records that read them."""

import dataclasses
import re

import ml_collections
import pytest

from configs import balance, base
from m4jax import settings
from m4jax.errors import InputError
from m4jax.run.config import RunConfig
from m4jax.tables import TableConfig
from m4jax.training import TrainConfig


@dataclasses.dataclass(frozen=True)
class Inner:
    size: int = 3  # how large


@dataclasses.dataclass(frozen=True)
class Outer(Inner):
    name: str = "x"  # what it is called
    # A number,
    # or a word.
    rate: float | str = 0.5
    seed: int | None = None  # of what is drawn
    inner: Inner = dataclasses.field(default_factory=Inner)


def test_a_configuration_has_the_fields_of_its_record_and_what_is_added():
    config = settings.fields(Outer, "name", enabled=False)
    assert config.to_dict() == {
        "size": 3, "rate": 0.5, "seed": None, "inner": {"size": 3}, "enabled": False,
    }  # fmt: skip


def test_a_field_of_several_types_takes_any_of_them():
    config = settings.fields(Outer)
    config.rate, config.seed = "max", 7
    assert (config.rate, config.seed) == ("max", 7)
    with pytest.raises(TypeError):
        config.size = "large"


def test_a_record_of_its_own_configuration_is_the_default():
    config = settings.fields(Outer).to_dict()
    assert settings.record(Outer, config, "config") == Outer()
    with pytest.raises(InputError, match=r"unknown field config.sise: did you mean 'size'"):
        settings.record(Outer, config | {"sise": 1}, "config")
    with pytest.raises(InputError, match=r"config.inner.size: expected int, got 'large'"):
        settings.record(Outer, config | {"inner": {"size": "large"}}, "config")


def test_the_listing_tells_default_and_meaning_of_every_field():
    lines = settings.listing(settings.fields(Outer), {"": Outer, "inner": Inner}).split("\n")
    assert lines == [
        "size = 3  # how large",
        "name = 'x'  # what it is called",
        "rate = 0.5  # A number, or a word.",
        "seed = None  # of what is drawn",
        "inner.size = 3  # how large",
    ]


def leaves(config, prefix=""):
    for name, value in config.items():
        if isinstance(value, ml_collections.ConfigDict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize(
    ("config", "kinds", "file"),
    [
        (base.get_config(), {"": RunConfig} | base.SECTIONS, base.__file__),
        (balance.get_config(), balance.SECTIONS, ""),
    ],
)
def test_every_field_of_a_configuration_is_listed_with_its_meaning(config, kinds, file):
    lines = settings.listing(config, kinds, file).split("\n")
    listed = {line.split(" = ")[0] for line in lines}
    assert listed == set(leaves(config))
    for line in lines:
        assert re.search(r"  # \S", line), line


def test_training_has_the_same_defaults_with_and_without_a_configuration():
    fields = base.get_config().train.to_dict() | {"seed": base.get_config().seed}
    assert settings.record(TrainConfig, fields, "config.train") == TrainConfig()
    assert settings.record(TableConfig, balance.get_config().to_dict(), "config") == TableConfig()
