"""Words of the confirmation's report: what it is of, what terms mean, its limits."""

SUBJECT = (
    "the claims of *CLIP the Bias: How Useful is Balancing Data in Multimodal Learning?* (ICLR "
    "2024) and of findings of our own. Everything but the runs was written down before the first "
    "of them: `REGISTRATION.md`."
)
TERMS = (
    "*RB*, representation bias: the share of pictures of things that prefer “man” to “woman”, "
    "minus 50%. *|RB|*: its size, of every run before the mean. *Margin*: the mean difference of "
    "the two similarities.",
    "*AB*, association bias: P(occupation | man) − P(occupation | woman) as the model sees faces "
    "that show none; *mean |AB|*: the mean of its size over 22 occupations.",
    "*original*: the data as they are; *balanced*: drawn by M4's weights; *oracle*: another world, "
    "in which everything is at parity; *last 10%*: balanced in the last tenth of training, "
    "*original in last 10%*: balanced before; *own rate*: with a warm-up and a decay of its own.",
    "*mild*: a world in which nine tenths can be kept; *noisy*: 30% of the captions are exchanged.",
    "*things*, *occupations*, *gender*: zero-shot accuracy; *R@50*: recall at 50 among 2,944 "
    "pairs; all on drawings that training has seen in no tone.",
)
LIMITS = (
    "The pictures are emoji and the captions come from a grammar of 70 words: effects have signs "
    "and an order here, not the sizes that web data would show.",
    "Models have 0.07 to 0.8 million parameters and see 64,000 examples; the paper's see a "
    "billion.",
    "All seeds ask about the same emoji: intervals and p hold their chance, but 10 emoji of faces "
    "for each gender, 44 of workers and 46 of things are few.",
)
