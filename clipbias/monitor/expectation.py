"""What mini-batch 2 says of the later ones: `token_law`, by tenth of the old probability, with the phase's own signs.

A token of tenth d has in mini-batch m the log-ratio √S_m·ℓ, ℓ with the law that mini-batch 2 has in that tenth, and S_m
the variance of the updates before m in units of a late one at the configured learning rate (`theory.momentum`). So that

    low_m = Σ_d blamed_{m,d}·P_d(√S_m·ℓ < ln(1−ε_l)),  high_m alike from the praised,
    push_{m,d} = blame_{m,d}·E_d[R(1−f₋′)] − praise_{m,d}·E_d[R(1−f₊′)].

It holds for samples that no step was taken on before: in the first epoch. What it leaves out is a gradient that keeps
its direction: ratios then grow faster than noise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.theory.formulas.momentum import summed_noise_from_rest
from clipbias.theory.surrogate import Surrogate
from clipbias.validate.predict.sums import CENTRES, Sums
from clipbias.validate.predict.token_law import TENTHS, Moved

FIRST = 2  # the third mini-batch, counted from 0
MOST: Array = TENTHS / (np.arange(TENTHS) + 0.5)  # ratio: 1/b at a tenth's middle, since no probability exceeds 1
MEMORY = 1000  # updates before the phase that momentum is taken to reach back to


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """A phase's optimizer steps. rates: their learning rates over the configured one. before: steps of the training
    before it. momentum: β; corrected: whether it starts loudly, as Adam's."""

    rates: Sequence[float]
    before: int
    momentum: float
    corrected: bool

    def growth(self, steps: int) -> float:
        """√S after so many of them."""
        before = min(self.before, MEMORY)
        rates = np.asarray(self.rates[:steps])
        return math.sqrt(
            summed_noise_from_rest(self.momentum, before + steps, before, corrected=self.corrected, rates=rates)
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """Of mini-batches 3…: counts of tokens clipped low and high, [M − 2], and the push by tenth, [10], summed."""

    low: Array
    high: Array
    push: Array


def expected(sums: Sums, law: Array, gate: Surrogate, growth: Sequence[float]) -> Expected:
    """law [10, bins]: of ℓ, in one or several phases. growth: √S of mini-batches 1, 2, …, as far as is to be said."""
    share = law / np.maximum(law.sum(axis=1, keepdims=True), 1.0)
    low, high, push = [], [], np.zeros(len(law))
    for m in range(FIRST, len(growth)):
        later = Moved.to(growth[m] * CENTRES, gate)
        low.append(float(sums.blamed[m] @ (share @ (later.low == 1.0))))
        high.append(float(sums.praised[m] @ (share @ (later.high == 1.0))))
        ratio = np.minimum(later.ratio, MOST[:, None])
        push += sums.blame[m] * (share * ratio @ later.low) - sums.praise[m] * (share * ratio @ later.high)
    return Expected(low=np.array(low), high=np.array(high), push=push)
