"""The ablation study: 383 models over data version, stage, size, data scale, filter and loss.

    python -m experiments.grid --config=configs/ablation.py:laptop --workdir=runs/ablation

`:laptop` is for two CPU cores, `:gpu` for one GPU with fleets (more examples, higher resolution),
`:paper` the paper's own scale on pairs from TFDS: complete, but never run by us.
`--action=plan` says what it will cost before anything is done; with `--flops=2e14`, on a device
that sustains so many floating-point operations a second.
"""

import ml_collections

from configs import ablation_paper, base

PROXIES = ("occupations", "any_thing", "things")

# Factors: a name and its levels, the first of which is the default.
VERSIONS = (
    ("original", {}),
    ("balanced", {"balance": {"enabled": True}}),
    ("balanced_proxies", {"balance": {"enabled": True, "labels": PROXIES}}),
    # Controls: as many examples at random, the same weights shuffled, the census as target.
    ("subsample", {"balance": {"enabled": True, "control": "subsample"}}),
    ("shuffled", {"balance": {"enabled": True, "control": "shuffle"}}),
    ("census", {"balance": {"enabled": True, "target": "census"}}),
    # What balancing aims at: the same world with everything at parity.
    ("oracle", {"world": {"men": 0.5, "association": 0.0, "company": 0.0}}),
)
STAGES = (  # in which part of training the balancing weights act
    ("throughout", {}),
    ("after 10%", {"balance": {"during": (0.1, 1.0)}}),
    ("after 90%", {"balance": {"during": (0.9, 1.0)}}),
    ("first 90%", {"balance": {"during": (0.0, 0.9)}}),
    ("second half", {"balance": {"during": (0.5, 1.0)}}),
    ("first half", {"balance": {"during": (0.0, 0.5)}}),
)
CAPTIONS = (("clean", {}), ("noisy", {"world": {"caption_noise": 0.3}}))
FILTERS = (  # the scorer is trained on the original data, or on balanced ones
    ("off", {}),
    ("on", {"filter": {"enabled": True}}),
    ("balanced scorer", {"filter": {"enabled": True, "scorer_balanced": True}}),
)
NOISE = (  # known attributes that are flipped before balancing
    ("0%", {}),
    ("10%", {"balance": {"attribute_noise": 0.1}}),
    ("20%", {"balance": {"attribute_noise": 0.2}}),
    ("40%", {"balance": {"attribute_noise": 0.4}}),
)
DRAWS = (("first", {}), ("second", {"world": {"seed": 1}}))  # of everything that is drawn

# Studies: a name and a union of products of factors; "*" stands for all levels, a factor that is
# not named stays at its default. Runs that several studies ask for are trained once.
CREDITED = ("original", "balanced", "subsample")  # a gain of balancing, and what chance would give
MORE_SEEDS, TEN_SEEDS, TWELVE_SEEDS = tuple(range(5)), tuple(range(10)), tuple(range(12))
CORNERS = {"version": CREDITED[:2], "captions": ("noisy",), "seed": TEN_SEEDS}
LARGEST, PROXIED = ("B/8 128",), ("balanced_proxies",)
STUDIES = (
    (
        "stages",
        (
            {"version": ("original", "subsample", "oracle"), "model": "*"},
            {
                "version": ("balanced", "balanced_proxies"),
                "stage": ("throughout", "after 10%", "after 90%"),
                "model": "*",
                # A fifth of the time goes into the largest model: it leaves out what is between.
                "exclude": (
                    {"model": LARGEST, "stage": ("after 10%",)},
                    {"model": LARGEST, "version": PROXIED},
                ),
            },
            {"version": ("balanced",), "stage": ("first 90%",), "model": "*"},
            # Runs of one seed are not independent of each other: the tests count seeds, and with
            # fewer than ten they can't reach the level that Holm's correction leaves.
            {"version": ("original", "subsample", "oracle"), "seed": TWELVE_SEEDS},
            {
                "version": ("balanced",),
                "stage": ("throughout", "after 90%", "first 90%"),
                "seed": TWELVE_SEEDS,
            },
        ),
    ),
    ("controls", ({"version": "*", "seed": TEN_SEEDS},)),
    (
        "dynamics",
        (
            {
                "version": ("balanced",),
                "stage": ("throughout", "second half", "first half"),
            },
        ),
    ),
    # Pairs of one patch and one embedding size.
    ("size", ({"version": ("original",), "model": ("S/16 64", "B/16 64"), "seed": TEN_SEEDS},)),
    ("scale", ({"version": CREDITED, "data": "*"},)),
    (
        "filter",
        (
            {"version": CREDITED, "captions": ("noisy",), "loss": "*", "filter": ("off", "on")},
            # Does it matter what the filter's own model has learnt?
            {"version": CREDITED, "captions": ("noisy",), "filter": ("balanced scorer",)},
            {
                "version": CREDITED[:2],
                "captions": ("noisy",),
                "filter": "*",
                "seed": MORE_SEEDS,
            },
            # Claim 7 compares these two corners of one model.
            {**CORNERS, "loss": ("CLIP",), "filter": ("off",)},
            {**CORNERS, "loss": ("SigLIP",), "filter": ("on",)},
        ),
    ),
    (
        "annotation",
        ({"version": ("original",)}, {"version": ("balanced",), "noise": "*"}),
    ),
    # All else is of one draw of the world: would another one have told the same?
    ("draw", ({"version": CREDITED[:2], "draw": "*"},)),
)


def get_config(scale: str = "laptop") -> ml_collections.ConfigDict:
    """Returns the grid at a scale: "laptop", "gpu", "paper" (or "scale=gpu" and so on)."""
    scale = scale.removeprefix("scale=")
    presets = {"laptop": _laptop, "gpu": _gpu}
    if scale not in (*presets, "paper"):
        raise ValueError(f"scale: expected one of {', '.join(presets)}, paper, got {scale!r}")
    config = base.get_config()
    # As the paper does, as much is kept as the constraints allow.
    config.balance.keep_rate = "max"
    config.track = True
    # The paper's kind of schedule: by a cosine the last tenth of training hardly learns anything.
    config.train.schedule = "rsqrt"
    config.seeds = (0, 1, 2)
    if scale == "paper":
        ablation_paper.set_up(config, versions=VERSIONS, stages=STAGES, filters=FILTERS)
        return config
    # Its results are published, and were drawn from the first streams: names and numbers stay so.
    config.balance.streams = 1
    models, sizes = presets[scale](config)
    siglip = {"model": {"variant": "emoji-SigLIP-S/8"}, "train": {"loss": "sigmoid"}}
    config.factors = (
        ("version", VERSIONS),
        ("stage", STAGES),
        ("model", models),
        ("data", sizes),
        ("captions", CAPTIONS),
        ("loss", (("CLIP", {}), ("SigLIP", siglip))),
        ("filter", FILTERS),
        ("noise", NOISE),
        ("draw", DRAWS),
    )
    config.studies = STUDIES
    return config


def _laptop(config: ml_collections.ConfigDict) -> tuple[tuple, tuple]:
    """Sets sizes for two CPU cores; returns the models and the sizes of data."""
    config.train.steps = 1_500  # 96,000 examples seen
    config.train.cooldown_steps = 75
    config.train.checkpoint_every = 150  # ten points of the learning curves
    models = _models(("S/8", 64), ("S/16", 64), ("S/8", 128), ("B/16", 64), ("B/16", 128),
                     ("B/8", 128))  # fmt: skip
    return models, _sizes(config.world.examples, 2_000, 250_000)


def _gpu(config: ml_collections.ConfigDict) -> tuple[tuple, tuple]:
    """Sets sizes for one GPU; returns the models and the sizes of data."""
    config.world.resolution = 64
    config.world.examples = 70_000  # as many of this resolution as one split can hold
    config.train.batch_size = 256
    config.train.steps = 8_000  # 2,048,000 examples seen
    config.train.cooldown_steps = 400
    config.train.checkpoint_every = 800
    models = _models(("S/8", 64), ("S/16", 64), ("S/8", 128), ("B/16", 64), ("B/16", 128),
                     ("B/8", 128))  # fmt: skip
    return models, _sizes(config.world.examples, 700, 7_000)


def _models(*shapes: tuple[str, int]) -> tuple:
    return tuple(
        (f"{name} {embed}", {"model": {"variant": f"emoji-{name}", "embed": embed}})
        for name, embed in shapes
    )


def _sizes(default: int, *others: int) -> tuple:
    return ((f"{default:,}", {}), *((f"{n:,}", {"world": {"examples": n}}) for n in others))
