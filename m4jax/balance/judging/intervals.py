"""Intervals of 95% for shares, differences of shares, and means."""

import numpy as np

Z = 1.959963984540054  # 97.5% of the normal distribution


def wilson(share: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns Wilson's score interval of shares from n examples, an effective number say.

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n). Source: Wilson (1927).
    """
    share, n = np.clip(share, 0.0, 1.0), np.where(n > 0, n, np.nan)
    center = share + Z**2 / (2 * n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    low, high = (center - half) / (1 + Z**2 / n), (center + half) / (1 + Z**2 / n)
    return np.minimum(low, share).clip(0, 1), np.maximum(high, share).clip(0, 1)


def newcombe(
    one: np.ndarray, n_one: np.ndarray, two: np.ndarray, n_two: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the interval of the difference of two shares, from Wilson's interval of each.

    Source: Newcombe (1998), method 10.
    """
    low_one, high_one = wilson(one, n_one)
    low_two, high_two = wilson(two, n_two)
    difference = one - two
    low = difference - np.sqrt((one - low_one) ** 2 + (high_two - two) ** 2)
    high = difference + np.sqrt((high_one - one) ** 2 + (two - low_two) ** 2)
    return low, high


def normal(value: np.ndarray, deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the interval of an estimate with this standard deviation."""
    return value - Z * deviation, value + Z * deviation
