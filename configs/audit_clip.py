"""The audit of CLIP ViT-B/32 from its published embeddings; every setting, with its default.

    M4JAX_REAL=... python -m experiments.audit_clip --config=configs/audit_clip.py \
        --workdir=results/audit-clip-b32

reads embeddings and predictions in $M4JAX_REAL; see results/audit-clip-b32/README.md for what is
there.
"""

import ml_collections

from experiments.audit_clip import ClipConfig
from m4jax import settings


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(ClipConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), {"": ClipConfig}))
