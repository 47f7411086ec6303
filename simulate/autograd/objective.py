"""What a surrogate maximises, sample by sample, as its source writes it.

Nothing here knows the slopes of `theory.surrogate`: what autograd finds is an independent check of them.
"""

import torch
from torch import Tensor

from clipbias.common.errors import InputError
from clipbias.theory.surrogate import Cispo, Dppo, Gspo, PpoClip, Probability, Sapo, Surrogate


def objective(surrogate: Surrogate, log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor) -> Tensor:
    """Â·f±(R) of each sample, all tensors of one shape; log_prob = log π carries the gradient, old_log_prob = log b.

    CISPO's value is its own (a stopped ratio times Â·log π), not Â·f(R): the two share their gradient alone. Sources as
    in `theory.surrogate`.
    """
    log_ratio = log_prob - old_log_prob
    ratio = log_ratio.exp()
    match surrogate:
        case PpoClip(dual=dual):
            clipped = _smaller(ratio, surrogate, advantage)
            return clipped if dual is None else torch.where(advantage < 0, clipped.maximum(dual * advantage), clipped)
        case Cispo(cap):
            return ratio.detach().clamp(max=cap) * advantage * log_prob
        case Sapo(plus, minus):
            heat = torch.full_like(advantage, minus)  # torch.where of two floats would be float32
            heat = heat.masked_fill(advantage > 0, plus)
            return 4.0 / heat * torch.sigmoid(heat * (ratio - 1.0)) * advantage
        case Dppo(low, high):
            moved = log_prob.exp() - old_log_prob.exp()
            masked = torch.zeros_like(moved, dtype=torch.bool)
            if low is not None:
                masked |= (advantage < 0) & (moved < -low)
            if high is not None:
                masked |= (advantage > 0) & (moved > high)
            return torch.where(masked, 0.0, ratio * advantage)
        case Gspo(low, high, length):
            return _smaller((log_ratio / length).exp(), PpoClip(low, high), advantage)
        case Probability():
            return log_prob.exp() * advantage
    raise InputError("surrogate", "one of theory.surrogate", surrogate)


def _smaller(ratio: Tensor, clip: PpoClip, advantage: Tensor) -> Tensor:
    """min(R·Â, clamp(R)·Â): the lesser of what is claimed without and with the bounds."""
    return torch.minimum(ratio * advantage, ratio.clamp(clip.lower_bound, clip.upper_bound) * advantage)


def kl_penalty(log_prob: Tensor, reference_log_prob: Tensor) -> Tensor:
    """k3 = r − log r − 1 of each sample, r = π_ref/π (Schulman, "Approximating KL divergence"; TRL's beta times it)."""
    log_r = reference_log_prob - log_prob
    return log_r.exp() - log_r - 1.0
