"""Words of the ablation's report: what it is of, what terms mean, how it came about, its limits."""

from m4jax.evaluation.metrics import LEVELS, RB, RB_SIZE
from m4jax.report.contrasts import ENOUGH
from m4jax.report.results import ORACLE

SUBJECT = (
    "the claims of *CLIP the Bias: How Useful is Balancing Data in Multimodal Learning?* (ICLR "
    "2024)."
)
TERMS = (
    "*RB*, representation bias: the share of pictures without a person that prefer “a man” to “a "
    "woman”, minus 50%. It has a sign: an overshoot towards “a woman” counts as lower. *|RB|*: its "
    "size, of every run before the mean.",
    "*AB*, association bias: P(occupation | man) − P(occupation | woman) as the model sees "
    "pictures of plain faces; *mean |AB|*: the mean of its size over the occupations.",
    "*original*: the data as they are; *balanced*: drawn by M4's weights, attribute against "
    "occupations and whether there is any thing; *proxies*: the single kinds of things as further "
    "labels; *balanced in the last 10%* and so on: original data in the rest of the training.",
    "*subsample*: as many examples as balancing keeps, drawn at random; *shuffled*: the balancing "
    "weights, permuted; *census*: balanced towards the census' share of men in each occupation; "
    "*oracle*: another world, in which everything is at parity.",
    "*things*, *occupations*, *gender*: zero-shot accuracy; *R@5*: recall at 5, between pictures "
    "and captions that no run was trained on.",
    "*S/8 64*: towers of size S, patches of 8 pixels, embeddings of 64; the first model is the "
    "default one, which all studies but “stages” and “size” use.",
)
HISTORY = (
    "The tests were not fixed before all runs were seen, and neither was what they are made on. "
    "The world's knobs changed between commits (23ebd2c to b8bbb70): the share of men in whose "
    "company things are went from 0.70 to 0.85, half of the persons in these scenes were put out "
    "of the picture, captions with an occupation name the gender in 0.4 in place of 0.3 of the "
    "cases, and the shares of the kinds of scenes are others. “Any thing” is among the balanced "
    "labels because with the occupations alone RB did not fall in the quickstart "
    "(`results/quickstart`). The schedule was a cosine until 299b656, by which fine-tuning in the "
    "last tenth could not show anything. At first claims 4 and 5 were tested "
    "by whether fine-tuning goes more than half of the way; after 126 runs this lay so near to the "
    "half that no number of runs could decide it, and it is only reported since. A first complete "
    "study of 322 models, on the same evaluation pictures and many of the same seeds, took every "
    "pair of runs for independent. Then the seed became the unit of the tests, claims that "
    "something does not fall became one-sided, margins came in, the interval had to agree, and "
    "seeds were added after looking at ten, then at twelve: by that alone a single contrast errs "
    "1.3 to 1.4 times as often as its p says (simulated).",
    "A first report of these same runs had other verdicts. Claim 4 was contradicted, because "
    "RB after fine-tuning stays more than 2 points above balancing throughout: the paper says "
    "that fine-tuning is effective, and the margin was ours. Claim 5 was supported, because mean "
    "|AB| is higher with balanced data first than with balanced data throughout: that they do not "
    "protect was not tested. Claim 6a, in which things rise and occupations fall, was "
    "contradicted, claim 6b needed both directions, claim 8 had no pictures of a new vendor, "
    "claim 9 no balanced data, and claim 7 the accuracy on things, to which nothing had done harm. "
    "There was no verdict for “no effect”; and p was of Wilcoxon's test alone, beside a 95% "
    "interval that was not corrected for the number of contrasts. The smallest differences that "
    "would matter were chosen after all of this was known. So p tells how clear the differences "
    "are in these runs, not more.",
)
TESTBED_LIMITS = (
    "The pictures are emoji and the captions come from a grammar of 70 words: effects have "
    "signs and an order here, not the sizes that web data would show.",
    "The models have 0.2 to 0.9 million parameters and see 96,000 examples at the laptop "
    "scale; the paper's see a billion.",
    "All seeds but those of the second draw share one set of training pictures and captions, "
    "and so one set of balancing weights: neither intervals nor p hold the chance of the draw.",
    "Pictures are resampled by drawing. The 276 drawings of things are those that six vendors made "
    "of 46 emoji: resampled by emoji, what the pictures add to the intervals would be 1.5 to 2.1 "
    "times as wide (computed afterwards).",
)
LIMITS = (
    "The seeds 0 to 2 average several model sizes, the others have the default one alone, "
    "which thus has most of the weight: an effect that only other sizes have may go unnoticed "
    "(see the table by model).",
    "Evaluation pictures are shared by all runs; the intervals allow for that, Wilcoxon's p "
    "does not: it speaks of these pictures.",
    "With ten seeds the least p of Wilcoxon's test, 0.002, is just small enough for a family of "
    "25 tests: a contrast of ten seeds is decided only if nearly all of them agree in sign.",
)
# Of runs that were made after the study and are not in its results.
SECOND_DRAW = (
    "Of runs made afterwards, not kept: over seven seeds in place of three, balancing changes RB "
    "by −14 [−26, −2] in the second draw; and with the occupations as the only balanced labels RB "
    "fell at the settings of this study, while in the quickstart it did not (+21.6 against +16.0, "
    "two seeds; `results/quickstart`)."
)
OFFSET = (
    "RB is mostly an offset that all pictures share: at a constant learning rate RB of one model "
    "moves by 13.5 points (standard deviation) from checkpoint to checkpoint (measured "
    "afterwards), and one number of one model says little. Intervals over pictures are by drawing; "
    "by emoji they would be 1.5 to 2.1 times as wide (see the end)."
)
FILTER_CAUSE = (
    "What the filter selects was taken apart afterwards, with three seeds, on balanced data (runs "
    "not kept): RB is −10.6 with no filter (AB correlates with the data's at −0.46), +0.2 (−0.04) "
    "with a perfect one that leaves out exactly the wrong captions, +3.4 (−0.36) with the "
    "scorer's marks shuffled among pairs of the same labels, +14.7 (+0.24) with them shuffled "
    "among pairs of the same content, where looks can play no part, and +20.1 (+0.49) with the "
    "marks as they are. So wrong captions make balancing go too far in the first place, which any "
    "good filter mends; some 20 points are the scorer's, and most of these by the scenes and "
    "captions that it prefers, which finer labels would see. Looks are the minor part. Mean |AB| "
    "rises as much with the one scorer as with the other."
)
METRICS = tuple(x for m in LEVELS for x in ((m, RB_SIZE) if m is RB else (m,)))  # |RB| beside RB
COLUMNS = {name: {"version": name} for name in ("original", "subsample", "balanced", ORACLE)}
ASKED = (
    "Beyond the paper's claims",
    "Controls and conditions that the paper does not report: mean differences between runs "
    "that agree in all else, in percentage points, with 95% intervals over seeds and pictures. "
    "All are of the default model, if no other is named. They are not tested and not corrected "
    f"for their number; bold: there are {ENOUGH} seeds or more, and the interval excludes "
    "zero. Of twenty such intervals chance alone makes one do so.",
)
