"""The testbed as a TFDS dataset, `emoji_scenes`, prepared to array_record without TensorFlow.

    import tensorflow_datasets as tfds
    from m4jax.data.testbed import emoji_scenes
    builder = emoji_scenes.builder(World(), data_dir="data")
    builder.download_and_prepare()  # downloads nothing
    source = builder.as_data_source("train")

Integer columns hold what picture and caption show and say, -1 for nothing; `person_drawing` and
`thing_drawing` are equal for pictures that show the same drawing, be it in another skin tone.
"""

import contextlib
import dataclasses
import functools
import io
import os
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from m4jax.data.encoded import EncodedPictures
from m4jax.data.testbed import splits
from m4jax.data.testbed.scenes import Knobs, write_captions
from m4jax.data.testbed.sprites import Sprites, load_sprites
from m4jax.errors import InputError
from m4jax.progress import Progress

# TFDS spills a split over 1,000 MB through TensorFlow; a picture of 72 pixels takes up to 12 kB.
MAX_BYTES = 900e6

COLUMNS = ("gender", "occupation", "thing", "says_gender", "says_occupation", "says_thing",
           "person_drawing", "thing_drawing")  # fmt: skip


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """A builder configuration that carries the knobs of its world."""

    world: Knobs = dataclasses.field(default_factory=Knobs)


class EmojiScenes(tfds.core.GeneratorBasedBuilder):
    """Scenes of persons and things, of known bias, with captions, composed of emoji pictures."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (TFDS reads it off the class)
    BUILDER_CONFIGS = [Config(name="biased", description="The default knobs.")]  # noqa: RUF012

    progress: Progress | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        side = self.builder_config.world.resolution
        features = {
            "image": tfds.features.Image(shape=(side, side, 3), encoding_format="png"),
            "caption": tfds.features.Text(),
            "uid": tfds.features.Text(),
        } | {name: tfds.features.Scalar(np.int32) for name in COLUMNS}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=None,
            disable_shuffling=True,  # the order is the generator's, hence the same at each prepare
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager  # the pictures are package data: nothing to download
        world = self.builder_config.world
        if world.examples * world.resolution**2 * 3 > MAX_BYTES:
            raise InputError(
                f"world.examples: {world.examples:,} pictures of {world.resolution} pixels may "
                f"exceed the {MAX_BYTES / 1e6:.0f} MB that one split can hold; choose fewer"
            )
        names = (splits.TRAIN, *splits.EVALUATION)
        return {name: self._generate_examples(name) for name in names}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
        world = self.builder_config.world
        total = world.examples if split == splits.TRAIN else None
        for key, example in generate(world, split, self._sprites):
            if self.progress and total and key % 500 == 0:
                self.progress("compose pictures", key, total)
            yield key, example

    @functools.cached_property
    def _sprites(self) -> Sprites:
        return load_sprites()


def generate(world: Knobs, split: str, sprites: Sprites) -> Iterator[tuple[int, dict]]:
    """Yields (key, example) of a split; a pure function of the world, the split and the sprites."""
    rng = np.random.default_rng([world.seed, zlib.crc32(split.encode())])
    plan = splits.plan(world, split, sprites)
    texts = write_captions(plan.scenes, rng)
    columns = dataclasses.asdict(plan.scenes)
    for shown in ("person", "thing"):
        sprite = getattr(plan, shown)
        columns[f"{shown}_drawing"] = np.where(sprite >= 0, sprites.drawing[sprite], -1)
    prefix = world.id
    for i, picture in enumerate(splits.render(plan, sprites, world.resolution, rng)):
        example = {key: int(column[i]) for key, column in columns.items()}
        example |= {"image": _png(picture), "caption": texts[i], "uid": f"{prefix}/{split}/{i:08d}"}
        yield i, example


def prepare(builder: EmojiScenes, progress: Progress | None = None) -> None:
    """Prepares the dataset unless it is there; TFDS renames its directory when all is written."""
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
    """Returns the pictures of a prepared split as they lie in its array_record files."""
    skip = {"image": tfds.decode.SkipDecoding()}
    records = builder(world, data_dir).as_data_source(split, decoders=skip)
    return EncodedPictures(records, resolution=world.resolution)


def _png(picture: np.ndarray) -> bytes:
    """Returns the picture as PNG, lightly compressed: the time goes into filtering otherwise."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png", compress_level=1)
    return buffer.getvalue()
