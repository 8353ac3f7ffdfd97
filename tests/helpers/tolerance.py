"""How far two computations of the same number may lie apart."""

import numpy as np

DEVIATIONS = 6  # a number exceeds the bound with a probability of at most 4 exp(−18) = 6e-8


def rounding(dtype, terms):
    """Returns the relative difference that rounding explains, for sums in another order.

    A result of `terms` roundings one after another (the length of a sum; of sums within sums the
    lengths added up) is off by at most λ √terms · eps/2, for rounding errors that are independent
    and of mean 0; two results differ by at most twice as much:

        6 √terms · eps

    Relative to the sum of the absolute values of the terms: where they cancel, that sum times the
    result is the absolute tolerance. Source: Higham and Mary 2019, "A New Approach to
    Probabilistic Rounding Error Analysis", theorem 2.4, with λ = 6.

    Args:
        dtype: of the numbers that are summed, float32 say.
        terms: number of roundings, at least 1.
    """
    return DEVIATIONS * np.sqrt(terms) * float(np.finfo(dtype).eps)
