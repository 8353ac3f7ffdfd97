"""Skew and NDKL of one ranking, in plain loops: the judge of `measures.top`."""

import math


def reference_skew(labels, k, desired):
    """MaxSkew@k and MinSkew@k of one ranking: a count of 0 is taken for 1."""
    found = []
    for value, share in desired.items():
        count = sum(label == value for label in labels[:k])
        found.append(math.log(max(count, 1) / k) - math.log(share))
    return max(found), min(found)


def reference_ndkl(labels, k, desired):
    """NDKL of one ranking, prefix by prefix."""
    total = z = 0.0
    for i in range(1, k + 1):
        divergence = 0.0
        for value, share in desired.items():
            p = sum(label == value for label in labels[:i]) / i
            if p > 0:
                divergence += p * (math.log(p) - math.log(share))
        total += divergence / math.log2(i + 1)
        z += 1 / math.log2(i + 1)
    return total / z
