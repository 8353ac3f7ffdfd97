"""The first k of a ranking and of its resamples, and what is told by them.

A resample holds each picture several times or not at all and leaves the order as it is; its first
k are the first pictures of that order whose numbers sum to k.
"""

from collections.abc import Callable, Iterator

import numpy as np

from m4jax.evaluation.ranks import TIE
from m4jax.evaluation.resampling import Resampler

NUMBERS = 4_000_000  # of one array, to bound the memory
SHARE = 10  # at most a tenth of the pictures are the first ones: the share of a whole tells nothing


def depth(top: int, n: int) -> int:
    """Returns k: `top`, but at most a tenth of n pictures, and 1 at least."""
    return max(1, min(top, n // SHARE))


def order(similarity: np.ndarray) -> np.ndarray | None:
    """Returns pictures by falling similarity, equal ones by lot (always the same).

    None: they are all equally similar, and there is no order.

    Args:
        similarity: [n] of the pictures to a query.
    """
    similarity = np.asarray(similarity, np.float64)
    if np.ptp(similarity) <= TIE:
        return None
    lot = np.random.default_rng(0).permutation(similarity.size)
    return np.lexsort((lot, -similarity))


def first(
    resampler: Resampler, ranked: np.ndarray, k: int, weights: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields how much of each picture is among the first k: of all the data, then of resamples.

    With m_i the number of picture i in a resample (times its weight), in the order of the ranking,

        a_i = min(m_i, max(0, k − Σ_{j<i} m_j))

    Args:
        resampler: of the n pictures.
        ranked: int [n], the pictures in their order.
        k: how many; of a resample that has fewer, all.
        weights: [n] of each picture, in the order of the resampler; None: 1.

    Yields:
        Places [l] of the pictures that are reached, and a [b, l]; b is 1 for the data.
    """
    yield _first(lambda items: np.ones((1, items.size)), ranked, k, weights)
    rows = max(1, NUMBERS // min(len(ranked), 2 * k))
    for start in range(0, resampler.settings.resamples, rows):
        part = slice(start, start + rows)
        yield _first(
            lambda items, part=part: resampler.multiplicities(items, part), ranked, k, weights
        )


def _first(
    held: Callable, ranked: np.ndarray, k: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    reach = 2 * k + 64
    while True:
        items = ranked[:reach]
        amount = held(items) if weights is None else held(items) * weights[items]
        before = np.cumsum(amount, axis=1)
        if reach >= len(ranked) or before[:, -1].min() >= k:
            break
        reach *= 2  # clusters of many pictures, or small weights
    before -= amount
    np.subtract(k, before, out=before)
    return items, np.clip(before, 0, amount, out=before)


def counts(
    resampler: Resampler,
    ranked: np.ndarray,
    codes: np.ndarray,
    values: int,
    k: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Returns how many of the first k have each value, [1 + B, values]; the first row: the data.

    Args:
        resampler: of the n pictures.
        ranked: int [n], the pictures in their order.
        codes: int [n], the value of each picture, from 0.
        values: how many there are.
        k: how many are looked at.
        weights: [n] of each picture; None: 1.
    """
    found = [
        amount @ np.eye(values)[codes[items]]
        for items, amount in first(resampler, ranked, k, weights)
    ]
    return np.concatenate(found)


def skews(count: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns skew@k of each value, ln(share among the first k / desired share).

        skew_v = ln(max(c_v, 1) / k) − ln q_v

    A value that is not among the first k counts as if one picture had it, so that the logarithm is
    finite; its skew is thus at least −ln(k q_v).

    Args:
        count: [..., v] of the first k, c.
        share: [..., v] desired, q.

    Returns:
        [..., v].

    Source: Geyik, Ambler & Kenthapadi 2019, definition of Skew@k; counts of 0 as in
    `compute_skew_metrics` of oxai/debias-vision-lang.
    """
    k = count.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.maximum(count, 1) / k) - np.log(share)


def max_skew(skew: np.ndarray) -> np.ndarray:
    """Returns MaxSkew@k averaged over queries, max_v skew_v, [..., q, v] -> [...]."""
    return skew.max(-1).mean(-1)


def min_skew(skew: np.ndarray) -> np.ndarray:
    """Returns MinSkew@k averaged over queries, min_v skew_v, [..., q, v] -> [...]."""
    return skew.min(-1).mean(-1)


def prefixes(
    resampler: Resampler, ranked: np.ndarray, codes: np.ndarray, values: int, k: int
) -> np.ndarray:
    """Returns of what skew and NDKL are made, for any desired shares; see `skews` and `ndkl`.

    With c_iv how many of the first i pictures have value v and w_i = 1/log₂(i + 1),

        e = Σ_i w_i Σ_v (c_iv/i) ln(c_iv/i) / Σ_i w_i,      s_v = Σ_i w_i c_iv/i / Σ_i w_i

    Args:
        resampler: of the n pictures.
        ranked: int [n], the pictures in their order.
        codes: int [n], the value of each picture, from 0.
        values: how many there are.
        k: how many are looked at.

    Returns:
        [1 + B, 1 + 2 values], (e, s, c_k); the first row: the data. NaN where a resample has fewer
        than k.
    """
    found = []
    for items, amount in first(resampler, ranked, k):
        whole = amount.sum(1) == k
        result = np.full((len(amount), 1 + 2 * values), np.nan)
        times = amount[whole].astype(np.int64)
        value = np.broadcast_to(codes[items].astype(np.int16), times.shape)
        labels = np.repeat(value.ravel(), times.ravel())
        result[whole] = prefix_sums(labels.reshape(-1, k), values)
        found.append(result)
    return np.concatenate(found)


def prefix_sums(labels: np.ndarray, values: int) -> np.ndarray:
    """Returns (e, s, c_k), [b, 1 + 2 values], of the values [b, k] of the first k pictures."""
    k = labels.shape[1]
    place = np.arange(1, k + 1)
    weight = 1 / np.log2(place + 1)
    weight /= weight.sum()
    log = np.concatenate([[0.0], place * np.log(place)])  # c ln c, 0 at 0
    result = np.zeros((len(labels), 1 + 2 * values))
    for v in range(values):
        count = np.cumsum(labels == v, axis=1, dtype=np.int32)
        result[:, 0] += np.take(log, count) @ (weight / place)
        result[:, 1 + v] = count @ (weight / place)
        result[:, 1 + values + v] = count[:, -1]
    result[:, 0] -= weight @ np.log(place)
    return result


def ndkl(sums: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns the normalised discounted KL divergence of the first k from desired shares.

        NDKL = (1/Z) Σ_{i≤k} KL(shares among the first i ‖ q) / log₂(i + 1),   Z = Σ 1/log₂(i + 1)

    It is 0 for no finite ranking: the first picture alone has one value.

    Args:
        sums: [..., 1 + 2 v] of `prefixes`.
        share: [..., v] desired, q.

    Returns:
        [...].

    Source: Geyik, Ambler & Kenthapadi 2019, NDKL.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = sums[..., 1 : 1 + share.shape[-1]]
        return sums[..., 0] - (shares * np.log(share)).sum(-1)


def by_lot(sizes: np.ndarray, share: np.ndarray, k: int, orders: int = 200) -> dict[str, float]:
    """Returns the mean MaxSkew@k, MinSkew@k and NDKL of random orders: what chance alone makes.

    Args:
        sizes: int [v], how many pictures have each value.
        share: [v] desired.
        k: how many are looked at.
        orders: how many are drawn; always the same.
    """
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    drawn = np.stack([generator.permutation(labels)[:k] for _ in range(orders)])
    sums = prefix_sums(drawn, len(sizes))
    skew = skews(sums[:, 1 + len(sizes) :], share)
    found = {
        "max_skew": max_skew(skew),
        "min_skew": min_skew(skew),
        "ndkl": ndkl(sums, share).mean(),
    }
    return {name: float(value) for name, value in found.items()}


def entropy(count: np.ndarray) -> np.ndarray:
    """Returns the entropy of the shares among the first k, divided by that of equal shares.

        −Σ_v p_v ln p_v / ln V,   p_v = c_v / k;   1: all values alike, 0: one value alone

    Args:
        count: [..., v], c.

    Returns:
        [...].

    Source: Hamidieh et al. 2024, normalised entropy of the pictures that a word finds.
    """
    share = count / count.sum(-1, keepdims=True)
    log = np.log(np.where(share > 0, share, 1))
    return -(share * log).sum(-1) / np.log(count.shape[-1])
