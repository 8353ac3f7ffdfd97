"""What several rooms' tests share."""

import pytest

from m4jax.data import pictures, testbed
from m4jax.data.world import World


@pytest.fixture(scope="session")
def sprites():
    return pictures.load()


@pytest.fixture(scope="session")
def small_world():
    return World(examples=600, seed=3)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory, small_world):
    """A directory with a small world, prepared."""
    directory = tmp_path_factory.mktemp("data")
    testbed.prepare(small_world, directory)
    return directory
