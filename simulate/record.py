"""What the compiled loops share: the description of a run, and the sums that outlive a replicate."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .stream import Array, Words, compiled

BINS = 1 << 14  # of log-odds, over ±EDGE: 0.0037 wide
EDGE = 30.0


class Setup(NamedTuple):
    """One run. rate = η/n; lower, upper = 1−ε_l, 1+ε_h; plus, minus [G + 1]: Â₊, Â₋ by m.

    tabled: draw m from reward_row, and in the first phase the counts from table, offsets, masks, starts
    (`tables.conditional_rows`), else both by `stream.binomial`. pattern_row, patterns: `tables.pattern_rows`, or empty.
    """

    key: np.uint64
    logits: Array
    rate: float
    group_size: int
    groups: int
    minibatches: int
    phases: int
    success_prob: float
    lower: float
    upper: float
    plus: Array
    minus: Array
    tabled: bool
    reward_row: Words
    table: Words
    offsets: NDArray[np.int64]
    masks: NDArray[np.uint64]
    starts: NDArray[np.int64]
    pattern_row: Words
    patterns: Array
    thresholds: Array


class Sums(NamedTuple):
    """powers [2K + 2, 4]: sums of x…x⁴ of the shift of every logit, every probability, the entropy, the first log-odds.
    clipped [2, M, 2]: sums of x and x² of a replicate's clip-low and clip-high shares (over phases). above [J, K]:
    replicates with p > thresholds[j]. histogram [K, BINS]: of every outcome's log-odds."""

    powers: Array
    clipped: Array
    above: NDArray[np.int64]
    histogram: NDArray[np.int64]


@compiled
def softmax(z: Array, probs: Array) -> None:
    """probs ← softmax(z); both [K]."""
    top = z.max()
    total = 0.0
    for a in range(len(z)):
        probs[a] = math.exp(z[a] - top)
        total += probs[a]
    for a in range(len(z)):
        probs[a] /= total


@compiled
def entropy(probs: Array) -> float:
    """−Σ p log p in nats."""
    total = 0.0
    for p in probs:
        if p > 0.0:
            total -= p * math.log(p)
    return total


@compiled
def own_log_odds(z: Array, a: int) -> float:
    """log(p_a/(1 − p_a)) = z_a − log Σ_{j≠a} exp(z_j)."""
    top = -math.inf
    for j in range(len(z)):
        if j != a:
            top = max(top, z[j])
    total = 0.0
    for j in range(len(z)):
        if j != a:
            total += math.exp(z[j] - top)
    return float(z[a] - top - math.log(total))


@compiled
def add_powers(sums: Array, value: float) -> None:
    """sums[i] += value^(i+1), i = 0…3."""
    square = value * value
    sums[0] += value
    sums[1] += square
    sums[2] += square * value
    sums[3] += square * square


@compiled
def record_clipping(clipped: Array, events: Array, samples: int) -> None:
    """Add one replicate's events [2, M] out of `samples` a mini-batch."""
    for side in range(2):
        for step in range(events.shape[1]):
            share = events[side, step] / samples
            clipped[side, step, 0] += share
            clipped[side, step, 1] += share * share


@compiled
def record_place(sums: Sums, a: int, log_odds: float, prob: float, thresholds: Array) -> None:
    """Count where outcome a ended."""
    sums.histogram[a, min(max(int((log_odds + EDGE) * (BINS / (2.0 * EDGE))), 0), BINS - 1)] += 1
    for j in range(len(thresholds)):
        sums.above[j, a] += prob > thresholds[j]
