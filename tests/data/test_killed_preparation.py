"""What a preparation leaves when it is killed is removed by the next one."""

from m4jax.data.testbed import emoji_scenes
from m4jax.data.testbed.world import World


def test_unfinished_folders_are_swept_and_nothing_else(tmp_path):
    world = World(examples=20)
    dataset, arrays = tmp_path / "emoji_scenes" / world.id, world.directory(tmp_path)
    left = [dataset / "incomplete.AB12CD_1.1.0", arrays.with_name(f".{arrays.name}.123")]
    others = [
        tmp_path / "incomplete.others",
        tmp_path / "emoji_scenes" / "incomplete.others",
        tmp_path / "arrays" / ".another.123",
    ]
    for folder in (*left, *others):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    world.prepare(tmp_path)
    emoji_scenes.prepare(emoji_scenes.builder(world, tmp_path))
    assert world.is_prepared(tmp_path)
    assert not any(folder.exists() for folder in left)
    assert all((folder / "file").exists() for folder in others)
    assert next(dataset.glob("1.1.0/dataset_info.json"), None)
