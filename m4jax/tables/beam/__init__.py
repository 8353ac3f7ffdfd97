"""Balancing on many machines with Apache Beam; only this package imports it."""

import logging

logging.disable(logging.WARNING)  # Beam warns that there is no client of BigQuery, which none needs
try:
    import apache_beam  # noqa: F401 (here first)
finally:
    logging.disable(logging.NOTSET)
