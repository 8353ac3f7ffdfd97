"""The testbed's splits: the scenes they hold, the sprites that show them, and their pictures."""

import dataclasses
import zlib
from collections.abc import Iterator

import numpy as np

from m4jax.data.testbed import catalog
from m4jax.data.testbed.scenes import (
    Knobs,
    Scenes,
    add_caption_noise,
    sample,
    write_captions,
)
from m4jax.data.testbed.sprites import Sprites
from m4jax.errors import InputError

TRAIN = "train"
EVALUATION = ("faces", "workers", "objects", "scenes", "shift")
COLUMNS = ("gender", "occupation", "thing", "says_gender", "says_occupation", "says_thing",
           "person_drawing", "thing_drawing", "person_emoji", "thing_emoji")  # fmt: skip
# Pictures of 72 pixels take up to 12 kB encoded, and TFDS spills a split over 1,000 MB through
# TensorFlow.
MAX_BYTES = 900e6
BLOCK = 1_024  # pictures that are composed at once
RENDERINGS = 2  # evaluation pictures of each sprite, on other backgrounds and places

# Sizes as shares of the picture's side; two of each kind of scene, drawn at random.
ALONE = (0.8, 0.92)
PERSON_IN_COMPANY = (0.6, 0.68)
THING_IN_COMPANY = (0.44, 0.5)
BACKGROUND = (225, 256)  # range of each colour channel: near white, as one vendor's pictures have


@dataclasses.dataclass(frozen=True)
class Plan:
    """The scenes of a split and the sprites they show; `person`, `thing`: int [n], -1 for none."""

    scenes: Scenes
    person: np.ndarray
    thing: np.ndarray


def plan(world: Knobs, split: str, sprites: Sprites) -> Plan:
    """Returns the plan of a split; those of evaluation are the same in every world of one seed.

    `faces` plain persons · `workers` persons with an occupation · `objects` things alone ·
    `scenes` pairs of a person and a thing · `shift` the persons as drawn by the vendor that
    training never sees. All but `shift` show emoji that training never sees, or drawings where
    `world.unseen` says so. Of another seed evaluation has as many pictures of the same emoji in
    the same order, but in `scenes` where `world.pairs` is None: there, of the same contents.
    """
    shift = sprites.vendor == catalog.VENDORS.index(catalog.SHIFT_VENDOR)
    person, worker = sprites.gender >= 0, sprites.occupation >= 0
    out = sprites.held_out_drawing if world.unseen else sprites.held_out
    if split == TRAIN:
        scenes = sample(world)
        pool = _Pool(sprites, ~out & ~shift, np.random.default_rng([world.seed, 3]))
        people, things = pool.persons(scenes), pool.things(scenes)
        return Plan(add_caption_noise(world, scenes), people, things)
    if split == "scenes":
        rng = np.random.default_rng([world.seed, 4])
        return _pairs_plan(_Pool(sprites, out & ~shift, rng), world.pairs)
    chosen = {
        "faces": out & ~shift & person & ~worker,
        "workers": out & ~shift & worker,
        "objects": out & ~shift & (sprites.thing >= 0),
        "shift": shift & person,
    }[split]
    rows = np.repeat(np.flatnonzero(chosen), RENDERINGS)
    gender, occupation, thing = sprites.gender[rows], sprites.occupation[rows], sprites.thing[rows]
    scenes = Scenes(gender, occupation, thing, gender, occupation, thing)
    alone = thing >= 0
    return Plan(scenes, np.where(alone, -1, rows), np.where(alone, rows, -1))


def compose(
    world: Knobs, split: str, sprites: Sprites
) -> tuple[dict[str, np.ndarray], Iterator[np.ndarray]]:
    """Returns the columns of a split, each [n], and its pictures, uint8 [r, r, 3], one by one.

    A pure function of the world, the split and the sprites. The columns are `COLUMNS`, int64,
    "caption" and "uid".
    """
    rng = np.random.default_rng([world.seed, zlib.crc32(split.encode())])
    chosen = plan(world, split, sprites)
    columns = {"caption": np.array(write_captions(chosen.scenes, rng), object)}
    columns |= dataclasses.asdict(chosen.scenes)
    for shown in ("person", "thing"):
        sprite = getattr(chosen, shown)
        columns[f"{shown}_drawing"] = np.where(sprite >= 0, sprites.drawing[sprite], -1)
        columns[f"{shown}_emoji"] = np.where(sprite >= 0, sprites.motif[sprite], -1)
    name = f"{world.id}/{split}"
    columns["uid"] = np.array([f"{name}/{i:08d}" for i in range(len(chosen.scenes))], object)
    return columns, render(chosen, sprites, world.resolution, rng)


def check_size(world: Knobs) -> None:
    """Raises `InputError` if a world has more pictures than one split can hold."""
    if world.examples * world.resolution**2 * 3 > MAX_BYTES:
        raise InputError(
            f"world.examples: {world.examples:,} pictures of {world.resolution} pixels may "
            f"exceed the {MAX_BYTES / 1e6:.0f} MB that one split can hold; choose fewer"
        )


def _pairs_plan(pool: "_Pool", count: int | None) -> Plan:
    """Returns the pairs of a person and a thing of the split `scenes`."""
    scenes = _few_contents() if count is None else _contents(count)
    if count is None:
        return Plan(scenes, pool.persons(scenes), pool.things(scenes))
    return Plan(scenes, pool.persons(scenes, in_turn=True), pool.things(scenes, in_turn=True))


def _few_contents() -> Scenes:
    """Returns every plain face (2) with every thing, and as many workers with things, once each."""
    genders, kinds, occupations = 2, len(catalog.things()), len(catalog.occupations())
    gender, thing = np.divmod(np.arange(genders * kinds), kinds)
    occupation = np.full(len(gender), -1)
    # Four occupations for each (gender, thing), evenly spread, so that no caption occurs twice.
    extra = np.arange(4 * len(gender))
    step, row = np.divmod(extra, len(gender))
    more = (thing[row] * 4 + step + 2 * gender[row]) % occupations
    gender, thing = np.append(gender, gender[row]), np.append(thing, thing[row])
    return _shown(gender, np.append(occupation, more), thing)


def _contents(count: int) -> Scenes:
    """Returns the contents of so many pairs: all (gender, thing) again and again.

    In the first round nobody has an occupation, in each of the next 22 every (gender, thing) has
    another one, evenly spread: 1,472 contents. Then they come again, in the same order.
    """
    genders, kinds, occupations = 2, len(catalog.things()), len(catalog.occupations())
    step, row = np.divmod(np.arange(count), genders * kinds)
    gender, thing = np.divmod(row, kinds)
    step %= occupations + 1
    turned = (step - 1 + thing * 4 + gender * 11) % occupations
    return _shown(gender, np.where(step > 0, turned, -1), thing)


def _shown(gender: np.ndarray, occupation: np.ndarray, thing: np.ndarray) -> Scenes:
    """Returns scenes of which the captions say what the pictures show."""
    return Scenes(gender, occupation, thing, gender, occupation, thing)


class _Pool:
    """Draws sprites for scenes: uniformly among the allowed ones that show the same."""

    def __init__(self, sprites: Sprites, allowed: np.ndarray, rng: np.random.Generator):
        self._sprites, self._allowed, self._rng = sprites, allowed, rng

    def persons(self, scenes: Scenes, *, in_turn: bool = False) -> np.ndarray:
        """Returns a person's sprite for each scene, -1 where there is no person; see `_draw`."""
        stride = len(catalog.occupations()) + 1
        wanted = np.where(scenes.gender >= 0, scenes.gender * stride + scenes.occupation + 1, -1)
        offered = self._sprites.gender * stride + self._sprites.occupation + 1
        return self._draw(wanted, np.where(self._sprites.gender >= 0, offered, -2), in_turn)

    def things(self, scenes: Scenes, *, in_turn: bool = False) -> np.ndarray:
        """Returns a thing's sprite for each scene, -1 where there is none; see `_draw`."""
        offered = np.where(self._sprites.thing >= 0, self._sprites.thing, -2)
        return self._draw(scenes.thing, offered, in_turn)

    def _draw(self, wanted: np.ndarray, offered: np.ndarray, in_turn: bool) -> np.ndarray:
        """Draws sprites [n]; `in_turn`: their emoji take turns, whatever the generator."""
        drawn = np.full(len(wanted), -1)
        for key in np.unique(wanted[wanted >= 0]):
            rows = np.flatnonzero(wanted == key)
            candidates = np.flatnonzero(self._allowed & (offered == key))
            drawn[rows] = (
                self._turns(candidates, len(rows))
                if in_turn
                else self._rng.choice(candidates, len(rows))
            )
        return drawn

    def _turns(self, candidates: np.ndarray, count: int) -> np.ndarray:
        """Returns so many of the candidates: their motifs, and of each all sprites, take turns.

        Only the order of a motif's sprites is drawn, so that motifs are the same for every seed.
        """
        motifs = self._sprites.motif[candidates]
        orders = [self._rng.permutation(candidates[motifs == one]) for one in np.unique(motifs)]
        turn, which = np.divmod(np.arange(count), len(orders))
        return np.array([orders[w][t % len(orders[w])] for t, w in zip(turn, which, strict=True)])


def render(plan: Plan, sprites: Sprites, resolution: int, rng: np.random.Generator) -> Iterator:
    """Yields a uint8 [resolution, resolution, 3] picture for each scene of the plan."""
    n = len(plan.scenes)
    background = rng.integers(*BACKGROUND, size=(n, 3)).astype(np.float32) / 255
    size = rng.integers(2, size=n)
    place = rng.random((n, 2, 2))
    left = np.where(rng.random(n) < 0.5, 0.0, 0.85)
    alone = (plan.person < 0) | (plan.thing < 0)
    # Side by side: each keeps to its half, up to a small overlap; the person is behind.
    at_thing = np.stack([place[:, 0, 0], left + 0.15 * place[:, 0, 1]], 1)
    at_person = np.stack([place[:, 1, 0], 1 - left - 0.15 * place[:, 1, 1]], 1)
    layers = (
        (alone, np.maximum(plan.person, plan.thing), ALONE, place[:, 0]),
        (~alone, plan.person, PERSON_IN_COMPANY, at_person),
        (~alone, plan.thing, THING_IN_COMPANY, at_thing),
    )
    for start in range(0, n, BLOCK):
        block = slice(start, start + BLOCK)
        shape = (len(size[block]), resolution, resolution, 3)
        canvas = np.broadcast_to(background[block, None, None], shape).copy()
        for shown, sprite, shares, at in layers:
            for k, share in enumerate(shares):
                rows = np.flatnonzero(shown[block] & (size[block] == k))
                side = round(share * resolution)
                found = [sprites.scaled(int(one), side) for one in sprite[block][rows]]
                if found:
                    _paste(canvas, rows, np.stack(found), at[block][rows])
        yield from np.rint(canvas * 255).astype(np.uint8)


def _paste(canvas: np.ndarray, rows: np.ndarray, sprites: np.ndarray, place: np.ndarray) -> None:
    """Lays premultiplied sprites over some of many canvases.

    Args:
        canvas: float32 [n, r, r, 3], changed.
        rows: [b], of the canvases.
        sprites: [b, s, s, 4].
        place: [b, (down, across)] in [0, 1], of the room there is.
    """
    side = np.arange(sprites.shape[1])
    corner = np.rint(place * (canvas.shape[1] - len(side))).astype(int)
    down, across = (corner[:, axis, None] + side for axis in (0, 1))
    at = rows[:, None, None], down[:, :, None], across[:, None, :]
    canvas[at] = canvas[at] * (1 - sprites[..., 3:]) + sprites[..., :3]
