"""Balancing on many machines with Apache Beam; only this package imports it."""
