"""Which engine reads the examples."""

import importlib.util

import pytest

from configs import annotate as of_captions
from configs import balance as settings
from m4jax import tables
from m4jax.audit.annotating.config import SeveralConfig
from m4jax.errors import InputError
from m4jax.settings import record
from m4jax.tables import engines


def config(**fields):
    return tables.table_config(settings.get_config().to_dict() | fields)


def test_an_engine_that_is_not_installed_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="Apache Beam is not installed; pip install"):
        tables.job(config(engine="beam"), tmp_path, print)
    with pytest.raises(InputError, match="not installed"):
        engines.annotator()
    job, works = tables.job(config(), tmp_path, print)
    assert type(job) is tables.Job and works is tables.STAGES


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"engine": "bean"}, r"config.engine: unknown 'bean'; did you mean 'beam'\?"),
        ({"beam_options": ("--runner=FlinkRunner",)}, "config.beam_options, .*engine"),
        ({"beam_folder": "gs://x"}, "config.beam_folder"),
    ],
)
def test_an_engine_that_there_is_not_is_told(fields, told):
    with pytest.raises(InputError, match=told):
        config(**fields)
    captions = of_captions.get_config().to_dict() | {"files": ("a.csv",)}
    with pytest.raises(InputError, match=told):
        record(SeveralConfig, captions | fields, "config")
