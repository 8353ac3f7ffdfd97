"""The parts of `experiments.benchmark_balance`: instances, solvers, measurements, report."""
