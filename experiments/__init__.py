"""Commands: each a thin script over the library."""

import sys

from m4jax import errors, limits

try:  # before anything is imported that would abort
    limits.check_address_space()
except errors.InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)
