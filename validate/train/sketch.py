"""The sums of the phase that is under way, kept on the training's own device (`predict.sums`)."""

from collections.abc import Callable

import numpy as np
import torch

from clipbias.theory.surrogate import PpoClip, Surrogate
from clipbias.validate.predict.sums import CENTRES, COLUMNS, FINE, HALF, SIGNS, STEP, Sums
from clipbias.validate.predict.token_law import TENTHS
from clipbias.validate.recipe.gate import token_gate

from .ratios import Ratios, removed


def weakened(gate: Surrogate, ratio: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """1 − f′ of every token, by the sign of its advantage."""
    if isinstance(token_gate(gate), PpoClip):
        return removed(gate, ratio, advantage).abs()
    above, below = gate.slopes(ratio.cpu().numpy(), np.ones(tuple(ratio.shape)))
    part = 1.0 - np.where(advantage.cpu().numpy() > 0, above, below)
    return torch.from_numpy(part).to(ratio.device)


class Sketch:
    """Of the phase that is under way, on the training's own device."""

    def __init__(self, minibatches: int, device: torch.device) -> None:
        self._sums = torch.zeros(minibatches, TENTHS, len(COLUMNS), dtype=torch.float64, device=device)
        shape = (minibatches, len(SIGNS), TENTHS, len(CENTRES))
        self._histogram = torch.zeros(shape, dtype=torch.int32, device=device)

    @torch.no_grad()
    def add(
        self,
        minibatch: int,
        ratios: Ratios,
        advantages: torch.Tensor,
        gate: Surrogate,
        weight: torch.Tensor | float = 1.0,
        unit: float = 1.0,
    ) -> None:
        """Tokens of mini-batch 0…M−1. advantages: [B] or [B, T]. weight: of each token's loss, beside its ratio. unit:
        of log R in the histogram; without one, 0, none is made."""
        mask = ratios.mask
        advantage = (advantages if advantages.dim() == 2 else advantages[:, None]).expand_as(mask)
        ratio = ratios.seen.exp()
        clipped, part = removed(gate, ratio, advantage), weakened(gate, ratio, advantage)
        pull = advantage * ratio.double() * weight
        push = -pull * part
        surprise = ratios.old + ratios.log_ratio + ratios.entropies
        begins = torch.zeros_like(mask)
        begins[:, 0] = mask[:, 0]
        columns = {
            "tokens": mask,
            "size": ratios.seen.abs(),
            "square": ratios.seen.double().square(),
            "praised": advantage > 0,
            "blamed": advantage < 0,
            "praise": advantage.clamp(min=0),
            "blame": -advantage.clamp(max=0),
            "low": clipped < 0,
            "high": clipped > 0,
            "first": begins,
            "first_low": begins & (clipped < 0),
            "first_high": begins & (clipped > 0),
            "push": push,
            "entropy": ratios.entropies,
            "free": -pull * surprise,
            "taken": -push * surprise,
        }
        rows = torch.stack([columns[name].double() for name in COLUMNS], dim=-1)
        rows = torch.where(mask[..., None], rows, 0.0).reshape(-1, len(COLUMNS))
        prob = torch.where(mask, ratios.old, 0.0).double().exp()
        tenth = (TENTHS * prob).long().clamp(max=TENTHS - 1).reshape(-1)
        self._sums[minibatch].index_add_(0, tenth, rows)
        if unit > 0:
            place = torch.asinh(torch.where(mask, ratios.seen, 0.0).double() / (unit * FINE)) / STEP
            bins = (place.round().clamp(-HALF, HALF) + HALF).long().reshape(-1)
            sign = 1 + (advantage > 0).long() - (advantage < 0).long()
            cell = (sign.reshape(-1) * TENTHS + tenth) * len(CENTRES) + bins
            self._histogram[minibatch].view(-1).index_add_(0, cell, mask.reshape(-1).int())

    def take(self, total: Callable[[torch.Tensor], torch.Tensor]) -> Sums:
        """The sums so far, after which they are 0. total: adds a tensor up over processes."""
        sums, histogram = (total(tensor).cpu().numpy().copy() for tensor in (self._sums, self._histogram))
        self._sums.zero_()
        self._histogram.zero_()
        return Sums(**{name: sums[..., i] for i, name in enumerate(COLUMNS)}, histogram=histogram)
