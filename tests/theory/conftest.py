"""The referee of T4 and T10: a direct Monte Carlo that takes nothing but the configuration from the package."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, logit

from clipbias.theory.setup import PhaseConfig


def walks(prob: float, config: PhaseConfig, phases: int, replicates: int, seed: int) -> np.ndarray:
    """Log-odds [replicates] after T phases: a phase written once more, with NumPy's binomials."""
    rng, size = np.random.default_rng(seed), config.group_size
    top, floor = config.surrogate.upper_bound, config.surrogate.lower_bound
    x = np.full(replicates, float(logit(prob)))
    for _ in range(phases):
        old = expit(x)
        for _ in range(config.minibatches):
            p = expit(x)
            first, second = p / old, (1 - p) / (1 - old)
            total = np.zeros(replicates)
            for _ in range(config.groups_per_minibatch):
                m = rng.binomial(size, config.success_prob, replicates)
                k, rest = rng.binomial(m, old), rng.binomial(size - m, old)
                mixed = (m > 0) & (m < size)
                q = np.where(mixed, m / size, 0.5)
                plus, minus = np.where(mixed, np.sqrt((1 - q) / q), 0.0), np.where(mixed, -np.sqrt(q / (1 - q)), 0.0)
                up, down = 2 * (1 - p) * first, 2 * p * second
                total += plus * (k * (first <= top) * up - (m - k) * (second <= top) * down)
                total += minus * (rest * (first >= floor) * up - (size - m - rest) * (second >= floor) * down)
            x = x + config.learning_rate / (config.groups_per_minibatch * size) * total
    return x


@pytest.fixture
def sampled_log_odds() -> Callable[..., np.ndarray]:
    return walks
