"""Composes the testbed's pictures: sprites on a plain background."""

from collections.abc import Iterator

import numpy as np

from m4jax.data.pictures import Sprites
from m4jax.data.splits import Plan

# Sizes as shares of the picture's side; two of each kind of scene, drawn at random.
ALONE = (0.8, 0.92)
PERSON_IN_COMPANY = (0.6, 0.68)
THING_IN_COMPANY = (0.44, 0.5)
BACKGROUND = (225, 256)  # range of each colour channel: near white, as one vendor's pictures have


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
