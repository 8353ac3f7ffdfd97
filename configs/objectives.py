r"""Objectives beside the paper's: what each costs, and what a model trained by its weights learns.

    python -m experiments.grid --config=configs/objectives.py --workdir=runs/objectives \
        --config.balance.objective=my_module:MY_OBJECTIVE

trains the version "prototype" by an objective of your own beside the paper's ("quadratic") and
others; a constraint of your own is `--config.balance.constraints="('my_module:MY_CONSTRAINT',)"`,
and then holds in all versions that are balanced. Six data versions, two seeds: twelve models of
0.3 M parameters, 6 and a half minutes of computing that two cores share.

Two seeds tell that the objective works in training, not whether it leaves less bias. What is
printed of the prototype beside the paper's objective has intervals over seeds, which are then wide.
`--config.seeds="(0,1,2,3,4,5,6,7,8,9)"`, in the same workdir, trains those that are missing.
"""

import ml_collections

from configs import base

STANDING_IN = "hellinger"  # the prototype's objective, until you name yours


def get_config() -> ml_collections.ConfigDict:
    """Returns the grid: every objective with every seed, over the base configuration."""
    config = base.get_config()
    config.model.variant = "emoji-S/16"  # half the cost of the quickstart's model
    config.train.steps = 1_000
    config.balance.objective = STANDING_IN
    # Where as much is kept as the bounds allow, objectives hardly differ.
    config.balance.keep_rate = 0.4
    # Costs have scales of their own: at the default of 10, missing a bound is the cheaper for one.
    config.balance.penalty = 1e6
    # All are compared with the original, the prototype with the paper's objective as well. The text
    # is about the first two that are balanced.
    versions = (
        ("original", {}),
        ("quadratic", {"balance": {"enabled": True, "objective": "quadratic"}}),
        ("prototype", {"balance": {"enabled": True}}),
        *(
            (name, {"balance": {"enabled": True, "objective": name}})
            for name in ("kl", "keep_most")
        ),
        ("oracle", {"world": {"men": 0.5, "association": 0.0, "company": 0.0}}),
    )
    config.factors = (("version", versions),)
    config.seeds = (0, 1)  # every version is trained once with each
    config.studies = (("versions", ({"version": "*"},)),)
    return config
