"""The binomial law's probabilities, without the second that loading scipy.stats takes."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special._ufuncs import _binom_pmf

from clipbias.common.arrays import Array

_LEAST_PROB = 1e-300  # below 1e-304 the ufunc overflows


def binomial_pmf(successes: ArrayLike, trials: ArrayLike, prob: ArrayLike) -> Array:
    """P(k) for k ~ Bin(n, p), 0 ≤ k ≤ n, p in [0, 1]; shapes broadcast. A p below 1e-300 counts as 0.

    Source: the ufunc that scipy.stats.binom.pmf itself calls, with the same limits to [0, 1] after it: the same bits,
    on which the hashes of frozen predictions rest. It is private there, so a test compares the two.
    """
    p = np.asarray(prob, dtype=np.float64)
    law = _binom_pmf(successes, trials, np.where(p < _LEAST_PROB, 0.0, p))
    return np.clip(np.asarray(law, dtype=np.float64), 0.0, 1.0)
