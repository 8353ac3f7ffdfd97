"""What several rooms' tests share."""

import jax
import pytest

from m4jax.data.testbed.sprites import load_sprites
from m4jax.data.testbed.world import World


@pytest.fixture(scope="session")
def sprites():
    return load_sprites()


@pytest.fixture(scope="session")
def small_world():
    return World(examples=600, seed=3)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory, small_world):
    """A directory with a small world, prepared."""
    directory = tmp_path_factory.mktemp("data")
    small_world.prepare(directory)
    return directory


@pytest.fixture(autouse=True, scope="module")
def _compile_quickly(request):
    """Compiling costs more than running in these rooms; what is compiled is kept on disk."""
    quick = request.path.parent.name in ("balance", "models", "training")
    if quick:
        jax.config.update("jax_compilation_cache_dir", str(request.config.cache.mkdir("jax")))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        jax.config.update("jax_disable_most_optimizations", True)
    yield
    if quick:
        jax.config.update("jax_disable_most_optimizations", False)
        jax.config.update("jax_compilation_cache_dir", None)
