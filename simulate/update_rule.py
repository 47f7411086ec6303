"""How samples become optimizer steps, beyond the plain gradient ascent on fresh samples that theory covers.

The simulator's engines take it beside `theory.config.PhaseConfig`, which holds the learning rate and all sizes.
"""

import math
from dataclasses import dataclass

from clipbias.theory.setup import LARGEST_COUNT


def _check(name: str, value: float, least: float, below: float, meaning: str) -> None:
    if not least <= value < below:
        raise ValueError(f"{name} must be {meaning}, got {value}")


@dataclass(frozen=True, slots=True)
class Sgd:
    """v ← momentum·v + g, z ← z + η·v (torch.optim.SGD with maximize, without dampening); g: the gradient."""

    momentum: float = 0.0

    def __post_init__(self) -> None:
        _check("momentum", self.momentum, 0.0, 1.0, "in [0, 1)")


@dataclass(frozen=True, slots=True)
class Adam:
    """AdamW (arXiv:1711.05101): z ← (1 − η·weight_decay)·z + η·m̂/(√v̂ + epsilon), as torch.optim.AdamW computes it."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check("beta1", self.beta1, 0.0, 1.0, "in [0, 1)")
        _check("beta2", self.beta2, 0.0, 1.0, "in [0, 1)")
        _check("epsilon", self.epsilon, 0.0, math.inf, "at least 0 and finite")
        _check("weight_decay", self.weight_decay, 0.0, math.inf, "at least 0 and finite")


OPTIMIZERS: dict[str, type[Sgd | Adam]] = {"sgd": Sgd, "adam": Adam}  # what a command line or a sweep file calls them


@dataclass(frozen=True, slots=True)
class Training:
    """The optimizer's state lives on from phase to phase.

    max_grad_norm: the gradient of a step is scaled down to this L2 norm (None: never). epochs: how often the M
    mini-batches are gone through, with the same samples in the same order. split: a phase's samples are shuffled over
    its mini-batches instead of keeping groups whole. whiten: the phase's advantages are whitened over all its samples
    (`theory.whitening`). kl_coefficient: β ≥ 0 of the penalty β·k3 per sample, k3 = r − log r − 1 with r = π_ref/π of
    the sampled outcome and π_ref the policy at the very start (TRL's beta with use_bias_correction_kl=False).
    """

    optimizer: Sgd | Adam = Sgd()
    max_grad_norm: float | None = None
    epochs: int = 1
    split: bool = False
    whiten: bool = False
    kl_coefficient: float = 0.0

    def __post_init__(self) -> None:
        if self.max_grad_norm is not None and not 0.0 < self.max_grad_norm < math.inf:
            raise ValueError(f"max_grad_norm must be positive and finite, or none, got {self.max_grad_norm}")
        if not 1 <= self.epochs <= LARGEST_COUNT:
            raise ValueError(f"epochs must be in [1, {LARGEST_COUNT}], got {self.epochs}")
        _check("kl_coefficient", self.kl_coefficient, 0.0, math.inf, "at least 0 and finite")
