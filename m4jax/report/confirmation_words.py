"""Words of the confirmation's report: what it is of, what terms mean, its limits.

Intervals of the first study are those of `results/ablation-laptop/claims.md`; a test compares them.
"""

from m4jax.report.claims_brief import Told
from m4jax.report.contrasts import ENOUGH

SUBJECT = (
    "the claims of *CLIP the Bias: How Useful is Balancing Data in Multimodal Learning?* (ICLR "
    "2024) and of findings of our own. Everything but the runs was written down before the first "
    "of them: `REGISTRATION.md`."
)
BACKGROUND = (
    "Each model is a tiny CLIP (some a SigLIP) of 0.07 to 0.77 million parameters. It is trained "
    "from scratch, in 1,000 steps of 64 pairs, on pictures of 32 pixels that are made of emoji, "
    "with captions from a small grammar. These made-up data are biased on purpose: men are in the "
    "majority, and some occupations and things go with men or with women. A *seed* draws a world "
    "of its own (pictures, captions), initial parameters and batches; 52 models are trained with "
    "each, and what is tested are differences within a seed, averaged over seeds. The "
    "*first study* ([383 models](../ablation-laptop/README.md), one world) chose its tests while "
    "it looked at its runs; here the same claims, and three findings of our own (A to C), are "
    "tested on fresh worlds."
)
TERMS = (
    "*RB*, representation bias: the share of pictures of things, without a person, for which the "
    "model prefers “man” to “woman”, minus 50%. *|RB|*: its size, of every run before the mean.",
    "*AB*, association bias: P(occupation | man) − P(occupation | woman) as the model sees faces "
    "that show no occupation; *mean |AB|*: the mean of its size over 22 occupations; *r*: its "
    "correlation with that of the data.",
    "*original*: the data as they are; *balanced*: chosen by the weights of M4, the paper's "
    "algorithm, so that gender goes with no occupation and no thing; *oracle*: another world, at "
    "parity: men and women are equally many, and neither goes with anything; *subsample*: as many "
    "examples as balancing keeps, at random; *proxies*: single kinds of things balanced, too.",
    "*last 10%*: balanced in the last tenth of training alone; *original in last 10%*: balanced "
    "before it; *own rate*: with a warm-up and a decay of the learning rate for that part.",
    "*strong*: the usual world, in which balancing keeps half; *mild*: one in which it keeps nine "
    "tenths, as in the paper; *noisy*: 30% of the captions are exchanged; *filter*: drops the "
    "pairs that a small model, the scorer, likes least (*perfect*: just the exchanged ones; "
    "*shuffled*: the same marks, permuted among pairs of the same labels).",
    "*caps*: MetaCLIP's rule, at most so many examples of a concept; *quadratic*, *kl*, "
    "*keep_most*: what the weights minimise; *XS/16*, *S/16* (the default), *M/16*: 0.07, 0.26 and "
    "0.77 million parameters.",
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
OBJECTIONS = (  # none of them can be mended any more; written down before a run was looked at
    "The 25 steps whose mean a model is lie in the 50 in which the rate falls to zero: they hardly "
    "differ, so that |RB| is in effect that of one checkpoint. Seeds have to do what averaging "
    "does not.",
    "Contrasts 4.3, 4.4, A.3 and A.4 are of RB with its sign, in which the first study's effects "
    "were two to four times as large as in |RB|; see the other readings.",
    "Power was simulated by contrast. A claim of five contrasts, each found in 60 to 70% of "
    "studies, is found as a whole in some 10 to 15% of them if they were independent: *supported* "
    "is nearly out of reach for claims 4, 5 and A, *no effect* for 3, and 6b and 7 lean to "
    "*undecided*.",
    "|RB| of the mild world is only reported because of what the pilot showed; where nine tenths "
    "are kept, claim 2 is tested for AB alone. Fresh worlds are draws of two generators that were "
    "there before, and pilot and study ask about the same emoji.",
    "The proof of the date is a commit of the authors. Seeds that were whole lay in the "
    "repository, readable, while code that does not decide verdicts still changed. That nobody "
    "looked is said, not shown.",
)
ASKED = (
    "Reported beside, not tested",
    "Mean differences between runs that agree in all else, with 95% intervals over seeds and "
    "pictures, in percentage points (the margin: in cosine). They are not tested and not corrected "
    f"for their number; bold: there are {ENOUGH} seeds or more, and the interval excludes zero. Of "
    "twenty such intervals chance alone makes one do so. A contrast that is also registered may be "
    "bold here and undecided above, where it is corrected.",
)
_UNASKED = "says nothing of it."
BRIEF = {
    "1": Told(
        "models absorb the bias of their data",
        "supported",
        "models trained on the original data absorb its bias, and more data do not help (figures "
        "2 and 3).",
        "against the world at parity RB +20.8 [+12.6, +29.1], mean |AB| +2.7 [+2.3, +3.0]; r of "
        "+0.94 [+0.92, +0.95].",
        halves=(("both absorbed", (1, 2)), ("AB follows the data's", (3,))),
    ),
    "2": Told(
        "balancing lowers both biases where half is kept, AB where nine tenths are",
        "supported",
        "balancing lowers both; about a tenth of the examples is dropped for it.",
        "RB −19.5 [−26.5, −12.5], mean |AB| −2.5 [−2.9, −2.0]; but |RB| +8.8 [+1.7, +15.8] with "
        "2,000 examples, and it was one world, of which half is dropped.",
        halves=(
            ("both, in the strong world", (1, 2, 3, 4)),
            ("AB in the mild world", (5,)),
            ("|RB| in the mild world", (6,)),
        ),
    ),
    "3": Told(
        "proxies help RB and hurt AB",
        "undecided",
        "constraints compete: proxies help RB and hurt AB (findings I and II).",
        "RB +1.6 [−6.9, +10.1], mean |AB| 0.0 [−0.2, +0.1].",
        halves=(("proxies lower |RB|", (1,)), ("proxies raise AB", (2,))),
    ),
    "4": Told(
        "RB follows the latest data",
        "supported",
        "RB follows the distribution that the model has seen last, so that fine-tuning on balanced "
        "data is effective (figure 2, bottom; findings III and IV).",
        "balancing the last tenth |RB| −7.9 [−11.5, −4.2]; original data in the last tenth RB "
        "+18.6 [+13.1, +24.1]. A first report had called the claim contradicted, by a margin of "
        "ours.",
        halves=(
            ("balancing at the end lowers |RB|", (1, 2)),
            ("original data at the end bring RB back", (3, 4)),
            ("balancing at the end is enough", (5,)),
        ),
    ),
    "5": Told(
        "AB fades only gradually",
        "supported in part",
        "AB fades only gradually: fine-tuning does less than balancing from the start, and "
        "balanced data first do not protect (figure 3).",
        "balancing the last tenth leaves mean |AB| +1.0 [+0.7, +1.3] above balancing throughout; "
        "but balanced data first did protect in part, −1.4 [−1.6, −1.1] against the original.",
        halves=(
            ("fine-tuning does less, AB fades gradually", (1, 2, 3)),
            ("balanced data first do not protect", (4, 5)),
        ),
        denied={"balanced data first do not protect": "they did, in part"},
    ),
    "6a": Told(
        "balancing improves classification",
        "supported in part",
        "balancing tends to improve classification (figure 5).",
        "things +4.1 [+2.0, +6.1], occupations −7.0 [−10.1, −3.8], where half of the examples is "
        "dropped.",
        halves=(("things rise", (1,)), ("occupations rise", (2,))),
    ),
    "6b": Told(
        "balancing hurts retrieval",
        "undecided",
        "balancing can hurt retrieval (figure 6).",
        "recall at 5 −1.5 [−3.6, +0.6] image→text and −1.9 [−3.5, −0.3] text→image, among 320 "
        "pairs.",
        halves=(("recall falls in the mild world", (1, 2)), ("in the strong world", (3, 4))),
    ),
    "7": Told(
        "a filter and SigLIP undo that",
        "undecided",
        "with a quality filter and SigLIP-B/16 COCO image→text R@5 goes from 86 to 87% and "
        "ImageNet zero-shot from 77 to 77.5% (table 2 and text).",
        "what balancing changes of recall at 5 is −0.8 [−4.5, +3.0] better with both than with "
        "neither.",
        halves=(
            ("the change of recall is better with both", (1,)),
            ("with both, recall does not fall", (2,)),
            ("with both, accuracy on things does not fall", (3,)),
        ),
        scope="tested: with both nothing falls; not: that a harm is undone",
    ),
    "8": Told(
        "faces' gender is still recognised",
        "supported in part",
        "recognising the attribute is not impaired, p above 0.05 (figure 4).",
        "gender +0.4 [−0.7, +1.6], on drawings known in another tone; −0.3 [−3.8, +3.2] on the new "
        "vendor's.",
        halves=(("faces", (1,)), ("the new vendor's faces", (2,))),
        scope="of faces: falls by less than 2 points; people at work are not tested",
    ),
    "9": Told(
        "larger models show less RB",
        "undecided",
        "larger models show less RB, as SigLIP 2 cites it; in the group's later numbers it is so "
        "for balanced models alone (17 to 20 points at B, 7 at L; not balanced 36 and 35).",
        "RB of larger minus smaller models +3.2 [−1.5, +7.9] on original data and +8.8 [−6.0, "
        "+23.7], of three seeds, on balanced data.",
        halves=(("larger models have less |RB|", (1,)),),
    ),
    "A": Told(
        "a filter brings bias back",
        "not tested",
        "filters undo harm (claim 7). A later paper of the group finds that they hurt fairness.",
        "on balanced data the filter against none: RB +27.6 [+19.9, +35.3], mean |AB| +1.7 [+1.4, "
        "+2.1]; that by a scorer of balanced data RB −6.3 [−10.6, −1.9], mean |AB| +1.9 [+1.6, "
        "+2.3]. Five seeds, noticed afterwards.",
        halves=(("AB rises", (1, 2, 5)), ("RB rises", (3, 4))),
        scope="of models trained on balanced data",
    ),
    "B": Told(
        "errors of annotation spoil balancing",
        "not tested",
        _UNASKED,
        "balanced minus original mean |AB| −2.3 [−2.7, −1.9] with no attribute wrong, −1.1 [−2.5, "
        "+0.4] with 10% and −0.5 [−2.1, +1.0] with 20%, of three seeds.",
        halves=(("errors raise AB", (1,)), ("bounds that know them lower it", (2, 3))),
    ),
    "C": Told(
        "caps alone leave the association",
        "not asked",
        _UNASKED,
        "did not ask.",
        halves=(
            ("caps alone leave AB", (1,)),
            ("with parity AB falls", (2,)),
            ("objectives other than caps are alike", (3, 4)),
        ),
    ),
}
