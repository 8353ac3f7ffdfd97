"""Balancing tables of any size; every setting, with its default.

    python -m experiments.balance --config=configs/balance.py --workdir=runs/balance

balances the testbed's training split, which it writes as `examples.parquet`: the format in which
your own data come. Under a minute on two cores, a few seconds for what is there already.
"""

import ml_collections
from ml_collections import config_dict

from configs import base


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = ml_collections.ConfigDict()

    # The table: parquet files with one row an example.
    config.files = ()  # paths or patterns, as in ("data/*.parquet",); (): the testbed
    config.uid = "uid"  # column of text or whole numbers, unique to each example
    config.attributes = ()  # columns of 0 and 1 (bool, int, float) or between; NULL: unknown
    config.labels = ()  # the same, never NULL; proxies are further labels
    config.packed = ""  # or the one column whose bit j is the j-th of attributes and labels
    config.counts = ""  # column that says how often each row counts; "": once
    config.utility = ""  # column with the utility u > 0 of each example; "": 1
    # Where utilities hardly repeat, fold them rounded to this many levels an octave; passes over
    # the examples then make the weights exact. 0: only equal utilities share a pattern.
    config.utility_levels = 0
    config.check_uids = True  # whether to refuse uids that are NULL or come twice

    # The testbed (m4jax/data/world.py), for files = ().
    config.world = base.get_config().world
    config.world_labels = ("occupations", "any_thing")  # label sets; "things" are the proxies

    # What is asked of the weights (m4jax/balance/problem.py).
    config.intersections = ()  # further attributes, as in (("man", "dark skin"),)
    config.target = config_dict.placeholder(object)  # prevalence, or (("man", 0.5), …)
    config.target = 0.5
    config.keep_rate = config_dict.placeholder(object)  # share of the data that is kept, or "max"
    config.keep_rate = 0.5
    config.eps_representation = 1e-4  # bound on |E[q (s - target)]|
    config.eps_association = 1e-4  # bound on |E[q (s - target) y]|, for each label
    config.penalty = 10.0  # V, the level of enforcement; inf: the bounds must hold
    config.objective = "quadratic"  # what is lost by moving away from equal weights
    config.tolerance = 1e-6  # relative duality gap at which the solver stops
    config.precision = "float64"  # "float32": passes in single precision, for accelerators
    config.allow_violations = False  # True: write weights even if bounds don't hold

    # What is written besides the weights.
    config.selection_seed = config_dict.placeholder(int)  # a seed: also who is kept, by uid
    config.frontier = tuple(i / 10 for i in range(1, 11))  # keep rates of the frontier; (): none

    # Resources.
    config.memory_limit = "2GB"  # of reading the tables; what is beyond it goes to the disk
    config.threads = 0  # 0: as many as there are cores
    config.shards = 1  # parts in which the files are folded; each is done but once
    config.shard = config_dict.placeholder(int)  # fold this part alone: one process for each

    return config
