"""The testbed's splits: which scenes they hold and which sprites those show."""

import dataclasses

import numpy as np

from m4jax.data import catalog, knobs
from m4jax.data.knobs import Knobs, Scenes
from m4jax.data.pictures import Sprites

TRAIN = "train"
EVALUATION = ("faces", "workers", "objects", "scenes", "shift")
RENDERINGS = 2  # evaluation pictures of each sprite, on other backgrounds and places


@dataclasses.dataclass(frozen=True)
class Plan:
    """The scenes of a split and the sprites they show; `person`, `thing`: int [n], -1 for none."""

    scenes: Scenes
    person: np.ndarray
    thing: np.ndarray


def plan(settings: Knobs, split: str, sprites: Sprites) -> Plan:
    """Returns the plan of a split; those of evaluation are the same in every world of one seed.

    `faces` plain persons · `workers` persons with an occupation · `objects` things alone ·
    `scenes` pairs of a person and a thing, no two captions alike · `shift` the persons as drawn by
    the vendor that training never sees. All but `shift` show emoji that training never sees.
    """
    shift = sprites.vendor == catalog.VENDORS.index(catalog.SHIFT_VENDOR)
    person, worker = sprites.gender >= 0, sprites.occupation >= 0
    known = sprites.held_out & ~shift
    if split == TRAIN:
        scenes = knobs.sample(settings)
        pool = Pool(sprites, ~sprites.held_out & ~shift, np.random.default_rng([settings.seed, 3]))
        people, things = pool.persons(scenes), pool.things(scenes)
        return Plan(knobs.add_caption_noise(settings, scenes), people, things)
    if split == "scenes":
        return _pairs(sprites, known, np.random.default_rng([settings.seed, 4]))
    chosen = {
        "faces": known & person & ~worker,
        "workers": known & worker,
        "objects": known & (sprites.thing >= 0),
        "shift": shift & person,
    }[split]
    rows = np.repeat(np.flatnonzero(chosen), RENDERINGS)
    gender, occupation, thing = sprites.gender[rows], sprites.occupation[rows], sprites.thing[rows]
    scenes = Scenes(gender, occupation, thing, gender, occupation, thing)
    alone = thing >= 0
    return Plan(scenes, np.where(alone, -1, rows), np.where(alone, rows, -1))


def _pairs(sprites: Sprites, known: np.ndarray, rng: np.random.Generator) -> Plan:
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
    pool = Pool(sprites, known, rng)
    return Plan(scenes, pool.persons(scenes), pool.things(scenes))


class Pool:
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
