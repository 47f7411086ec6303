"""The law of the clip token by token, with nothing fitted: the ratios of mini-batch 2 say what it does in all others.

In mini-batch m the log-ratio of a token has the law of √S(m−1)·ℓ, ℓ that of mini-batch 2 (S of `theory.momentum`;
√(m−1) without momentum), and the sign of its advantage is independent of it. So the shares that are clipped are

    low = P(Â<0)·P(√S·ℓ < ln(1−ε_l)),  high = P(Â>0)·P(√S·ℓ > ln(1+ε_h)),

and the push that the clip adds (T2, μ = E[Â; Â>0] = −E[Â; Â<0]), positive where it raises tokens, is

    push = μ·E[R; R < 1−ε_l] − μ·E[R; R > 1+ε_h],  R = exp(√S·ℓ).

The law of ℓ is the measured one, since log-ratios have tails far heavier than a normal law's.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.theory.surrogate import PpoClip
from clipbias.validate.recipe.arm import Arm, Training

from .prediction import Array, ClipFractions

TENTHS = 10


@dataclass(frozen=True, slots=True, eq=False)
class _Moved:
    """The tokens of mini-batch 2 as they will be in a later one: log R, and whether the clip removes them if their
    answer was not paid (low) and if it was (high); [n] each."""

    log_ratio: Array
    low: NDArray[np.bool_]
    high: NDArray[np.bool_]


def _moved(log_ratio: Array, clip: PpoClip, momentum: float, minibatches: int) -> Iterator[_Moved]:
    """In mini-batches 1…M."""
    low = -math.inf if clip.low is None else math.log1p(-clip.low)
    high = math.inf if clip.high is None else math.log1p(clip.high)
    for steps in range(minibatches):
        moved = math.sqrt(summed_noise(momentum, steps)) * log_ratio
        yield _Moved(moved, moved < low, moved > high)


def clip_fractions(log_ratio: Array, training: Training, clip: PpoClip, momentum: float) -> ClipFractions:
    """Shares of all tokens clipped low and high in mini-batches 1…M. log_ratio [n]: ℓ, all tokens of mini-batch 2 of
    the pilot."""
    moments = advantage_moments(training.group_size, training.success_prob, "std-unbiased")
    later = list(_moved(log_ratio, clip, momentum, training.minibatches))
    return ClipFractions(
        low=np.array([moments.negative_prob * float(np.mean(tokens.low)) for tokens in later]),
        high=np.array([moments.positive_prob * float(np.mean(tokens.high)) for tokens in later]),
    )


def tenth_counts(tokens: pa.Table, arm: Arm, training: Training) -> pa.Table:
    """One row for each tenth of the old probability and mini-batch: tokens, those clipped low and high, the sum of
    their pushes; and from the `reference` tokens of mini-batch 2 in that tenth the sums of what is expected of them in
    each mini-batch. tokens: of one cell; training: the arm's.

    Measured push: the sum of −Â·R where the clip removed it: +|Â|R for a blamed, −|Â|R for a praised one.
    """
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
    expected = {name: np.zeros(size) for name in ("low_expected", "high_expected", "push_expected")}
    for step, later in enumerate(_moved(log_ratio[second], arm.clip, training.adam_beta1, training.minibatches)):
        if step == 0:
            continue
        at, weight = tenth[second] * training.minibatches + step, np.exp(np.clip(later.log_ratio, -50.0, 50.0))
        expected["low_expected"] += moments.negative_prob * np.bincount(at, later.low, size)
        expected["high_expected"] += moments.positive_prob * np.bincount(at, later.high, size)
        signed = weight * (later.low.astype(float) - later.high)
        expected["push_expected"] += moments.mu * np.bincount(at, signed, size)
    reference = np.repeat(np.bincount(tenth[second], minlength=TENTHS), training.minibatches)
    return pa.table(rows | expected | {"reference": reference})
