"""What one loss of TRL's GRPOTrainer is made of: the ratios of its tokens, read as they go by, without a second pass.

Two private methods of TRL tell it: `_get_per_token_logps_and_entropies`, whose result a `TrainingPass` keeps, and
`_compute_loss`, whose inputs hold the old log-probabilities. TRL's version is pinned, and a test checks signatures.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from clipbias.theory.surrogate import PpoClip, Surrogate
from clipbias.validate.recipe.gate import token_gate

from .trl_words import NO_HIGH, NO_LOW


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """Of B answers of at most T tokens, [B, T] each. log_ratio: log π − log b. seen: the one that the gate is given, of
    a token or of its whole answer. entropies: of the policy at each token, nats. mask: tokens that are trained on."""

    old: torch.Tensor
    log_ratio: torch.Tensor
    seen: torch.Tensor
    entropies: torch.Tensor
    mask: torch.Tensor


class TrainingPass:
    """The log-probabilities and entropies of the last forward pass that had gradients: that of the loss."""

    def keep(self, result: tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]) -> None:
        """result: of `_get_per_token_logps_and_entropies`."""
        if torch.is_grad_enabled() and result[1] is not None:
            self._log_probs, self._entropies = result[0].detach(), result[1].detach()

    def ratios(self, inputs: Mapping[str, torch.Tensor], per_answer: bool) -> Ratios:
        """inputs: of `_compute_loss`. per_answer: whether tokens of an answer share the mean of their log-ratios."""
        mask = inputs["completion_mask"].bool()
        if "tool_mask" in inputs:
            mask = mask & inputs["tool_mask"].bool()
        old = inputs.get("old_per_token_logps", self._log_probs)  # absent: TRL's ratio is 1 by construction
        log_ratio = seen = self._log_probs - old
        if per_answer:
            seen = ((log_ratio * mask).sum(-1, keepdim=True) / mask.sum(-1, keepdim=True)).expand_as(log_ratio)
        return Ratios(old, log_ratio, seen, self._entropies, mask)


def removed(gate: Surrogate, ratio: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """By token: +1 where it is praised and the surrogate leaves nothing of its gradient, −1 where it is blamed and so,
    else 0. A gate that only weakens gradients (cispo, sapo) removes none. ratio: as the gate is given it."""
    match token_gate(gate):
        case PpoClip(low, high, dual):
            praised = (ratio > 1 + (NO_HIGH if high is None else high)) & (advantage > 0)
            blamed = (ratio < 1 - (NO_LOW if low is None else low)) & (advantage < 0)
            if dual is not None:
                blamed |= (ratio > dual) & (advantage < 0)
            return praised.int() - blamed.int()
    return torch.zeros_like(advantage, dtype=torch.int)
