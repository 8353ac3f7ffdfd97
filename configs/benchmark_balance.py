r"""Benchmarks of the balance solver: what is measured, on which instances, and for how long.

    python -m experiments.benchmark_balance \
        --config=configs/benchmark_balance.py --workdir=runs/bench

takes 25 minutes on two cores and 4 GB of disk; --config.what=solvers, bias, wide or scale does one
part, --config.largest=1e8 a shorter one.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = ml_collections.ConfigDict()

    config.what = "all"  # "solvers", "bias", "wide", "scale" or "all"
    config.seed = 1  # of all instances
    config.repeats = 5  # of our timings, the median of which is told; of peers there is one

    # Solvers of quadratic programs, beside ours (experiments/benchmark/peers.py).
    # Few common labels and many rare ones; hardly any row twice; utilities that all differ.
    config.kinds = ("tail", "dense", "tail utilities", "dense utilities")
    config.sizes = (10_000, 100_000, 1_000_000)  # examples
    config.peers = ("piqp", "clarabel", "osqp")  # those that are not installed are left out
    config.peers_up_to = (1_000_000, 100_000, 100_000)  # examples, one for each peer
    config.folded_peers = ("piqp",)  # also on our patterns, their folding counted in
    config.peer_seconds = 300.0  # limit on each solution by a peer, its matrices included
    config.peer_gigabytes = 16.0  # limit on its memory

    # One solve in a process of its own, imports and all, ours and PIQP's.
    config.cold_kinds = ("tail", "dense utilities")
    config.cold_size = 100_000  # examples
    config.cold_repeats = 5  # of which the median is told

    # The paper's algorithm: passes until the relative gap is reached.
    config.online_size = 100_000  # examples
    config.online_batches = (100, 1_000)  # examples a step; the best counts
    config.online_gap = 1e-4
    config.online_passes = 2_000  # after which it is given up

    # Many constraints and sparse labels (experiments/benchmark/wide.py).
    config.wide_pairs = 100_000  # examples; of 40 attributes by 1,000 labels
    # 40,040 constraints with two sides, or 80,080 with one; at 0.5 bands can't all be met.
    config.wide_kinds = ("target", "band", "band")
    config.wide_kinds_rates = (0.5, 0.25, 0.5)  # keep rates
    config.wide_caps = (1_000_000, 500_000, 1_000)  # examples, labels, examples that ask for parity
    # Caps in examples, and keep rates: one at which all hold, and one at which few can.
    config.wide_thresholds = (1_000, 20)
    config.wide_keep_rates = (0.2, 0.4)
    config.wide_seconds = 1_200.0  # limit on each

    # `balance.bias`, beside reading the bytes and plain products (experiments/benchmark/sums.py).
    config.bias_shape = (2_000_000, 2, 300)  # examples, attributes, labels
    config.bias_repeats = 3  # of which the median is told

    # Examples on disk (experiments/benchmark/scale.py).
    config.smallest = 1e6  # examples; then by powers of ten
    config.largest = 1e9
    config.scale_repeats = 3  # ours and the bare GROUP BY take turns
    config.engines = ("duckdb", "polars")  # that do the bare GROUP BY, where installed
    config.memory_limit = "2GB"  # of DuckDB, ours and the bare one
    config.keep_data = False  # whether to leave the examples on disk

    return config
