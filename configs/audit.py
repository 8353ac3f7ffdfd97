"""Auditing pictures, captions, a model or embeddings; every setting, with its default.

    python -m experiments.audit --config=configs/audit.py --workdir=runs/audit --config.data=photos

writes `report.html`, `results.parquet`, `audit.json` and `history.parquet`. With a model, and with
stored embeddings in its place:

    --config.data=photos --config.model=clip-vit-base-patch32
    --config.embeddings=pictures.npz --config.texts="('texts.npz',)" --config.table=shown.csv
    --config.table=fairface.csv --config.attributes="(('gender', 'gender'), ('race', 'race'))" \
        --config.predictions="(('gender', 'gender_preds'),)"

Further sets of pictures, limits:

    --config.sets="({'name': 'street', 'data': 'street'},)"
    --config.limits="(('gap', 'nurse', 0.05), ('representation_bias', '', 0.1))"

    python -m configs.audit

lists the settings with what they mean; they stand in m4jax/audit/config.py.
"""

import ml_collections

from m4jax import settings
from m4jax.audit.config import AuditConfig

SECTIONS = {"": AuditConfig}


def get_config() -> ml_collections.ConfigDict:
    """Returns the configuration."""
    return settings.fields(AuditConfig)


if __name__ == "__main__":
    print(settings.listing(get_config(), SECTIONS))
