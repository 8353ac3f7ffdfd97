"""Where everything of a study lies in its directory."""

import dataclasses
from pathlib import Path

from m4jax.run.config import RunConfig


@dataclasses.dataclass(frozen=True)
class Layout:
    """Paths below the study's directory `root`."""

    root: Path

    @property
    def config(self) -> Path:
        """The grid's resolved configuration."""
        return self.root / "config.json"

    @property
    def data(self) -> Path:
        """The testbed's datasets and arrays."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """What the workers print."""
        return self.root / "logs"

    @property
    def leases(self) -> Path:
        """Who is at work on what."""
        return self.root / "leases"

    @property
    def results(self) -> Path:
        """The table from which everything that is shown is made."""
        return self.root / "results.parquet"

    def weights(self, config: RunConfig) -> Path:
        """The directory of a balanced run's weights."""
        return self.root / "weights" / config.weights_id

    def scores(self, scorer: RunConfig) -> Path:
        """The similarity of every training pair, as the model of a run sees it."""
        return self.root / "scores" / f"{scorer.id}.parquet"

    def run(self, config: RunConfig) -> Path:
        """The directory of a run."""
        return self.root / "runs" / config.id
