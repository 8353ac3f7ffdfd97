"""Every setting of a run, with its default; other configurations override a few of them."""

import ml_collections
from ml_collections import config_dict


def get_config() -> ml_collections.ConfigDict:
    """Returns the base configuration: the testbed, one unweighted run."""
    config = ml_collections.ConfigDict()

    config.seed = 0  # of initial parameters, batches and augmentation
    config.in_memory_gb = 8.0  # training pictures that take more are decoded on the fly
    config.init_from = ""  # a run's directory or an exported model to start from; "": random

    # The world that the training pictures come from (m4jax/data/world.py).
    config.world = ml_collections.ConfigDict()
    config.world.examples = 40_000  # size of the training split
    config.world.resolution = 32  # pixels a side
    config.world.seed = 0  # of everything drawn
    config.world.men = 0.65  # prevalence of men among persons, but where a thing decides
    config.world.association = 1.0  # 0: occupations at parity, 1: the census' shares of women
    config.world.company = 1.0  # how far things keep company with men; 0: not at all
    config.world.scenes = (0.35, 0.25, 0.3, 0.1)  # shares of worker, face, company, thing
    config.world.face_occupation = 0.6  # captions of plain faces that name an occupation
    config.world.caption_gender = 0.4  # captions with an occupation that name the gender as well
    config.world.caption_thing = 0.4  # captions of company that name the thing as well
    config.world.company_worker = 0.3  # scenes of company in which the person shows an occupation
    config.world.company_hidden = 0.5  # scenes of company with the person out of the picture
    config.world.proxy = 0.3  # scenes of company in which the thing goes with the occupation
    config.world.caption_noise = 0.02  # captions that belong to another example

    # Pairs of a TFDS dataset instead of the testbed (m4jax/data/pairs.py); field names of the
    # dataset, "a/b" for one within another. The evaluation sets may be () to be left out.
    config.pairs = ml_collections.ConfigDict()
    config.pairs.enabled = False  # False: the world above
    config.pairs.dataset = "coco_captions"  # a name, looked up in TFDS_DATA_DIR, or a directory
    config.pairs.split = "train"  # "train[:10%]" for a part
    config.pairs.image = "image"  # field of the picture
    config.pairs.caption = "captions/text"  # field of the caption; of several the first
    config.pairs.resolution = 224  # pixels a side, scaled and cut
    config.pairs.lexicon = "en_v1"  # words by which captions are annotated, or a .json file
    config.pairs.tokenizer = "words"  # or "clip:FILE", "siglip:FILE" with the tokenizer's file
    config.pairs.faces = ("celeb_a", "test", "image", "attributes/Male")  # true for men
    config.pairs.objects = ("oxford_iiit_pet", "test", "image", "label")  # without persons
    config.pairs.scenes = ("coco_captions", "test", "image", "captions/text")  # for retrieval

    # Leaving out pairs whose picture and caption don't fit (the paper's quality filter).
    config.filter = ml_collections.ConfigDict()
    config.filter.enabled = False  # False: all pairs stay
    config.filter.drop = 0.3  # share that is left out, the pairs of the lowest similarity
    config.filter.scorer = "emoji-S/8"  # variant of the model that scores, trained without filter
    config.filter.scorer_seed = -1  # of that model; -1: the run's own
    config.filter.scorer_balanced = False  # whether it is trained on data balanced as below

    # Balancing the training data (m4jax/balance): the paper's M4.
    config.balance = ml_collections.ConfigDict()
    config.balance.enabled = False  # False: all examples weigh the same
    config.balance.during = (0.0, 1.0)  # shares of the steps between which the weights act
    config.balance.labels = ("occupations", "any_thing")  # label sets; "things" are the proxies
    config.balance.target = config_dict.placeholder(object)  # a number or a word:
    config.balance.target = 0.5  # prevalence of men that is aimed at; "census": each label's own
    config.balance.keep_rate = config_dict.placeholder(object)
    config.balance.keep_rate = 0.5  # share of the data that is kept; "max": all that can be
    config.balance.eps_representation = 1e-4  # bound on |E[q (s - target)]|
    config.balance.eps_association = 1e-4  # bound on |E[q (s - target) y]|, for each label
    config.balance.penalty = 10.0  # V, the level of enforcement
    config.balance.objective = "quadratic"  # what is lost by moving away from equal weights
    config.balance.tolerance = 1e-6  # relative duality gap at which the solver stops
    config.balance.attribute_noise = 0.0  # known attributes that are flipped before balancing
    config.balance.control = "none"  # "subsample" as large, or "shuffle" of the weights, instead
    config.balance.seed = -1  # of the noise and the control; -1: the run's own

    # The model (m4jax/models): a name of the variant table.
    config.model = ml_collections.ConfigDict()
    config.model.variant = "emoji-S/8"  # 32 pixels, patches of 8, width 64, 3 layers
    config.model.context_length = 12  # tokens of a caption, the end token included
    config.model.embed = 0  # size of the embeddings; 0: the variant's
    config.model.dtype = "float32"  # of the computation: "float32" or "bfloat16"
    config.model.remat = "none"  # what is computed again to save memory: "none", "dots" or "full"

    # Training (m4jax/training).
    config.train = ml_collections.ConfigDict()
    config.train.loss = "softmax"  # "softmax" (CLIP) or "sigmoid" (SigLIP)
    config.train.weighting = "sample"  # weights act by drawing ("sample") or in the "loss"
    config.train.batch_size = 64  # pairs a step
    config.train.microbatches = 1  # parts that a batch is embedded in, to save memory
    config.train.steps = 2_000  # 128,000 examples seen
    config.train.learning_rate = 1.5e-3  # the peak
    config.train.warmup_steps = 50  # linear
    config.train.schedule = "cosine"  # after the warm-up: "cosine" to zero, or "rsqrt"
    config.train.cooldown_steps = 0  # of "rsqrt": the last steps, linearly to zero
    config.train.weight_decay = 1e-4  # decoupled, on matrices only
    config.train.b1 = 0.9  # decay of AdamW's first moment
    config.train.b2 = 0.98  # decay of AdamW's second moment
    config.train.clip_norm = 1.0  # of the gradient
    config.train.shift_pixels = 1  # pictures are moved by up to this many pixels
    config.train.flip = False  # whether half of the pictures are mirrored
    config.train.jitter = 0.0  # strength of random brightness and contrast
    config.train.input_workers = 0  # processes that decode pictures on disk; 0: threads
    config.train.log_every = 50  # steps between two records of metrics.jsonl
    config.train.checkpoint_every = 500  # steps between two checkpoints

    # Evaluation (m4jax/evaluation).
    config.track = False  # whether bias is also measured at every checkpoint
    config.evaluate = ml_collections.ConfigDict()
    config.evaluate.prompts = "emoji_scenes_v2"  # a versioned file of prompts
    config.evaluate.resamples = 1_000  # of the bootstrap

    return config
