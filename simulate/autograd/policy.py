"""Policies for the torch engine: what the parameters of R replicates, [R, d], say about K outcomes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from clipbias.common.arrays import Array


class Policy(Protocol):
    def start(self) -> Tensor:
        """Parameters before training, [d]."""
        ...

    def logits(self, parameters: Tensor) -> Tensor:
        """[R, K] from parameters [R, d]."""
        ...


@dataclass(frozen=True, slots=True)
class Tabular:
    """A logit of its own for every outcome, z = log p at the start; probs [K]."""

    probs: Tensor

    def start(self) -> Tensor:
        return self.probs.log()

    def logits(self, parameters: Tensor) -> Tensor:
        return parameters


@dataclass(frozen=True, slots=True)
class SharedFeatures:
    """logits = log p + Φθ, θ = 0 at the start; probs [K], features = Φ [K, d].

    One outcome's gradient moves every outcome whose row of Φ is not orthogonal to its own.
    """

    probs: Tensor
    features: Tensor

    def start(self) -> Tensor:
        return self.features.new_zeros(self.features.shape[1])

    def logits(self, parameters: Tensor) -> Tensor:
        return torch.addmm(self.probs.log(), parameters, self.features.T)


def zipf(outcomes: int, exponent: float = 1.0) -> Array:
    """p_k ∝ k^−exponent, k = 1…K: the usual law of a vocabulary; array [K]."""
    weight = np.arange(1, outcomes + 1, dtype=np.float64) ** -exponent
    return np.asarray(weight / weight.sum(), dtype=np.float64)
