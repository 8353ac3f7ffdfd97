"""The solvers on the host: NumPy and scipy, nothing is compiled."""
