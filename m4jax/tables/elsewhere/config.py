"""The configuration of using weights elsewhere."""

import dataclasses

from m4jax.errors import InputError, nearest
from m4jax.tables import selection

SHARDS, OPEN_CLIP, DATASETS, PARQUET, ADDRESSES, ROWS = FORMATS = (
    "shards", "open_clip", "datasets", "parquet", "img2dataset", "rows",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class UseConfig:
    """Which weights are used for which data, and in which form."""

    data: str = ""  # what was balanced: anything that experiments.audit reads
    weights: str = ""  # folder of experiments.balance, or a parquet file (uid, weight) or (uid)
    # Its field of the picture, of the captions and of the uid, and the split; "": found by itself.
    # The uid is the one by which the data were annotated and balanced.
    image: str = ""
    caption: str = ""
    uid: str = ""
    split: str = ""
    seed: int = 0  # of the selection: each example is kept with probability q, by seed and uid
    leave_out: bool = False  # whether examples without a weight are dropped, not refused
    # "shards": tar shards with the kept examples; "open_clip": its csv of files and titles;
    # "datasets": a folder for datasets.load_from_disk; "parquet": the same files with fewer rows;
    # "img2dataset": its list of addresses; "rows": numbers of rows. "": by what the data are
    format: str = ""
    url: str = ""  # column of the addresses, for img2dataset; "": "url"

    def __post_init__(self):
        for name in ("data", "weights"):
            if not getattr(self, name):
                raise InputError(f"config.{name}: expected a path, got nothing")
        if self.format and self.format not in FORMATS:
            raise InputError(
                f"config.format: unknown {self.format!r}; {nearest(self.format, FORMATS)}"
            )
        selection.check_seed(self.seed, "config.seed")
