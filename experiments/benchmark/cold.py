"""Jobs: one solve in a process of its own, timed from its start to its end, imports and all."""

import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from experiments.benchmark import instances, peers
from m4jax import balance
from m4jax.balance import folding

OURS = """
import sys, warnings, numpy
from m4jax import balance
warnings.simplefilter("ignore")
with numpy.load(sys.argv[1]) as file:
    given = {name: file[name] for name in file.files}
settings = {name: float(given.pop(name)) for name in sys.argv[2].split()}
balance.solve(balance.Problem(**given, **settings)).weights
"""
# The peer finds its matrices made.
PEER = """
import pickle, sys, numpy, piqp
from scipy import sparse
with open(sys.argv[1], "rb") as file:
    given = pickle.load(file)
solver = piqp.SparseSolver()
solver.setup(*given)
solver.solve()
solver.result.x
"""


def cold(kind: str, n: int, seed: int, repeats: int) -> dict[str, float]:
    """Times whole processes, ours and PIQP's in turns, PIQP on examples and on patterns."""
    settings = instances.settings(kind)
    arrays = instances.examples(kind, n, seed)
    problem = balance.Problem(**arrays, **settings)
    with tempfile.TemporaryDirectory() as folder:
        commands = {"m4jax": _ours(Path(folder), arrays, settings)}
        if find_spec("piqp"):
            commands["piqp"] = _peer(Path(folder) / "examples", problem)
            commands["piqp on patterns"] = _peer(
                Path(folder) / "patterns", folding.fold(problem)[0]
            )
        seconds = {name: [] for name in commands}
        for _ in range(repeats):
            for name, command in commands.items():
                begin = time.perf_counter()
                subprocess.run(command, check=True)  # noqa: S603
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(each) for name, each in seconds.items()}


def _ours(folder: Path, arrays: dict[str, np.ndarray], settings: dict[str, float]) -> list[str]:
    path = folder / "examples.npz"
    np.savez(path, **arrays, **settings)
    return [sys.executable, "-c", OURS, str(path), " ".join(settings)]


def _peer(path: Path, problem: balance.Problem) -> list[str]:
    with path.open("wb") as file:
        pickle.dump(peers.piqp_arguments(peers.program(problem)), file)
    return [sys.executable, "-c", PEER, str(path)]
