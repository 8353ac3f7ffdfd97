"""The solvers in JAX: on accelerators, on several devices, for streams."""
