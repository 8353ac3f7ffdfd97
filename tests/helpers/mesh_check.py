"""Run by test_mesh.py: one run on some devices of this process, or of one of two processes.

Arguments: run directory, number of devices, size of the model axis, step after which the run is
interrupted (0: never), number of this process of two and port (or -1 and 0), and which of
`SETTINGS`.
"""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np
from runs import CONFIG, tiny_data, tiny_model

from m4jax.training import Stage, make_mesh, train

STEPS = 20
SWITCH = 8  # the step at which the second data version begins
SETTINGS = {
    "plain": {},
    "tuned": {"freeze": "text", "image_rate": 0.5},
    "late": {"restart_at": 11, "restart_peak": 5e-3, "average": 6},
}


class Interrupted(Exception):
    """Stands for Ctrl-C."""


def main(run_dir, devices, model, last, process, port, settings):
    if process >= 0:
        jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=process)
    config = dataclasses.replace(
        CONFIG, batch_size=16, steps=STEPS, log_every=1, checkpoint_every=5, learning_rate=1e-3,
        **SETTINGS[settings],
    )  # fmt: skip
    weights = np.linspace(0, 1, 32)
    data = tiny_data(stages=(Stage(0), Stage(SWITCH, weights)))
    # Wide enough for a matrix to be split.
    wide = tiny_model(width=128, text_width=128, embed=64, heads=2, text_heads=2)
    mesh = make_mesh(jax.devices()[:devices], model=model)

    def on_progress(record):
        if record["step"] == last:
            raise Interrupted

    try:
        params = train(config, data, Path(run_dir), model=wide, mesh=mesh, on_progress=on_progress)
    except Interrupted:
        return
    kernel = params["image"]["transformer"]["blocks"]["up"]["kernel"]
    whole = jax.jit(lambda x: x, out_shardings=jax.sharding.NamedSharding(mesh, jax.P()))(params)
    if process <= 0:
        leaves = [np.asarray(x).ravel() for x in jax.tree.leaves(whole)]
        np.save(Path(run_dir) / "params.npy", np.concatenate(leaves))
        shard = kernel.sharding.shard_shape(kernel.shape)
        print(json.dumps({"shard": int(np.prod(shard)), "size": kernel.size}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:-1]), sys.argv[-1])
