"""What several tests of the confirmation's report share."""

import dataclasses

import pytest
from helpers import confirmation_results as made

from configs import confirmation
from m4jax.grid.cells import levels
from m4jax.report import claims
from m4jax.report.confirmation_claims import CLAIMS


@pytest.fixture(scope="module")
def whole():
    """A plausible confirmation of six seeds, without the training data's rows."""
    found = made.table(confirmation.SEEDS[:6], data=False)
    return dataclasses.replace(found, levels=levels(made.grid()))


@pytest.fixture(scope="module")
def by_claim(whole):
    """Its findings."""
    return claims.test(whole, CLAIMS)
