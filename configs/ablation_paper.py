"""The ablation at the paper's scale, on pairs from TFDS; `configs/ablation.py:paper` is its name.

Complete configurations that `--action=plan --flops=...` can price; nobody has run them. Where the
paper's own data (WebLI, not published) are missing, LAION-400M stands in, prepared for TFDS from
files that its users download themselves; `config.pairs` names any other dataset. Without a
generator there is no world at parity: the oracle is left out, and captions are as noisy as they
are.
"""

import ml_collections

# The paper's towers S and B, patches of 32 and 16, embeddings of 384 and 768; the first is the
# default of the other studies.
MODELS = tuple(
    (f"{tower}/{patch} {embed}", {"model": {"variant": f"ViT-{tower}/{patch}", "embed": embed}})
    for tower in ("B", "S")
    for patch in (16, 32)
    for embed in (768, 384)
)
SPLITS = (("all", {}), ("10%", {"pairs": {"split": "train[:10%]"}}),
          ("1%", {"pairs": {"split": "train[:1%]"}}))  # fmt: skip
SIGLIP = {"model": {"variant": "SigLIP-B/16"}, "train": {"loss": "sigmoid"}}
CREDITED = ("original", "balanced", "subsample")
STUDIES = (
    (
        "stages",
        (
            {"version": ("original", "subsample"), "model": "*"},
            {
                "version": ("balanced", "balanced_proxies"),
                "stage": ("throughout", "after 10%", "after 90%"),
                "model": "*",
            },
            {"version": ("balanced",), "stage": ("first 90%",), "model": "*"},
        ),
    ),
    ("controls", ({"version": (*CREDITED, "shuffled", "census")},)),
    ("size", ({"version": ("original",), "model": "*"},)),
    ("scale", ({"version": CREDITED, "data": "*"},)),
    ("filter", ({"version": CREDITED, "loss": "*", "filter": "*"},)),
)


def set_up(
    config: ml_collections.ConfigDict, *, versions: tuple, stages: tuple, filters: tuple
) -> None:
    """Sets the paper's scale in a configuration with `configs/base.py`'s fields.

    Recipe: that of the paper's group as far as it is known (Adam with a learning rate of 1e-3,
    weight decay of 1e-4, inverse square root, 224 pixels, 64 tokens, batches of 16,384).
    """
    config.source = "pairs"
    config.pairs.dataset = "laion400m/images"
    config.pairs.caption = "caption"
    config.pairs.tokenizer = "clip:bpe_simple_vocab_16e6.txt.gz"  # OpenAI's file, in this folder
    config.filter.scorer = "ViT-B/16"
    config.model.variant = "ViT-B/16"
    config.model.context_length = 64
    config.model.dtype = "bfloat16"
    config.model.remat = "dots"
    config.train.batch_size = 16_384
    config.train.microbatches = 4
    config.train.steps = 61_000  # a billion examples seen
    config.train.warmup_steps = 5_000
    config.train.cooldown_steps = 3_050
    config.train.learning_rate = 1e-3
    config.train.shift_pixels = 0
    config.train.input_workers = 16
    config.train.log_every = 100
    config.train.checkpoint_every = 6_100
    config.factors = (
        ("version", tuple(level for level in versions if level[0] != "oracle")),
        ("stage", stages),
        ("model", MODELS),
        ("data", SPLITS),
        ("captions", (("noisy", {}),)),
        ("loss", (("CLIP", {}), ("SigLIP", SIGLIP))),
        ("filter", filters),
        ("noise", (("0%", {}),)),
        ("draw", (("first", {}),)),
    )
    config.studies = STUDIES
