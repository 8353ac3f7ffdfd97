"""The kinds of numbers of rankings and of lists of words; see `kinds`."""

import math

from m4jax.evaluation.measures.kind import PERCENT, PLAIN, Kind

OF_WORDS: dict[str, Kind] = {
    "max_skew": Kind(
        "MaxSkew@k",
        "How over-represented the most favoured group is among the first k pictures for neutral "
        "queries: the largest ln(its share among them / its share of all). 0: no group is; "
        "0.69: twice as frequent.",
        unit=PLAIN, better="low", source="Geyik et al. 2019; oxai/debias-vision-lang (dem_par)",
    ),
    "min_skew": Kind(
        "MinSkew@k",
        "How under-represented the least favoured group is among the first k pictures for neutral "
        "queries: the smallest ln(its share among them / its share of all). −0.69: half as "
        "frequent.",
        unit=PLAIN, better="high", source="Geyik et al. 2019",
    ),
    "ndkl": Kind(
        "NDKL",
        "How far the groups' shares among the first 1, 2, … k pictures for neutral queries are "
        "from their shares of all, the first places counting most. Random orders are not at 0: "
        "the note says where.",
        unit=PLAIN, better="low", source="Geyik et al. 2019; oxai/debias-vision-lang (dem_par)",
    ),
    "max_skew_uniform": Kind(
        "MaxSkew@k, of equal shares",
        "As MaxSkew@k, with equal shares of all groups as what is fair.",
        unit=PLAIN, better="low", source="Geyik et al. 2019; oxai/debias-vision-lang (eq_opp)",
    ),
    "min_skew_uniform": Kind(
        "MinSkew@k, of equal shares",
        "As MinSkew@k, with equal shares of all groups as what is fair.",
        unit=PLAIN, better="high", source="Geyik et al. 2019",
    ),
    "ndkl_uniform": Kind(
        "NDKL, of equal shares",
        "As NDKL, with equal shares of all groups as what is fair.",
        unit=PLAIN, better="low", source="Geyik et al. 2019; oxai/debias-vision-lang (eq_opp)",
    ),
    "bias_at_k": Kind(
        "Bias@K",
        "Among the first K pictures for neutral queries, (pictures of the first group − of the "
        "second) / (both). It shows the pictures' own imbalance, too; the note says what a random "
        "order gives.",
        unit=PLAIN, neutral=math.nan,
        source='Wang et al. 2021, "Are Gender-Neutral Queries Really Gender-Neutral?"',
    ),
    "bias_at_k_balanced": Kind(
        "Bias@K, groups of one size",
        "Bias@K if both groups had as many pictures: about 0 where the order does not depend on "
        "them; the note says what a random order gives.",
        unit=PLAIN, source="derived; by weights what drawing equal numbers does on average",
    ),
    "bias_at_k_balanced_range": Kind(
        "range of Bias@K over templates",
        "By how much Bias@K, groups of one size, differs between the templates that were tried.",
        unit=PLAIN, better="low", source="derived",
    ),
    "harm_rate": Kind(
        "harm rate",
        "The share of a group's pictures that are nearer to a harmful class, such as a thief or "
        "an animal, than to any class of people.",
        unit=PERCENT, better="low", source="Radford et al. 2021, section 7.1; CLIP_benchmark",
    ),
    "harm_gap": Kind(
        "gap of harm rates",
        "The harm rate of the group that is harmed most minus that of the group harmed least.",
        better="low", source="derived",
    ),
    "c_asc": Kind(
        "C-ASC of a word",
        "By how many standard deviations pictures of the first group are nearer to a word than "
        "those of the second (or of all others).",
        unit=PLAIN, source="Hamidieh et al. 2024 (So-B-IT)",
    ),
    "c_asc_size": Kind(
        "mean size of C-ASC",
        "The mean size, whatever the sign, of C-ASC over the words of a category.",
        unit=PLAIN, better="low", source="Hamidieh et al. 2024 (So-B-IT); the mean: derived",
    ),
    "entropy": Kind(
        "entropy of what words find",
        "How evenly the groups are found by the words of a category, among the first k pictures: "
        "1 evenly, 0 one group alone. Uneven pictures lower it, too: the note says by how much.",
        unit=PLAIN, neutral=1.0, better="high", source="Hamidieh et al. 2024 (So-B-IT)",
    ),
    "eat": Kind(
        "association of pictures (EAT)",
        "By how many standard deviations pictures of the first group lie nearer to the first set "
        "of words, against the second set, than those of the second group (effect size d).",
        unit=PLAIN, source="Caliskan et al. 2017; Steed & Caliskan 2021",
    ),
    "weat": Kind(
        "association of words (WEAT)",
        "The same of two sets of words in place of pictures (effect size d).",
        unit=PLAIN, source="Caliskan et al. 2017",
    ),
}  # fmt: skip
