"""What the compiled loops share: the description of a run, and the sums that outlive a replicate."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array

from .gate import Gate
from .stream import compiled
from .update import Update

BINS = 1 << 14  # of log-odds, over ±EDGE: 0.0037 wide
EDGE = 30.0


class Setup(NamedTuple):
    """One run, but for how its samples are drawn (`groups`).

    logits [K]: the policy at the start, log p, also the reference of the penalty kl_coefficient·k3. inverse_samples:
    1/n. thresholds [J]: of P(p > threshold).
    """

    key: np.uint64
    logits: Array
    gate: Gate
    update: Update
    kl_coefficient: float
    inverse_samples: float
    epochs: int
    phases: int
    thresholds: Array


class Sums(NamedTuple):
    """powers [2K + 2, 4]: sums of x…x⁴ of the shift of every logit, every probability, the entropy, the first log-odds.
    clipped [2, E·M, 2]: sums of x and x² of a replicate's clip-low and clip-high shares (over phases). above [J, K]:
    replicates with p > thresholds[j]. histogram [K, BINS]: of every outcome's log-odds. paths [R or 0, T + 1, K]: the
    policies of the first R replicates before, between and after the phases."""

    powers: Array
    clipped: Array
    above: NDArray[np.int64]
    histogram: NDArray[np.int64]
    paths: Array


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
def record_clipping(clipped: Array, events: Array, weight: float) -> None:
    """Add one replicate's events [2, E·M], each `weight` of a share."""
    for side in range(2):
        for step in range(events.shape[1]):
            share = events[side, step] * weight
            clipped[side, step, 0] += share
            clipped[side, step, 1] += share * share


@compiled
def record_place(sums: Sums, a: int, log_odds: float, prob: float, thresholds: Array) -> None:
    """Count where outcome a ended."""
    sums.histogram[a, min(max(int((log_odds + EDGE) * (BINS / (2.0 * EDGE))), 0), BINS - 1)] += 1
    for j in range(len(thresholds)):
        sums.above[j, a] += prob > thresholds[j]
