r"""Benchmarks of the readers: against webdataset and `datasets`, and their memory.

    python -m experiments.benchmark_readers \
        --config=configs/benchmark_readers.py --workdir=runs/bench-readers

--config.what=NAME does one part. The material takes 0.5 GB, that of the memory 2 KB a pair.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = ml_collections.ConfigDict()

    config.what = "all"  # "throughput", "random", "memory" or "all"
    config.rounds = 3  # of every measurement; the median is told

    # All examples in order: captions, and pictures' bytes or decoded.
    config.throughput = ml_collections.ConfigDict()
    config.throughput.examples = 10_000  # pictures with captions
    config.throughput.side = 224  # of the pictures, in pixels
    config.throughput.shard = 1_000  # examples of a tar file or a row group
    config.throughput.passes = 2  # of each measurement; the fastest counts

    # Pictures' bytes in any order.
    config.random = ml_collections.ConfigDict()
    config.random.number = 20_000  # pictures that are asked for

    # The largest resident memory of a process that goes over so many pairs of tar shards.
    config.memory = ml_collections.ConfigDict()
    config.memory.pairs = (100_000, 500_000, 1_000_000)
    config.memory.shard = 10_000  # pairs of a tar file

    return config
