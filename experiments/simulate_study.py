"""How often a study's tests would err, and what they would find: simulated before it is run.

    python -m experiments.simulate_study --config=configs/simulate_study.py --workdir=runs/simulated

Studies of which the truth is known go through the same judgement as a real one
(`m4jax.report.simulation`). It writes `rates.csv` (the share of each verdict, by claim and
contrast) and `errors.csv` (the share of studies with any false verdict), and prints the latter.
"""

from rich.console import Console

from experiments import command
from m4jax.report import results, simulation, studies
from m4jax.terminal import text


def main(console: Console) -> int:
    """Simulates, writes and prints."""
    config, root = command.config(), command.workdir()
    claims = studies.find(config["claims"]).claims
    chance = simulation.Chance(dict(config["deviations"]), dict(config["pictures"]))
    rows, errors = [], []
    for seeds in config["seeds"]:
        for truth in config["truths"]:
            scenario = simulation.Scenario(claims, chance, truth, config["effects"])
            of_verdicts, wrong = simulation.rates(
                scenario, seeds=seeds, studies=config["studies"], random_seed=config["seed"]
            )
            rows += of_verdicts
            errors.append(wrong)
            console.print(text(
                f"{seeds} seeds, truth: {truth}: of {config['studies']} studies "
                f"{wrong['false_difference']:.1%} call a difference what it is not, "
                f"{wrong['false_null']:.1%} one of m or more no effect"
            ))  # fmt: skip
    results.write_csv(root / "rates.csv", rows)
    results.write_csv(root / "errors.csv", errors)
    console.print(text(f"Rates: {root / 'rates.csv'}"))
    return 0


if __name__ == "__main__":
    command.run(main)
