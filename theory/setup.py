"""The toy's training configuration: everything that decides one phase but the policy."""

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, get_args

import numpy as np

from clipbias.common.errors import check

from .surrogate import Surrogate

Scale = Literal["std", "std-unbiased", "none"]
QUANTILE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # at which laws of p are reported
PROB_THRESHOLDS = (0.5, 0.9, 0.99)  # x of the P(p > x) that are
LARGEST_RATE = 1e100  # its square must not overflow
LARGEST_COUNT = 10_000
MOST_PHASES = 1_000_000  # that are simulated
LARGEST_GROUP = 1_000_000  # sums over a group's rewards are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseConfig:
    """One phase of GRPO on a categorical policy.

    n = groups_per_minibatch·group_size samples a step, `minibatches` steps a phase, groups whole within a mini-batch;
    one step is z ← z + learning_rate·(1/n)·Σ_i ∂/∂z [Â_i f(R_i)] (vanilla gradient ascent on the logits z).
    success_prob: probability that a sample is rewarded, whatever it is, or one for every outcome (see `reward`). scale:
    how a group's advantages are normalised (see `advantage`).
    """

    learning_rate: float
    group_size: int
    groups_per_minibatch: int
    minibatches: int
    success_prob: float | tuple[float, ...]
    surrogate: Surrogate
    scale: Scale = "std"

    def __post_init__(self) -> None:
        rate, size, chance = self.learning_rate, self.group_size, self.success_prob
        check(isinstance(rate, Real), "learning_rate", "a number", rate)
        for field in ("group_size", "groups_per_minibatch", "minibatches"):
            check(isinstance(getattr(self, field), Integral), field, "a whole number", getattr(self, field))
        check(np.asarray(chance).dtype.kind in "fiu", "success_prob", "a number, or one for every outcome", chance)
        is_gate = hasattr(self.surrogate, "slopes") and not isinstance(self.surrogate, type)
        check(is_gate, "surrogate", "a surrogate as PpoClip(low=0.2, high=0.2)", self.surrogate)
        check(0.0 <= rate < float("inf"), "learning_rate", "at least 0 and finite", rate)
        check(rate <= LARGEST_RATE, "learning_rate", f"at most {LARGEST_RATE:g}", rate)
        for field in ("groups_per_minibatch", "minibatches"):
            count = getattr(self, field)
            check(count >= 1, field, "at least 1", count)
            check(count <= LARGEST_COUNT, field, f"at most {LARGEST_COUNT}", count)
        check(size >= 2, "group_size", "at least 2", size)
        check(size <= LARGEST_GROUP, "group_size", f"at most {LARGEST_GROUP}", size)
        check(all(0.0 <= prob <= 1.0 for prob in np.atleast_1d(chance)), "success_prob", "in [0, 1]", chance)
        check(self.scale in get_args(Scale), "scale", f"one of {', '.join(get_args(Scale))}", self.scale)
