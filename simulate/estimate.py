"""Monte-Carlo estimates from sums over replicates, and the laws of p that simulations keep."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array
from clipbias.theory.estimate import Estimate, share_estimate

_ROUNDING = 1e-12  # what probabilities that are equal may differ by


def mean_estimate(power_sums: Array, count: int) -> Estimate:
    """The mean of each quantity from Σx and Σx² (power_sums[..., 0] and [..., 1]) over `count` replicates.

    stderr = √((Σx² − (Σx)²/n)/(n(n−1))). The sums are of shifts from the start, so the cancellation costs at most
    (mean/std)² rounding errors.
    """
    total, squares = power_sums[..., 0], power_sums[..., 1]
    variance = np.maximum(squares - total**2 / count, 0.0) / (count - 1)
    return Estimate(total / count, np.sqrt(variance / count))


def std_estimate(power_sums: Array, count: int) -> Estimate:
    """The standard deviation of each quantity from Σx … Σx⁴ (power_sums[..., 0:4]) over `count` replicates.

    With m₂, m₄ the central moments: std = √m₂, stderr = √((m₄ − m₂²)/n)/(2 std) (delta method), 0 where std is 0.
    """
    m1, raw2, raw3, raw4 = (power_sums[..., i] / count for i in range(4))
    m2 = np.maximum(raw2 - m1**2, 0.0)
    m4 = raw4 - 4 * m1 * raw3 + 6 * m1**2 * raw2 - 3 * m1**4
    std = np.sqrt(m2)
    spread = np.sqrt(np.maximum(m4 - m2**2, 0.0) / count)
    return Estimate(std, np.divide(spread, 2 * std, out=np.zeros_like(std), where=std > 0))


def quantile_estimate(histogram: NDArray[np.int64], edges: Array, level: float) -> Estimate:
    """The `level` quantile of each row of histogram [K, B], linear within a bin; edges [B + 1].

    stderr: half the distance between the quantiles at level ± √(level(1−level)/n), the distribution-free interval of
    order statistics (David & Nagaraja, Order Statistics, §7.1), and w/√3 for a bin of width w, within which the law
    may sit anywhere, on one point even.
    """
    count = int(histogram[0].sum())
    half = np.sqrt(level * (1 - level) / count)
    levels = np.clip([level - half, level, level + half], 0.0, 1.0) * count
    found = np.array([_invert(row, edges, levels) for row in histogram])
    bins = np.clip(np.searchsorted(edges, found[:, 1], side="right") - 1, 0, len(edges) - 2)
    width = edges[bins + 1] - edges[bins]
    return Estimate(found[:, 1], np.hypot((found[:, 2] - found[:, 0]) / 2, width / np.sqrt(3)))


def _invert(row: NDArray[np.int64], edges: Array, targets: Array) -> Array:
    filled = np.flatnonzero(row)
    below = np.cumsum(row) - row
    at = filled[np.clip(np.searchsorted(below[filled], targets, side="right") - 1, 0, None)]
    inside = np.clip((targets - below[at]) / row[at], 0.0, 1.0)
    return np.asarray(edges[at] + inside * (edges[at + 1] - edges[at]), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Where replicates ended: counts [K, B] of every outcome's probability between edges [B + 1]; and exactly how many
    ended above some thresholds, [K] by threshold."""

    counts: NDArray[np.int64]
    edges: Array
    above: dict[float, NDArray[np.int64]]

    def quantile(self, level: float) -> Estimate:
        return quantile_estimate(self.counts, self.edges, level)

    def prob_above(self, prob: float) -> Estimate:
        """Exact counts where there are any; else linear within a bin, whose whole share w is in the error as w/√3, and
        the error of a share besides."""
        count = int(self.counts[0].sum())
        if prob in self.above:
            return share_estimate(self.above[prob], count)
        bin_ = int(np.clip(np.searchsorted(self.edges, prob, side="right") - 1, 0, len(self.edges) - 2))
        inside = (self.edges[bin_ + 1] - prob) / (self.edges[bin_ + 1] - self.edges[bin_])
        here = self.counts[:, bin_]
        share = share_estimate(self.counts[:, bin_ + 1 :].sum(axis=1) + np.clip(inside, 0.0, 1.0) * here, count)
        return Estimate(share.value, np.hypot(share.stderr, here / count / np.sqrt(3)))


@dataclass(frozen=True, slots=True)
class Ends:
    """Where each of R independent replicates ended: probs [R, K]."""

    probs: Array

    def quantile(self, level: float) -> Estimate:
        """stderr: half the distance between order statistics at level ± √(level(1−level)/n), as `quantile_estimate`."""
        half = np.sqrt(level * (1 - level) / len(self.probs))
        low, middle, high = np.quantile(self.probs, np.clip([level - half, level, level + half], 0.0, 1.0), axis=0)
        return Estimate(middle, (high - low) / 2)

    def prob_above(self, prob: float) -> Estimate:
        return share_estimate((self.probs > prob).sum(axis=0), len(self.probs))


@dataclass(frozen=True, slots=True)
class WeightedEnds:
    """All that a policy can end as: probs [P, K] with probability weight [P]."""

    probs: Array
    weight: Array

    def quantile(self, level: float) -> Estimate:
        """The least value up to which `level` of the probability lies; exact."""
        found = []
        for values in self.probs.T:
            order = np.argsort(values)
            reached = int(np.searchsorted(np.cumsum(self.weight[order]), level))
            found.append(values[order[min(reached, len(order) - 1)]])
        return Estimate.exact(found)

    def prob_above(self, prob: float) -> Estimate:
        """Exact; a policy within rounding of the threshold is at it, not above."""
        return Estimate.exact(self.weight @ (self.probs > prob + _ROUNDING))
