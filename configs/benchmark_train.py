r"""Benchmarks of training: against open_clip, of fleets, of the input, and against the machine.

    python -m experiments.benchmark_train \
        --config=configs/benchmark_train.py --workdir=runs/bench-train

takes 12 minutes on two cores; --config.what=NAME does one part.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = ml_collections.ConfigDict()

    config.what = "all"  # "peer", "testbed", "fleet", "input", "utilisation" or "all"
    config.rounds = 2  # in each of which every side is measured once; the median is told

    # A full-size model: ours and open_clip's in turns, with all cores.
    config.peer = ml_collections.ConfigDict()
    config.peer.duration = 30.0  # seconds of each measurement
    config.peer.variant = "ViT-B/32"  # a CLIP model of models.names()
    config.peer.batch_size = 16  # pairs a step
    config.peer.words = 12  # tokens of an average caption, its end included

    # The testbed's size: the best of these ways to use the cores, for either side.
    config.testbed = ml_collections.ConfigDict()
    config.testbed.duration = 15.0  # seconds of each measurement
    config.testbed.batch_size = 64  # pairs a step, as in the quickstart
    config.testbed.steps = 2_000  # that make up one model
    config.testbed.words = 6  # tokens of an average caption of the testbed
    config.testbed.context = 12  # tokens at most

    # A fleet, and its members one after another.
    config.fleet = ml_collections.ConfigDict()
    config.fleet.members = 8  # models of the testbed's size
    config.fleet.steps = 200  # of each

    # Pictures decoded on the fly, and gathered from memory.
    config.input = ml_collections.ConfigDict()
    config.input.examples = 3_000  # pictures of the testbed that are prepared
    config.input.batch_size = 64
    config.input.duration = 10.0  # seconds of each measurement
    config.input.workers = (0, 1, 2)  # processes that decode; 0: threads of this one

    # Model FLOPs utilisation: rate of a step against the device's rate of multiplying matrices.
    config.utilisation = ml_collections.ConfigDict()
    config.utilisation.variant = "SigLIP-B/16"  # of models.names()
    config.utilisation.dtype = "bfloat16"  # on an accelerator; float32 on a CPU
    config.utilisation.batch_size = 256  # on an accelerator; 4 on a CPU
    config.utilisation.duration = 20.0  # seconds

    return config
