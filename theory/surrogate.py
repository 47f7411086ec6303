"""The surrogates that GRPO's descendants maximise, each reduced to its gate: the slopes f₊′, f₋′ in the ratio R = π/b.

A sample of advantage Â contributes Â·f₊(R) where Â > 0 and Â·f₋(R) where Â < 0, so its gradient in the logits is
Â·f±′(R)·R·(e_a − π). Everything that a surrogate does to the expected update when rewards say nothing is in the push
s = f₊′ − f₋′ (T2), everything that it does to the noise in f₊′ and f₋′ (T3).
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from clipbias.common.arrays import Array
from clipbias.common.errors import check

LONGEST = 1_000_000  # tokens of an outcome


class Surrogate(Protocol):
    """A gate. It must keep gradients at R = 1 (f₊′(1) = f₋′(1) > 0), where every phase starts."""

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        """(f₊′, f₋′) at ratios R of samples with behaviour probabilities b, all of the shape of R·b."""
        ...

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        """Ratios at which a slope is not smooth, for a sample of behaviour probability b."""
        ...


@dataclass(frozen=True, slots=True)
class PpoClip:
    """f₊′ = 1{R ≤ 1+ε_h}, f₋′ = 1{1−ε_l ≤ R ≤ c} (PPO, arXiv:1707.06347, eq. 7); None switches a bound off.

    low = ε_l in (0, 1], high = ε_h > 0 are increments of the ratio: at 0 the ratio 1 would lie on the bound itself, and
    what happens at a bound is a convention (here the gradient is kept). dual = c > 1+ε_h is the dual clip
    (arXiv:1912.09729), which TRL calls delta: penalties are cut off too where the ratio exceeds c.
    """

    low: float | None
    high: float | None
    dual: float | None = None

    def __post_init__(self) -> None:
        low, high, dual = self.low, self.high, self.dual
        check(low is None or 0.0 < low <= 1.0, "clip_low", "in (0, 1] or none", low)
        check(high is None or 0.0 < high < math.inf, "clip_high", "positive and finite, or none", high)
        least = 1.0 if high is None else self.upper_bound
        check(dual is None or least < dual < math.inf, "dual", f"above {least:g} and finite, or none", dual)

    @property
    def lower_bound(self) -> float:
        """1 − ε_l, or 0 (never crossed by a ratio) where the side is off."""
        return 0.0 if self.low is None else 1.0 - self.low

    @property
    def upper_bound(self) -> float:
        """1 + ε_h, or ∞ where the side is off."""
        return math.inf if self.high is None else 1.0 + self.high

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        ratio = np.asarray(ratio, dtype=np.float64)
        blamed = ratio >= self.lower_bound
        if self.dual is not None:
            blamed &= ratio <= self.dual
        return (ratio <= self.upper_bound).astype(np.float64), blamed.astype(np.float64)

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        return (self.lower_bound, self.upper_bound) + (() if self.dual is None else (self.dual,))


UNCLIPPED = PpoClip(None, None)


@dataclass(frozen=True, slots=True)
class Cispo:
    """f₊′ = f₋′ = min(1, c/R): the gradient's importance weight R·f′ = min(R, c), whatever the advantage.

    cap = c > 1, absolute (arXiv:2506.13585, whose lower bound is off too; TRL's epsilon_high for cispo).
    """

    cap: float

    def __post_init__(self) -> None:
        check(1.0 < self.cap < math.inf, "cap", "above 1 and finite", self.cap)

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        ratio = np.asarray(ratio, dtype=np.float64)
        slope = self.cap / np.maximum(ratio, self.cap)
        return slope, slope

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        return (self.cap,)


@dataclass(frozen=True, slots=True)
class Sapo:
    """f±′ = 4σ(u)(1 − σ(u)), u = τ±·(R − 1): a soft gate, f±(R) = 4σ(u)/τ± (arXiv:2511.20347; TRL's sapo).

    plus, minus = τ₊, τ₋ > 0, temperatures for Â > 0 and Â < 0.
    """

    plus: float = 1.0
    minus: float = 1.05

    def __post_init__(self) -> None:
        for name, heat in (("plus", self.plus), ("minus", self.minus)):
            check(0.0 < heat < math.inf, name, "positive and finite", heat)

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        beyond = np.asarray(ratio, dtype=np.float64) - 1.0
        above, below = self.plus * beyond, self.minus * beyond
        return (
            np.asarray(4 * expit(above) * expit(-above), dtype=np.float64),
            np.asarray(4 * expit(below) * expit(-below), dtype=np.float64),
        )

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Dppo:
    """f₊′ = 1{π − b ≤ δ_h}, f₋′ = 1{π − b ≥ −δ_l}: the mask bounds the difference of probabilities, not their ratio.

    low = δ_l, high = δ_h in (0, 1), units of probability; None switches a side off. π − b = (R − 1)·b. Source:
    arXiv:2602.04879 (binary total variation); prime-rl's loss, where both are 0.2.
    """

    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        for name, bound in (("low", self.low), ("high", self.high)):
            check(bound is None or 0.0 < bound < 1.0, name, "in (0, 1) or none", bound)

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        moved = (np.asarray(ratio, dtype=np.float64) - 1.0) * np.asarray(old_probs, dtype=np.float64)
        above = moved <= (math.inf if self.high is None else self.high)
        below = moved >= (-math.inf if self.low is None else -self.low)
        return above.astype(np.float64), below.astype(np.float64)

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        return (0.0 if self.low is None else 1.0 - self.low / old_prob,) + (
            () if self.high is None else (1.0 + self.high / old_prob,)
        )


@dataclass(frozen=True, slots=True)
class Gspo:
    """Sequence-level clip: outcomes are sequences of L tokens, clipped on ρ = R^(1/L) (GSPO, arXiv:2507.18071).

    f±(R) = clipped ρ, so f₊′ = (ρ/(L·R))·1{ρ ≤ 1+ε_h} and f₋′ = (ρ/(L·R))·1{ρ ≥ 1−ε_l}: the gradient is weighted by
    ρ/L. length = L, 1 to 1,000,000; at L = 1 it is PPO's clip. low and high as there.
    """

    low: float | None
    high: float | None
    length: int

    def __post_init__(self) -> None:
        PpoClip(self.low, self.high)
        whole = 1 <= self.length <= LONGEST and self.length == int(self.length)
        check(whole, "length", f"a whole number from 1 to {LONGEST}", self.length)

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        ratio = np.asarray(ratio, dtype=np.float64)
        per_token = ratio ** (1.0 / self.length)
        above, below = PpoClip(self.low, self.high).slopes(per_token, old_probs)
        tiny = np.finfo(np.float64).tiny  # a ratio that underflowed to 0 moves nothing: R·f′ = 0
        weight = per_token / (self.length * np.maximum(ratio, tiny))
        return above * weight, below * weight

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        bounds = np.array(PpoClip(self.low, self.high).jumps(old_prob))
        with np.errstate(over="ignore"):  # a bound on R that no float holds is never reached
            return tuple((bounds**self.length).tolist())


@dataclass(frozen=True, slots=True)
class Probability:
    """f₊′ = f₋′ = b: the objective Â·π of the released code's clip-off option, where Â·π/b was meant.

    It weights every sample's gradient by π = R·b, so that unlikely samples hardly count. Source: the code released with
    arXiv:2506.10947.
    """

    def slopes(self, ratio: ArrayLike, old_probs: ArrayLike) -> tuple[Array, Array]:
        slope = np.broadcast_to(np.asarray(old_probs, dtype=np.float64), np.shape(ratio))
        return slope, slope

    def jumps(self, old_prob: float) -> tuple[float, ...]:
        return ()


def push(ratio: ArrayLike, old_probs: ArrayLike, surrogate: Surrogate) -> Array:
    """s(R) = f₊′(R) − f₋′(R), shape of `ratio` (T2).

    For PPO's clip 1{R < 1−ε_l} − 1{R > 1+ε_h}: +1 where only penalties are cut off (the outcome is pushed up on
    average), −1 where only praise is. 0 everywhere for CISPO, for Â·π, for SAPO with τ₊ = τ₋, and without a clip.
    """
    above, below = surrogate.slopes(ratio, old_probs)
    return above - below


# What a command line or a sweep file calls them (`notation`).
SURROGATES: dict[str, type[Surrogate]] = {
    "ppo": PpoClip,
    "cispo": Cispo,
    "sapo": Sapo,
    "dppo": Dppo,
    "gspo": Gspo,
    "probability": Probability,
}
