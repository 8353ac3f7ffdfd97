"""What several rooms' tests share."""

import gc
import os
import zlib

import jax
import jaxlib
import pytest

from m4jax import files
from m4jax.data.testbed.sprites import load_sprites
from m4jax.data.testbed.world import World

CACHE_SECONDS = 0.1  # what takes longer to compile is kept
# Compiling costs more than running: with few optimisations and without XLA's newest code generator
# for CPUs it takes half of the time. The quickstart of .ci/run is compiled as users' runs are.
QUICK = "--xla_cpu_use_fusion_emitters"
HAVE_QUICK = ("0.10.",)  # versions of jaxlib; one that doesn't know a flag ends the process


def pytest_xdist_auto_num_workers(config):
    """All tests run on every core; a few of them sooner in this process."""
    whole = [str(config.rootpath / path) for path in config.getini("testpaths")]
    chosen = [str(config.invocation_params.dir / path) for path in config.args]
    return min(len(os.sched_getaffinity(0)), 8) if chosen == whole else 0


def pytest_configure(config):
    """Keeps compiled programs on disk, from one test run to the next, and compiles quickly."""
    if QUICK not in os.environ.get("XLA_FLAGS", "") and jaxlib.__version__.startswith(HAVE_QUICK):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK}=false".strip()
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # of processes that tests start
    jax.config.update("jax_disable_most_optimizations", True)
    # Programs for one instruction set are of no use to another.
    flags = zlib.crc32(os.environ.get("XLA_FLAGS", "").encode())
    folder = config.cache.mkdir(f"jax-{flags:08x}")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "processes")  # the killed may tear it
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = str(CACHE_SECONDS)
    jax.config.update("jax_compilation_cache_dir", str(folder / "tests"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", CACHE_SECONDS)


def pytest_runtest_teardown(item, nextitem):
    """Lets go of the compiled programs of a room that is done."""
    if nextitem is None or nextitem.path.parent != item.path.parent:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def sprites():
    """The testbed's sprites."""
    return load_sprites()


@pytest.fixture(scope="session")
def small_world():
    return World(examples=600, seed=3)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory, small_world, worker_id):
    """A directory with a small world, prepared; the workers of a test run share it."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "data"
    with files.locked(directory.with_suffix(".lock")):
        small_world.prepare(directory)
    return directory


@pytest.fixture(scope="session")
def dataset(data_dir, small_world):
    """The folder of the same world as a TFDS dataset."""
    from m4jax.data.testbed import emoji_scenes

    made = emoji_scenes.builder(small_world, data_dir)
    emoji_scenes.prepare(made)
    return str(made.data_path)
