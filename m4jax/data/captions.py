"""Captions of the testbed: from what a caption says to its words."""

import numpy as np

from m4jax.data import catalog
from m4jax.data.knobs import Scenes

TEMPLATES = ("{}", "a photo of {}", "a picture of {}")
COMPANY = ("with", "and", "next to")


def write(scenes: Scenes, rng: np.random.Generator) -> list[str]:
    """Returns a caption for each scene, its wording drawn from `rng`."""
    wording = rng.integers(len(TEMPLATES), size=len(scenes))
    company = rng.integers(len(COMPANY), size=len(scenes))
    occupations = [occupation.name for occupation in catalog.occupations()]
    things = list(catalog.things())
    captions = []
    for i in range(len(scenes)):
        gender, occupation, thing = (
            column[i] for column in (scenes.says_gender, scenes.says_occupation, scenes.says_thing)
        )
        words = [catalog.GENDERS[gender]] if gender >= 0 else []
        words += [occupations[occupation]] if occupation >= 0 else []
        parts = [with_article(" ".join(words))] if words else []
        parts += [with_article(things[thing])] if thing >= 0 else []
        captions.append(TEMPLATES[wording[i]].format(f" {COMPANY[company[i]]} ".join(parts)))
    return captions


def with_article(noun: str) -> str:
    """Returns the noun with its indefinite article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
