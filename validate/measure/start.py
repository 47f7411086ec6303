"""Where the untrained model stands."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from clipbias.common.arrays import Array


@dataclass(frozen=True, slots=True)
class Start:
    """The untrained model: its share, log-odds, and the answers that were counted (None where the share is exact)."""

    share: float
    log_odds: float
    samples: int | None


def counting_variance(log_odds: Array | float, samples: int | None) -> Array:
    """Variance 1/(n p(1−p)) of log-odds counted in n answers; 0 where the share was read exactly."""
    p = np.asarray(expit(np.asarray(log_odds, dtype=np.float64)))
    return np.zeros_like(p) if samples is None else np.asarray(1.0 / (samples * p * (1.0 - p)))
