"""The testbed's splits: the scenes they hold, the sprites that show them, and their pictures."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from m4jax.data.testbed import catalog
from m4jax.data.testbed.scenes import Knobs, Scenes, add_caption_noise, sample
from m4jax.data.testbed.sprites import Sprites

TRAIN = "train"
EVALUATION = ("faces", "workers", "objects", "scenes", "shift")
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
    `scenes` pairs of a person and a thing, no two captions alike · `shift` the persons as drawn by
    the vendor that training never sees. All but `shift` show emoji that training never sees.
    """
    shift = sprites.vendor == catalog.VENDORS.index(catalog.SHIFT_VENDOR)
    person, worker = sprites.gender >= 0, sprites.occupation >= 0
    held_out = sprites.held_out & ~shift
    if split == TRAIN:
        scenes = sample(world)
        pool = _Pool(sprites, ~sprites.held_out & ~shift, np.random.default_rng([world.seed, 3]))
        people, things = pool.persons(scenes), pool.things(scenes)
        return Plan(add_caption_noise(world, scenes), people, things)
    if split == "scenes":
        return _pairs_plan(sprites, held_out, np.random.default_rng([world.seed, 4]))
    chosen = {
        "faces": held_out & person & ~worker,
        "workers": held_out & worker,
        "objects": held_out & (sprites.thing >= 0),
        "shift": shift & person,
    }[split]
    rows = np.repeat(np.flatnonzero(chosen), RENDERINGS)
    gender, occupation, thing = sprites.gender[rows], sprites.occupation[rows], sprites.thing[rows]
    scenes = Scenes(gender, occupation, thing, gender, occupation, thing)
    alone = thing >= 0
    return Plan(scenes, np.where(alone, -1, rows), np.where(alone, rows, -1))


def _pairs_plan(sprites: Sprites, allowed: np.ndarray, rng: np.random.Generator) -> Plan:
    """Returns every plain face (2) with every thing, and as many workers with things, once each."""
    genders, kinds, occupations = 2, len(catalog.things()), len(catalog.occupations())
    gender, thing = np.divmod(np.arange(genders * kinds), kinds)
    occupation = np.full(len(gender), -1)
    # Four occupations for each (gender, thing), evenly spread, so that no caption occurs twice.
    extra = np.arange(4 * len(gender))
    step, row = np.divmod(extra, len(gender))
    more = (thing[row] * 4 + step + 2 * gender[row]) % occupations
    gender, thing = np.append(gender, gender[row]), np.append(thing, thing[row])
    occupation = np.append(occupation, more)
    scenes = Scenes(gender, occupation, thing, gender, occupation, thing)
    pool = _Pool(sprites, allowed, rng)
    return Plan(scenes, pool.persons(scenes), pool.things(scenes))


class _Pool:
    """Draws sprites for scenes: uniformly among the allowed ones that show the same."""

    def __init__(self, sprites: Sprites, allowed: np.ndarray, rng: np.random.Generator):
        self._sprites, self._allowed, self._rng = sprites, allowed, rng

    def persons(self, scenes: Scenes) -> np.ndarray:
        """Returns a person's sprite for each scene, -1 where there is no person."""
        stride = len(catalog.occupations()) + 1
        wanted = np.where(scenes.gender >= 0, scenes.gender * stride + scenes.occupation + 1, -1)
        offered = self._sprites.gender * stride + self._sprites.occupation + 1
        return self._draw(wanted, np.where(self._sprites.gender >= 0, offered, -2))

    def things(self, scenes: Scenes) -> np.ndarray:
        """Returns a thing's sprite for each scene, -1 where there is none."""
        return self._draw(scenes.thing, np.where(self._sprites.thing >= 0, self._sprites.thing, -2))

    def _draw(self, wanted: np.ndarray, offered: np.ndarray) -> np.ndarray:
        drawn = np.full(len(wanted), -1)
        for key in np.unique(wanted[wanted >= 0]):
            rows = wanted == key
            candidates = np.flatnonzero(self._allowed & (offered == key))
            drawn[rows] = self._rng.choice(candidates, rows.sum())
        return drawn


def render(plan: Plan, sprites: Sprites, resolution: int, rng: np.random.Generator) -> Iterator:
    """Yields a uint8 [resolution, resolution, 3] picture for each scene of the plan."""
    n = len(plan.scenes)
    background = rng.integers(*BACKGROUND, size=(n, 3)).astype(np.float32) / 255
    size = rng.integers(2, size=n)
    place = rng.random((n, 2, 2))
    thing_left = rng.random(n) < 0.5

    def scaled(sprite: int, share: float) -> np.ndarray:
        return sprites.scaled(int(sprite), round(share * resolution))

    for i in range(n):
        canvas = np.empty((resolution, resolution, 3), np.float32)
        canvas[:] = background[i]
        person, thing, k = plan.person[i], plan.thing[i], size[i]
        if person >= 0 and thing >= 0:
            # Side by side: each keeps to its half, up to a small overlap; the person is behind.
            left = np.array([0.0, 0.15]) if thing_left[i] else np.array([0.85, 1.0])
            at_thing = [place[i, 0, 0], left[0] + 0.15 * place[i, 0, 1]]
            at_person = [place[i, 1, 0], 1 - left[0] - 0.15 * place[i, 1, 1]]
            _paste(canvas, scaled(person, PERSON_IN_COMPANY[k]), at_person)
            _paste(canvas, scaled(thing, THING_IN_COMPANY[k]), at_thing)
        else:
            _paste(canvas, scaled(max(person, thing), ALONE[k]), place[i, 0])
        yield np.rint(canvas * 255).astype(np.uint8)


def _paste(canvas: np.ndarray, sprite: np.ndarray, place) -> None:
    """Lays a premultiplied sprite over the canvas; `place` in [0, 1]²: of the room there is."""
    size = len(sprite)
    top, left = (round(p * (len(canvas) - size)) for p in place)
    view = canvas[top : top + size, left : left + size]
    view *= 1 - sprite[..., 3:]
    view += sprite[..., :3]
