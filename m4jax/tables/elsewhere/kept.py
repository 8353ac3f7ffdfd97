"""A filter for loops over samples: webdataset's, or any other that has uids."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from m4jax.errors import InputError
from m4jax.tables import selection
from m4jax.tables.elsewhere import chosen

KEY = "__key__"  # of a sample of webdataset


class Kept:
    """Tells whether a sample is kept, by its uid.

        kept = Kept.read("runs/balanced", seed=0)
        data = webdataset.WebDataset("shards/{000..012}.tar").select(kept)

    It counts what it sees: `seen`, `kept` and `unknown`, in each process of a loader by itself.

    Args:
        weights: by uid.
        seed: of the selection.
        field: of a sample that is a mapping, its uid; ("json", "uid") is a field within a field,
            which has to be decoded.
        leave_out: whether a sample without a weight is dropped, in place of an error.
    """

    def __init__(
        self,
        weights: chosen.Weights,
        *,
        seed: int,
        field: str | Sequence[str] = KEY,
        leave_out: bool = False,
    ):
        self._path = (field,) if isinstance(field, str) else tuple(field)
        self._leave_out, self._name = leave_out, weights.name
        uids = weights.uids.to_pylist()
        q = weights.weights
        mask = np.ones(len(q), bool) if weights.decided else selection.keep(uids, q, seed=seed)
        self._answers = dict(zip(uids, mask.tolist(), strict=True))
        self._decided = weights.decided
        self.seen = self.kept = self.unknown = 0

    @classmethod
    def read(cls, path: str, *, seed: int = 0, **options: Any) -> "Kept":
        """Returns the filter by the weights at a path, see `chosen.read`."""
        return cls(chosen.read(path), seed=seed, **options)

    def __call__(self, sample: Any) -> bool:
        """Returns whether a sample, or the example of a uid, is kept.

        Raises:
            InputError: if it has no uid, or there is no weight for it.
        """
        uid = self._uid(sample)
        answer = self._answers.get(uid)
        self.seen += 1
        if answer is None:
            self.unknown += 1
            if not self._leave_out and not self._decided:
                raise InputError(
                    f"{self._name}: no weight for {uid!r}; it was made for other data, or the uid "
                    "is another field"
                )
        self.kept += bool(answer)
        return bool(answer)

    def _uid(self, sample: Any) -> str:
        for name in self._path if isinstance(sample, Mapping) else ():
            if not isinstance(sample, Mapping) or name not in sample:
                raise InputError(f"a sample has no {'.'.join(self._path)}: no uid to be known by")
            sample = sample[name]
        return str(sample)
