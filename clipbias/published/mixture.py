"""What the mixture of two strategies (T11) says: accuracy moves with the share of code, and with nothing else.

Every class is a question: all that is known, and nothing of the answer that was published. Rates are fractions; bands
hold 90 % of what counting answers on `problems` problems would show, problems taken to be alike, which is the widest.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from clipbias.common.arrays import Array
from clipbias.theory.formulas.evaluation_noise import Evaluation, evaluation_variance
from clipbias.theory.formulas.mixture import mixture_accuracy, moved_accuracy, partial_contributions

from .verdict import LEVEL, Direction, Number

REACH = float(ndtri((1 + LEVEL) / 2))  # of a normal law's band, in standard deviations
_DRAWS = 1000
_SUBSETS = ("CC", "CL", "LC", "LL")


def counted(rate: float, problems: float) -> float:
    """Variance of a rate that was counted on so many problems, one answer each."""
    return float(evaluation_variance(np.clip(rate, 0.0, 1.0), Evaluation(problems=max(round(problems), 1), samples=1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategies:
    """Measured before training: the share of code and the accuracies with and without it, on so many problems."""

    share: float
    with_code: float
    with_language: float
    problems: float

    @property
    def contrast(self) -> float:
        return self.with_code - self.with_language

    @property
    def contrast_variance(self) -> float:
        code, language = self.share * self.problems, (1 - self.share) * self.problems
        return counted(self.with_code, code) + counted(self.with_language, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedShare:
    """Accuracy, or its gain, where the share of code is known to be `share_after` (±share_half_width)."""

    accuracy: float
    strategies: Strategies
    share_after: float
    share_half_width: float = 0.0
    reads: Literal["accuracy", "gain"]

    def predict(self) -> Number:
        known = self.strategies
        accuracy = float(moved_accuracy(self.accuracy, [known.share, self.share_after], known.contrast)[-1])
        moved = self.share_after - known.share
        variance = (
            counted(self.accuracy, known.problems)
            + counted(accuracy, known.problems)
            + moved**2 * known.contrast_variance
            + (known.contrast * self.share_half_width / REACH) ** 2
        )
        value = accuracy - self.accuracy if self.reads == "gain" else accuracy
        return around(value, variance)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneStrategy:
    """The gain of a model that has one strategy alone, so that there is nothing to switch: none, whatever is paid."""

    accuracy: float
    problems: float

    def predict(self) -> Number:
        return around(0.0, 2 * counted(self.accuracy, self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """Right answers after training among n problems. Those that kept their strategy stay as they were; those that
    switched are right at the rate of the strategy that they went to, measured before training."""

    n: float
    right_before: float
    rate_after: float | None = None

    def predict(self) -> Number:
        if self.rate_after is None:
            return around(self.right_before, 2 * self.n**2 * counted(self.right_before / self.n, self.n))
        return around(self.n * self.rate_after, self.n**2 * counted(self.rate_after, self.n))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A subset's part of the gain, the mean over rewards of each reward's own, where `Subset` holds in all of them.

    n, right_before [rewards × subsets]: CC, CL, LC, LL of one reward after another."""

    subset: Literal["CC", "CL", "LC", "LL"]
    n: tuple[float, ...]
    right_before: tuple[float, ...]
    with_code: float
    with_language: float

    def predict(self) -> Number:
        n, before = (np.reshape(x, (-1, 4)) for x in (self.n, self.right_before))
        rates = np.column_stack([before[:, 0] / n[:, 0], np.full(len(n), self.with_language),
                                 np.full(len(n), self.with_code), before[:, 3] / n[:, 3]])  # fmt: skip
        at = _SUBSETS.index(self.subset)

        def part(after: Array) -> float:
            return float(np.mean([partial_contributions(b, a)[at] for b, a in zip(before, after, strict=True)]))

        rng = np.random.default_rng(0)
        drawn = rng.binomial(n.astype(int), rates, (_DRAWS, *n.shape)).astype(float)
        gains = drawn.sum(axis=2) - before.sum(axis=1)
        parts = [part(after) for after in drawn[(gains != 0).all(axis=1)]]
        low, high = np.quantile(parts, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Number(value=part(n * rates), low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dominant:
    """Which switch carries the gain: to code (+1) where code is right more often, to language (−1) where it is not."""

    with_code: float
    with_language: float

    def predict(self) -> Direction:
        return Direction(size=mixture_accuracy([1.0, 0.0], [self.with_code, self.with_language]) - self.with_language)


def around(value: float, variance: float) -> Number:
    """A normal band."""
    half = REACH * math.sqrt(variance)
    return Number(value=value, low=value - half, high=value + half)
