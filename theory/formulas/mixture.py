"""T11: from strategy shares to accuracy: how much of a gain a change of strategy explains."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check


def mixture_accuracy(shares: ArrayLike, accuracies: ArrayLike) -> float:
    """Σ_k share_k·accuracy_k (T11); shares [K] in [0, 1] add to 1, accuracies [K] in [0, 1]."""
    weights, values = _shares(shares), _accuracies(accuracies)
    if len(weights) != len(values):
        raise InputError("accuracies", f"as many entries as shares ({len(weights)})", len(values), verb="have")
    return float(weights @ values)


def moved_accuracy(accuracy: float, shares: ArrayLike, contrast: float) -> Array:
    """a_t = a_0 + (share_t − share_0)·contrast (T11): the mixture of two strategies where nothing but the share moves.

    accuracy: a_0, measured; shares [T + 1] of the first strategy, in [0, 1]; contrast: its accuracy less the other's.
    Exact, and the same as `mixture_accuracy` where a_0 is the mixture at share_0. That it need not be is why it is
    written so: shares may be read on other problems than accuracies.

    Domain: it lies in [0, 1] where a_0 is a mixture at share_0 of two accuracies in [0, 1]. Of two different readings
    it is a linear form, and may leave [0, 1]: 0.05 at a share of 0.9, with a contrast of 0.61, becomes −0.47 at 0.05.
    That says that the readings contradict one another (a contrast of 0.61 makes a_0 at least 0.55 there), and is not
    cut: only the change, (share_t − share_0)·contrast, is claimed then, and a cut would hide it.
    """
    moved = np.asarray(shares, dtype=np.float64)
    return np.asarray(accuracy + (moved - moved[0]) * contrast, dtype=np.float64)


def _shares(shares: ArrayLike) -> Array:
    """A strategy that nobody uses has a share of 0, unlike an outcome of a softmax policy (`check_probs`)."""
    weights = np.asarray(shares, dtype=np.float64)
    allowed = weights.ndim == 1 and bool(np.all((weights >= 0) & (weights <= 1))) and abs(weights.sum() - 1.0) <= 1e-9
    check(allowed, "shares", "numbers in [0, 1] that add to 1", weights.tolist())
    return weights


def _accuracies(accuracies: ArrayLike) -> Array:
    values = np.asarray(accuracies, dtype=np.float64)
    check(bool(np.all((values >= 0) & (values <= 1))), "accuracies", "in [0, 1]", values.tolist())
    return values


@dataclass(frozen=True, slots=True)
class GainParts:
    """A change of accuracy, in two parts that add up to it. switching: Σ_k (share′_k − share_k)·accuracy_k, what the
    new shares would have brought at the old accuracies; within: Σ_k share′_k·(accuracy′_k − accuracy_k), the rest."""

    switching: float
    within: float

    @property
    def total(self) -> float:
        return self.switching + self.within


def gain_parts(
    shares: ArrayLike, accuracies: ArrayLike, later_shares: ArrayLike, later_accuracies: ArrayLike
) -> GainParts:
    """Both parts of a gain from measured shares and accuracies before and after.

    The split is by strategy, not by problem: if those who switch are easier problems than those who stay, accuracies
    within strategies change though no answer did, and `within` says so.
    """
    before = mixture_accuracy(shares, accuracies)
    switched = mixture_accuracy(later_shares, accuracies)
    after = mixture_accuracy(later_shares, later_accuracies)
    return GainParts(switched - before, after - switched)


def partial_contributions(correct_before: ArrayLike, correct_after: ArrayLike) -> Array:
    """Of each subset d of the problems, Σ_{x∈d}(after − before)/Σ_{x∈D}(same); [D], adds to 1 (arXiv:2506.10947).

    Counts of right answers per subset; InputError where nothing was gained in all.
    """
    gain = np.asarray(correct_after, dtype=np.float64) - np.asarray(correct_before, dtype=np.float64)
    if gain.sum() == 0:
        raise InputError("correct_after", "in sum from correct_before", verb="differ")
    return np.asarray(gain / gain.sum(), dtype=np.float64)
