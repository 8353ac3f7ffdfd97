"""Settings that make these tests quick."""

import sys
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the tests share runs.py


@pytest.fixture(autouse=True, scope="module")
def _compile_quickly(request):
    """Compiling costs more than running here; what is compiled is kept for the next test run."""
    jax.config.update("jax_compilation_cache_dir", str(request.config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.config.update("jax_compilation_cache_dir", None)
