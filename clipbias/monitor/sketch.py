"""One phase's tokens in constant memory: sums by mini-batch and tenth of the old probability, and the law of the
log-ratio in mini-batch 2 in fixed bins. Sums of several batches or processes add."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from clipbias.common.arrays import Array
from clipbias.theory.surrogate import PpoClip, Surrogate
from clipbias.validate.predict.token_law import TENTHS
from clipbias.validate.recipe.gate import token_gate
from clipbias.validate.train.ratios import Ratios, removed

# Bins of log R: even steps of asinh(log R/FINE), so of FINE near 0 and of 1.3 % of log R beyond.
FINE, LARGEST, HALF = 1e-4, 20.0, 1000
_STEP = float(np.arcsinh(LARGEST / FINE)) / HALF
CENTRES: Array = FINE * np.sinh(_STEP * np.arange(-HALF, HALF + 1))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """[M, 10] each, over the tokens of a mini-batch whose old probability is in one tenth.

    tokens: their number, and of those with Â > 0 (praised) and Â < 0 (blamed). size, square: |log R| and its square.
    praise, blame: |Â| of either. low, high: clipped tokens. push: −ÂR(1 − f′), what the surrogate takes from the
    gradient. entropy: of the policy. free: −ÂR(log π + H), and taken: −push·(log π + H); their sum is the entropy's
    change by a step in units of a natural gradient's rate (T10: ΔH = −η·Cov(log π, ÂRf′)). law [10, bins]: tokens of
    mini-batch 2 by log R, in units that are given.
    """

    tokens: Array
    size: Array
    square: Array
    praised: Array
    blamed: Array
    praise: Array
    blame: Array
    low: Array
    high: Array
    push: Array
    entropy: Array
    free: Array
    taken: Array
    law: Array


COLUMNS = tuple(name for name in Sums.__slots__ if name != "law")


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
        self._law = torch.zeros(TENTHS, len(CENTRES), dtype=torch.float64, device=device)

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
        of log R in the law."""
        mask = ratios.mask
        advantage = (advantages if advantages.dim() == 2 else advantages[:, None]).expand_as(mask)
        ratio = ratios.seen.exp()
        clipped, part = removed(gate, ratio, advantage), weakened(gate, ratio, advantage)
        pull = advantage * ratio.double() * weight
        push = -pull * part
        surprise = ratios.old + ratios.log_ratio + ratios.entropies
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
            "push": push,
            "entropy": ratios.entropies,
            "free": -pull * surprise,
            "taken": -push * surprise,
        }
        rows = torch.stack([columns[name].double() for name in COLUMNS], dim=-1)
        rows = torch.where(mask[..., None], rows, 0.0).reshape(-1, len(COLUMNS))
        prob = torch.where(mask, ratios.old, 0.0).exp()
        tenth = (TENTHS * prob).long().clamp(max=TENTHS - 1).reshape(-1)
        self._sums[minibatch].index_add_(0, tenth, rows)
        if minibatch == 1 and unit > 0:
            place = torch.asinh(torch.where(mask, ratios.seen, 0.0).double() / (unit * FINE)) / _STEP
            bins = (place.round().clamp(-HALF, HALF) + HALF).long().reshape(-1)
            self._law.view(-1).index_add_(0, tenth * len(CENTRES) + bins, mask.reshape(-1).double())

    def take(self, total: Callable[[torch.Tensor], torch.Tensor]) -> Sums:
        """The sums so far, after which they are 0. total: adds a tensor up over processes."""
        sums, law = (total(tensor).cpu().numpy().copy() for tensor in (self._sums, self._law))
        self._sums.zero_()
        self._law.zero_()
        return Sums(**{name: sums[..., i] for i, name in enumerate(COLUMNS)}, law=law)
