"""Small balancings of tables, as the command does them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs import balance as settings
from m4jax import tables

# What the paper asks for: bounds on |E[q (s − π)]| and |E[q (s − π) y]|, at a given keep rate.
ABSOLUTE = {
    "keep_rate": 0.5, "eps_representation": 1e-4, "eps_association": 1e-4, "penalty": 10.0,
}  # fmt: skip


def people(n=400, seed=0):
    """Returns columns of examples in which nurses are women more often than not."""
    rng = np.random.default_rng(seed)
    man = rng.random(n) < 0.6
    nurse = rng.random(n) < np.where(man, 0.1, 0.3)
    return {"uid": np.arange(n) + 1000 * seed, "man": man, "nurse": nurse}


def write(path, columns):
    """Writes columns as a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def run(files, workdir, told=None, without="report", **more):
    """Balances tables by `ABSOLUTE`; `told` gets the lines about what is made again."""
    fields = {"files": tuple(map(str, files)), "attributes": ("man",), "labels": ("nurse",),
              "frontier": ()} | ABSOLUTE  # fmt: skip
    config = tables.table_config(settings.get_config().to_dict() | fields | more)
    job = tables.Job(config, workdir, [].append if told is None else told.append)
    for stage in tables.stages(config):
        if stage != without:
            tables.STAGES[stage](job, lambda what, done, total: None)
    return tables.certificate(workdir)
