"""The toy's training configuration: everything that decides one phase but the policy."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .surrogate import Surrogate

Scale = Literal["std", "std-unbiased", "none"]
QUANTILE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # at which laws of p are reported
PROB_THRESHOLDS = (0.5, 0.9, 0.99)  # x of the P(p > x) that are
LARGEST_RATE = 1e100  # its square must not overflow
LARGEST_COUNT = 10_000
LARGEST_GROUP = 1_000_000  # sums over a group's rewards are listed


@dataclass(frozen=True, slots=True)
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
        if not 0.0 <= self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be at least 0 and finite, got {self.learning_rate}")
        if self.learning_rate > LARGEST_RATE:
            raise ValueError(f"learning_rate must be at most {LARGEST_RATE:g}, got {self.learning_rate}")
        for field in ("groups_per_minibatch", "minibatches"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field} must be at least 1, got {getattr(self, field)}")
            if getattr(self, field) > LARGEST_COUNT:
                raise ValueError(f"{field} must be at most {LARGEST_COUNT}, got {getattr(self, field)}")
        if self.group_size < 2:
            raise ValueError(f"group_size must be at least 2, got {self.group_size}")
        if self.group_size > LARGEST_GROUP:
            raise ValueError(f"group_size must be at most {LARGEST_GROUP}, got {self.group_size}")
        if not all(0.0 <= prob <= 1.0 for prob in np.atleast_1d(self.success_prob)):
            raise ValueError(f"success_prob must be in [0, 1], got {self.success_prob}")
        if self.scale not in get_args(Scale):
            raise ValueError(f"scale must be one of {', '.join(get_args(Scale))}, got {self.scale}")
