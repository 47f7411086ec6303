"""The test by token, with nothing fitted: the ratios of mini-batch 2 predict what the clip does in the later ones.

In mini-batch m the log-ratio of a token has the law of √S(m−1)·ℓ, ℓ that of mini-batch 2 (S of `theory.momentum`), and
the sign of its advantage is independent of it. So among tokens whose old probability lies in one tenth of [0, 1] the
shares that are clipped are

    low = P(Â<0)·P(√S·ℓ < ln(1−ε_l)),  high = P(Â>0)·P(√S·ℓ > ln(1+ε_h)),

and the push that the clip adds to them (T2, μ = E[Â; Â>0] = −E[Â; Â<0]), positive where it raises them, is

    push = μ·E[R; R < 1−ε_l] − μ·E[R; R > 1+ε_h],  R = exp(√S·ℓ).

Measured: the mean over tokens of −Â·R where the clip removed it: +|Â|R for a blamed, −|Â|R for a praised one.
"""

import math

import numpy as np
import pyarrow as pa

from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.validate.store.layout import Cell

TENTHS = 10


def tenth_counts(tokens: pa.Table, cell: Cell) -> pa.Table:
    """One row for each tenth and mini-batch: tokens, those clipped low and high, the sum of their pushes; and from the
    `reference` tokens of mini-batch 2 in that tenth the sums of what is expected of them in each mini-batch."""
    arm, training = cell.arm, cell.arm.training(cell.recipe.training)
    minibatch, clipped = tokens["minibatch"].to_numpy(), tokens["clipped"].to_numpy()
    log_ratio = tokens["log_ratio"].to_numpy().astype(np.float64)
    prob = np.exp(tokens["old_log_prob"].to_numpy().astype(np.float64))
    tenth = np.minimum((TENTHS * prob).astype(np.int64), TENTHS - 1)
    removed = np.where(clipped != 0, -tokens["advantage"].to_numpy().astype(np.float64) * np.exp(log_ratio), 0.0)
    place, size = tenth * training.minibatches + minibatch, TENTHS * training.minibatches
    rows = {
        "tenth": np.repeat(np.arange(TENTHS), training.minibatches),
        "minibatch": np.tile(np.arange(training.minibatches), TENTHS),
        "tokens": np.bincount(place, minlength=size),
        "low": np.bincount(place, clipped < 0, size),
        "high": np.bincount(place, clipped > 0, size),
        "push": np.bincount(place, removed, size),
    }
    second = minibatch == 1
    moments = advantage_moments(training.group_size, training.success_prob, "std-unbiased")
    low_bound = -math.inf if arm.clip_low is None else math.log1p(-arm.clip_low)
    high_bound = math.inf if arm.clip_high is None else math.log1p(arm.clip_high)
    expected = {name: np.zeros(size) for name in ("low_expected", "high_expected", "push_expected")}
    for step in range(1, training.minibatches):
        moved = math.sqrt(summed_noise(training.adam_beta1, step)) * log_ratio[second]
        below, above, at = moved < low_bound, moved > high_bound, tenth[second] * training.minibatches + step
        weight = np.exp(np.clip(moved, -50.0, 50.0))
        expected["low_expected"] += moments.negative_prob * np.bincount(at, below, size)
        expected["high_expected"] += moments.positive_prob * np.bincount(at, above, size)
        expected["push_expected"] += moments.mu * np.bincount(at, weight * (below.astype(float) - above), size)
    reference = np.repeat(np.bincount(tenth[second], minlength=TENTHS), training.minibatches)
    return pa.table(rows | expected | {"reference": reference})
