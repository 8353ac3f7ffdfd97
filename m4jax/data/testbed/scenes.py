"""A world of known bias: from its knobs to what every training picture shows and its caption says.

The generative story of one example (derived; the knobs' defaults reproduce the paper's claim 1):
a scene is a worker, a plain face, a face in the company of a thing, or a thing alone. A person is
a man with probability `men`. An occupation r is drawn given the gender s by Bayes' rule from
P(r) = 1/c and P(woman | r) = 1/2 + b (share_r - 1/2), b being the knob `association`. Workers
show their occupation; the caption of a plain face names one that the picture does not show, as
captions do: this is what teaches a model to associate. Things keep company with men, each to its
own degree, and in some of these pictures the person of whom the caption speaks is not to be seen.
That is what a model's representation bias comes from: in a contrastive loss, at its optimum
pointwise mutual information, the mere frequency of a word cancels.
"""

import dataclasses

import numpy as np

from m4jax import files
from m4jax.data.annotation import with_article
from m4jax.data.testbed import catalog
from m4jax.errors import InputError, nearest

SCENES = ("worker", "face", "company", "thing")
SAYS = ("says_gender", "says_occupation", "says_thing")
UNSEEN = ("drawings",)  # values of `Knobs.unseen`
TEMPLATES = ("{}", "a photo of {}", "a picture of {}")
COMPANY = ("with", "and", "next to")


@dataclasses.dataclass(frozen=True)
class Knobs:
    """The knobs of a world. Shares and probabilities are from 0 to 1."""

    examples: int = 40_000  # size of the training split
    resolution: int = 32  # pixels a side
    seed: int = 0  # of everything drawn; in a run's configuration -1: the run's own
    men: float = 0.65  # prevalence of men among persons, but where a thing decides
    association: float = 1.0  # b; 0: occupations at parity, 1: the census' shares of women
    company: float = 1.0  # how far things keep company with men; 0: not at all
    scenes: tuple[float, ...] = (0.35, 0.25, 0.3, 0.1)  # shares of worker, face, company, thing
    face_occupation: float = 0.6  # captions of plain faces that name an occupation
    caption_gender: float = 0.4  # captions with an occupation that name the gender as well
    caption_thing: float = 0.4  # captions of company that name the thing as well
    company_worker: float = 0.3  # scenes of company in which the person shows an occupation
    company_hidden: float = 0.5  # scenes of company in which the person is out of the picture
    proxy: float = 0.3  # scenes of company in which the thing goes with the occupation
    caption_noise: float = 0.02  # captions that belong to another example
    # What evaluation shows and training does not. None: skin tones of persons, kinds of things by
    # emoji. "drawings": of persons, too, no drawing in any tone; see `Sprites.held_out_drawing`
    unseen: str | None = None
    pairs: int | None = None  # pictures of the split `scenes`; None: 320, no two captions alike

    @property
    def id(self) -> str:
        """The world's name: a hash of its knobs; those that are None are left out."""
        knobs = dataclasses.asdict(self)
        return files.digest({name: value for name, value in knobs.items() if value is not None})

    def __post_init__(self):
        if self.examples < 1:
            raise InputError(f"world.examples: expected at least 1, got {self.examples}")
        if self.seed < 0:
            raise InputError(f"world.seed: expected at least 0, got {self.seed}")
        if not 16 <= self.resolution <= 72:
            raise InputError(f"world.resolution: expected 16 to 72, got {self.resolution}")
        for field in ("men", "association", "face_occupation", "caption_gender", "caption_thing",
                      "company_worker", "company_hidden", "proxy", "caption_noise"):  # fmt: skip
            if not 0 <= getattr(self, field) <= 1:
                raise InputError(f"world.{field}: expected 0 to 1, got {getattr(self, field)}")
        if len(self.scenes) != len(SCENES) or abs(sum(self.scenes) - 1) > 1e-9:
            raise InputError(f"world.scenes: expected {len(SCENES)} shares with sum 1")
        if self.unseen is not None and self.unseen not in UNSEEN:
            hint = nearest(self.unseen, UNSEEN)
            raise InputError(f"world.unseen: unknown {self.unseen!r}; {hint}")
        if self.pairs is not None and self.pairs < 1:
            raise InputError(f"world.pairs: expected at least 1, or None, got {self.pairs}")


@dataclasses.dataclass(frozen=True)
class Scenes:
    """What n examples show and say; int arrays [n], -1 for none.

    `gender`, `occupation`, `thing`: in the picture. `says_*`: in the caption.
    """

    gender: np.ndarray
    occupation: np.ndarray
    thing: np.ndarray
    says_gender: np.ndarray
    says_occupation: np.ndarray
    says_thing: np.ndarray

    def __len__(self) -> int:
        return len(self.gender)


def women_share(world: Knobs) -> np.ndarray:
    """Returns P(woman | occupation), [c]: between parity and the census by `association`."""
    census = np.array([occupation.women_share for occupation in catalog.occupations()])
    return 0.5 + world.association * (census - 0.5)


def occupation_given_gender(world: Knobs) -> np.ndarray:
    """Returns P(occupation | gender), [2, c], by Bayes' rule from a uniform P(occupation)."""
    women = women_share(world)
    joint = np.stack([women, 1 - women])
    return joint / joint.sum(1, keepdims=True)


def men_given_thing(world: Knobs) -> np.ndarray:
    """Returns P(man | thing in company), [t]: on average towards men, differing by thing.

    sigmoid(company (2 + e_t)), with fixed e_t spread evenly in ±1.5 in an order that no property
    of the things explains: 0.85 on average at company = 1, and 0.5 throughout at 0.
    """
    count = len(catalog.things())
    spread = np.linspace(-1.5, 1.5, count)[np.random.default_rng(0).permutation(count)]
    return 1 / (1 + np.exp(-world.company * (2.0 + spread)))


def sample(world: Knobs) -> Scenes:
    """Draws what the training examples show and say, before any caption noise."""
    rng = np.random.default_rng([world.seed, 1])
    n = world.examples
    scene = rng.choice(len(SCENES), n, p=world.scenes)
    worker, face, company, alone = (scene == i for i in range(len(SCENES)))

    def chance(probability) -> np.ndarray:
        return rng.random(n) < probability

    # In company the thing comes first, and then the person who goes with it; with a proxy it is
    # the other way round: the occupation brings its thing along.
    by_proxy = company & chance(world.proxy)
    thing = rng.integers(len(catalog.things()), size=n)
    gender = np.where(company & ~by_proxy, chance(men_given_thing(world)[thing]), chance(world.men))
    occupation = _draw_rows(rng, occupation_given_gender(world)[gender.astype(int)])
    thing = np.where(by_proxy, _proxies()[occupation], thing)

    shows = worker | (company & chance(world.company_worker))
    names = shows | by_proxy | (face & chance(world.face_occupation))
    tells = ~names | chance(world.caption_gender)
    says_thing = alone | (company & chance(world.caption_thing))
    unseen = alone | (company & chance(world.company_hidden))
    return Scenes(
        gender=np.where(unseen, -1, gender),
        occupation=np.where(shows & ~unseen, occupation, -1),
        thing=np.where(company | alone, thing, -1),
        says_gender=np.where(tells & ~alone, gender, -1),
        says_occupation=np.where(names, occupation, -1),
        says_thing=np.where(says_thing, thing, -1),
    )


def add_caption_noise(world: Knobs, scenes: Scenes) -> Scenes:
    """Gives the share `caption_noise` of the examples the caption of another one."""
    rng = np.random.default_rng([world.seed, 2])
    rows = np.flatnonzero(rng.random(len(scenes)) < world.caption_noise)
    other = (rows + rng.integers(1, max(2, len(scenes)), size=len(rows))) % len(scenes)
    columns = dataclasses.asdict(scenes)
    for name in SAYS:
        columns[name] = columns[name].copy()
        columns[name][rows] = getattr(scenes, name)[other]
    return Scenes(**columns)


def wrong_captions(world: Knobs) -> np.ndarray:
    """Returns which captions say something else than they would without noise, bool [n].

    A caption that came from another example and says the same is not wrong.
    """
    true = sample(world)
    noisy = add_caption_noise(world, true)
    return np.any([getattr(true, name) != getattr(noisy, name) for name in SAYS], axis=0)


def write_captions(scenes: Scenes, rng: np.random.Generator) -> list[str]:
    """Returns a caption for each scene, its wording drawn from `rng`."""
    wording = rng.integers(len(TEMPLATES), size=len(scenes))
    company = rng.integers(len(COMPANY), size=len(scenes))
    occupations = [occupation.name for occupation in catalog.occupations()]
    things = list(catalog.things())
    captions = []
    for i in range(len(scenes)):
        gender, occupation, thing = (getattr(scenes, name)[i] for name in SAYS)
        words = [catalog.GENDERS[gender]] if gender >= 0 else []
        words += [occupations[occupation]] if occupation >= 0 else []
        parts = [with_article(" ".join(words))] if words else []
        parts += [with_article(things[thing])] if thing >= 0 else []
        captions.append(TEMPLATES[wording[i]].format(f" {COMPANY[company[i]]} ".join(parts)))
    return captions


def _proxies() -> np.ndarray:
    """Returns the kind of thing that goes with each occupation, int [c]."""
    kinds = list(catalog.things())
    return np.array([kinds.index(occupation.proxy) for occupation in catalog.occupations()])


def _draw_rows(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    """Draws one column for each row of probabilities [n, c]."""
    edges = probability.cumsum(1)
    return (rng.random((len(edges), 1)) * edges[:, -1:] >= edges).sum(1)
