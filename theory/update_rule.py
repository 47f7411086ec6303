"""How samples become optimizer steps: plain gradient ascent on fresh samples, and all that departs from it.

It lies in theory, whose closed forms hold for the plain rule alone, because a problem is stated the same way to all of
its solvers (`law`): those that know less refuse, the simulator's take any. `setup.PhaseConfig` holds the learning rate
and all sizes.
"""

import math
from dataclasses import dataclass

from clipbias.common.errors import check

from .setup import LARGEST_COUNT


@dataclass(frozen=True, slots=True)
class Sgd:
    """v ← momentum·v + g, z ← z + η·v (torch.optim.SGD with maximize, without dampening); g: the gradient."""

    momentum: float = 0.0

    def __post_init__(self) -> None:
        check(0.0 <= self.momentum < 1.0, "momentum", "in [0, 1)", self.momentum)


@dataclass(frozen=True, slots=True)
class Adam:
    """AdamW (arXiv:1711.05101): z ← (1 − η·weight_decay)·z + η·m̂/(√v̂ + epsilon), as torch.optim.AdamW computes it."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        check(0.0 <= self.beta1 < 1.0, "beta1", "in [0, 1)", self.beta1)
        check(0.0 <= self.beta2 < 1.0, "beta2", "in [0, 1)", self.beta2)
        check(0.0 <= self.epsilon < math.inf, "epsilon", "at least 0 and finite", self.epsilon)
        check(0.0 <= self.weight_decay < math.inf, "weight_decay", "at least 0 and finite", self.weight_decay)


OPTIMIZERS: dict[str, type[Sgd | Adam]] = {"sgd": Sgd, "adam": Adam}  # what a command line or a sweep file calls them


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRule:
    """The optimizer's state lives on from phase to phase.

    max_grad_norm: the gradient of a step is scaled down to this L2 norm (None: never). epochs: how often the M
    mini-batches are gone through, with the same samples in the same order. split: a phase's samples are shuffled over
    its mini-batches instead of keeping groups whole. whiten: the phase's advantages are whitened over all its samples
    (`formulas.whitening`). kl_coefficient: β ≥ 0 of the penalty β·k3 per sample, k3 = r − log r − 1 with r = π_ref/π of
    the sampled outcome and π_ref the policy at the very start (TRL's beta with use_bias_correction_kl=False).
    """

    optimizer: Sgd | Adam = Sgd()
    max_grad_norm: float | None = None
    epochs: int = 1
    split: bool = False
    whiten: bool = False
    kl_coefficient: float = 0.0

    def __post_init__(self) -> None:
        norm = self.max_grad_norm
        check(norm is None or 0.0 < norm < math.inf, "max_grad_norm", "positive and finite, or none", norm)
        check(1 <= self.epochs <= LARGEST_COUNT, "epochs", f"in [1, {LARGEST_COUNT}]", self.epochs)
        check(0.0 <= self.kl_coefficient < math.inf, "kl_coefficient", "at least 0 and finite", self.kl_coefficient)


PLAIN = UpdateRule()
