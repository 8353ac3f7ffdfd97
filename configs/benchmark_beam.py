r"""What the steps of annotating and balancing on many machines cost: how it is measured.

    python -m experiments.benchmark_beam --config=configs/benchmark_beam.py --workdir=runs/price \
        --config.files="('captions.tsv.gz',)" --config.caption=0
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    config = ml_collections.ConfigDict()
    config.files = ("",)  # real captions, as experiments.annotate takes them
    config.caption = "caption"  # their column
    config.rows = 2_000_000  # of the table that is folded: the captions, again and again
    config.labels = 32  # the commonest ones of the captions; the attribute is "man"
    config.pairs = 1e10  # for which it is priced
    config.price = 0.07  # dollars for a vCPU and its 4 GB of memory, an hour
    config.shuffle = 0.011  # dollars for a gigabyte that is shuffled
    return config
