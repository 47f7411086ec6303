"""The optimizer step of compiled loops: Sgd and Adam of `theory.update_rule`, one replicate, as torch computes them."""

import math
from typing import NamedTuple

from clipbias.common.arrays import Array
from clipbias.theory.update_rule import Adam, UpdateRule

from .stream import compiled

NORM_GUARD = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm before dividing


class Update(NamedTuple):
    """adam: whether beta1 … weight_decay are Adam's; otherwise beta1 is SGD's momentum. max_grad_norm: ∞ for none."""

    rate: float
    adam: bool
    beta1: float
    beta2: float
    epsilon: float
    weight_decay: float
    max_grad_norm: float


def update_of(learning_rate: float, update: UpdateRule) -> Update:
    kind = update.optimizer
    norm = math.inf if update.max_grad_norm is None else update.max_grad_norm
    if isinstance(kind, Adam):
        return Update(learning_rate, True, kind.beta1, kind.beta2, kind.epsilon, kind.weight_decay, norm)
    return Update(learning_rate, False, kind.momentum, 0.0, 0.0, 0.0, norm)


@compiled
def advance(update: Update, step: int, gradient: Array, first: Array, second: Array, z: Array) -> None:
    """Step number `step` = 1, 2, … since the start, up the gradient [K]; z and the moments `first`, `second` change."""
    if update.max_grad_norm < math.inf:
        norm = math.sqrt((gradient * gradient).sum())
        gradient *= min(update.max_grad_norm / (norm + NORM_GUARD), 1.0)
    if not update.adam:
        for a in range(len(z)):
            first[a] = update.beta1 * first[a] + gradient[a]
            z[a] += update.rate * first[a]
        return
    unbias1, unbias2 = 1.0 - update.beta1**step, 1.0 - update.beta2**step
    for a in range(len(z)):
        first[a] = update.beta1 * first[a] + (1.0 - update.beta1) * gradient[a]
        second[a] = update.beta2 * second[a] + (1.0 - update.beta2) * gradient[a] * gradient[a]
        size = math.sqrt(second[a] / unbias2) + update.epsilon
        z[a] *= 1.0 - update.rate * update.weight_decay
        if size > 0.0:
            z[a] += update.rate * (first[a] / unbias1) / size
