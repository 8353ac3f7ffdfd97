"""The testbed as a TFDS dataset, `emoji_scenes`, prepared to array_record without TensorFlow.

    import tensorflow_datasets as tfds
    from m4jax.data.testbed import emoji_scenes
    builder = emoji_scenes.builder(World(), data_dir="data")
    builder.download_and_prepare()  # downloads nothing
    source = builder.as_data_source("train")

Integer columns hold what picture and caption show and say, -1 for nothing; `person_drawing` and
`thing_drawing` are equal for pictures that show the same drawing, be it in another skin tone;
`person_emoji` and `thing_emoji` also for the same emoji as other vendors draw it.
"""

import contextlib
import dataclasses
import io
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from m4jax import files
from m4jax.data.encoded import EncodedPictures
from m4jax.data.testbed import splits
from m4jax.data.testbed.scenes import Knobs
from m4jax.data.testbed.sprites import Sprites, load_sprites
from m4jax.progress import Progress


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """A builder configuration that carries the knobs of its world."""

    world: Knobs = dataclasses.field(default_factory=Knobs)


class EmojiScenes(tfds.core.GeneratorBasedBuilder):
    """Scenes of persons and things, of known bias, with captions, composed of emoji pictures."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {  # noqa: RUF012 (TFDS reads it off the class)
        "1.0.0": "First version.",
        "1.1.0": "Columns person_emoji and thing_emoji.",
    }
    BUILDER_CONFIGS = [Config(name="biased", description="The default knobs.")]  # noqa: RUF012

    progress: Progress | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        side = self.builder_config.world.resolution
        features = {
            "image": tfds.features.Image(shape=(side, side, 3), encoding_format="png"),
            "caption": tfds.features.Text(),
            "uid": tfds.features.Text(),
        } | {name: tfds.features.Scalar(np.int32) for name in splits.COLUMNS}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=None,
            disable_shuffling=True,  # the order is the generator's, hence the same at each prepare
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager  # the pictures are package data: nothing to download
        splits.check_size(self.builder_config.world)
        names = (splits.TRAIN, *splits.EVALUATION)
        return {name: self._generate_examples(name) for name in names}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        world = self.builder_config.world
        total = world.examples if split == splits.TRAIN else None
        for key, example in generate(world, split, load_sprites()):
            if self.progress and total and key % 500 == 0:
                self.progress("compose pictures", key, total)
            yield key, example


def generate(world: Knobs, split: str, sprites: Sprites) -> Iterator[tuple[int, dict]]:
    """Yields (key, example) of a split; a pure function of the world, the split and the sprites."""
    columns, pictures = splits.compose(world, split, sprites)
    for i, picture in enumerate(pictures):
        example = {name: _plain(column[i]) for name, column in columns.items()}
        yield i, example | {"image": _png(picture)}


def prepare(builder: EmojiScenes, progress: Progress | None = None) -> None:
    """Prepares the dataset unless it is there; TFDS renames its directory when all is written.

    An interrupted preparation starts again, and what is left of it is removed.
    """
    folder = Path(builder.data_path).parent
    with files.locked(folder.parent / f".{folder.name}.lock"):
        if Path(builder.data_path).exists():
            return
        for path in folder.glob("incomplete.*"):
            shutil.rmtree(path, ignore_errors=True)
        _write(builder, progress)


def _write(builder: EmojiScenes, progress: Progress | None) -> None:
    tfds.disable_progress_bar()
    stdout = sys.stdout

    def report(*event: Any) -> None:
        with contextlib.redirect_stdout(stdout):
            progress(*event)

    builder.progress = progress and report
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    with contextlib.redirect_stdout(io.StringIO()):  # TFDS prints of downloads that there are not
        builder.download_and_prepare(file_format="array_record", download_config=config)


def builder(world: Knobs, data_dir: str | os.PathLike) -> EmojiScenes:
    """Returns the builder of a world, to be prepared under `data_dir`."""
    config = Config(name=world.id, description=f"{world}", world=world)
    return EmojiScenes(config=config, data_dir=os.fspath(data_dir), file_format="array_record")


def encoded(world: Knobs, split: str, data_dir: str | os.PathLike) -> EncodedPictures:
    """Returns the pictures of a split as they lie in array_record files; prepares these first."""
    made = builder(world, data_dir)
    prepare(made)
    skip = {"image": tfds.decode.SkipDecoding()}
    records = made.as_data_source(split, decoders=skip)
    return EncodedPictures(records, resolution=world.resolution)


def _plain(value: str | np.integer) -> str | int:
    return value if isinstance(value, str) else int(value)


def _png(picture: np.ndarray) -> bytes:
    """Returns the picture as PNG, lightly compressed: the time goes into filtering otherwise."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
