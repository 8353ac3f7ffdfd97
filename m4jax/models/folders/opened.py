"""What is known of a model once its folder is open."""

import dataclasses
from typing import Any

from m4jax.models.scaling import Scaling
from m4jax.models.two_towers import TwoTowers


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model with all that its folder tells.

    Attributes:
        module: the two towers; their sizes and the normalisation of pictures are its `variant`.
        params: its parameters, float32.
        tokenizer: what `data.tokenizers.open_named` takes, "clip:/p/tokenizer.json" say; "" if the
            folder has none, as `notes` then tells.
        scaling: of pictures, before they are normalised.
        kind: of the folder: "transformers", "open_clip", "big_vision" or "m4jax".
        name: of the folder, or of the repository that a folder of a download cache is of.
        identity: SHA-256 over the contents that were read: configurations, parameters, tokenizer.
        notes: what was not known, or is done otherwise than by the folder's own library; sentences.
    """

    module: TwoTowers
    params: Any
    tokenizer: str
    scaling: Scaling
    kind: str
    name: str
    identity: str
    notes: tuple[str, ...] = ()

    @property
    def context(self) -> int:
        """The number of tokens of a text."""
        return self.module.variant.context
