r"""Writes a trained model as files that need nothing of the run, or as those of another project.

    python -m experiments.export --config=configs/base.py --workdir=runs/train --to=runs/exported
    python -m experiments.export --config=configs/base.py --workdir=runs/train \
        --format=open_clip --to=model.safetensors

`--format=hugging_face` writes a folder with the tokenizer and how pictures are prepared, which
transformers itself loads (CLIPModel, AutoTokenizer, AutoImageProcessor).
"""

from pathlib import Path

from absl import flags
from rich.console import Console

from experiments import command, single
from m4jax.run import model

_TO = flags.DEFINE_string(
    "to", None, "A folder for the formats m4jax and hugging_face, otherwise a file.", required=True
)
_FORMAT = flags.DEFINE_enum("format", "m4jax", list(model.FORMATS), "Of the files.")


def main(console: Console) -> int:
    """Exports the model that experiments.train left in the workdir."""
    config, layout = single.run_and_layout()
    model.export(config, layout, Path(_TO.value), _FORMAT.value)
    console.print(f"Written: {_TO.value}")
    return 0


if __name__ == "__main__":
    command.run(main)
