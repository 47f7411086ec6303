"""What is read of a moved model: shares of kinds of answers, by reweighting the answers of a survey."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .packing import Layout
from .tree import Tree, along

TINY = 1e-6  # a share is read no nearer to 0 or 1: what is left of it are rounding errors of weights


@dataclass(frozen=True, slots=True, eq=False)
class Observable:
    """Σ w·of·given / Σ w·given over all answers, w the moved model's law over a problem's answers; of, given [N].

    log_odds: whether it is read as a log-odds (of a share) or as it is (of a length)."""

    name: str
    of: Tensor
    given: Tensor
    log_odds: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """values [R, ..., O]; effective [R, ...]: the mean over problems of (Σ w)²/Σ w² in answers seen, counts taken as so
    many answers."""

    values: Tensor
    effective: Tensor

    @classmethod
    def stacked(cls, readings: Sequence["Reading"]) -> "Reading":
        """Readings of the same seeds after 0…T phases as one."""
        return cls(torch.stack([r.values for r in readings], 1), torch.stack([r.effective for r in readings], 1))

    @classmethod
    def joined(cls, readings: Sequence["Reading"]) -> "Reading":
        """Readings of different seeds as one."""
        return cls(torch.cat([r.values for r in readings]), torch.cat([r.effective for r in readings]))


class Reader:
    """Reads observables of a tree's answers at any Δ."""

    def __init__(self, tree: Tree, observables: Sequence[Observable]) -> None:
        self.observables = tuple(observables)
        self._packed = Layout(tree).pack(torch.arange(tree.problems)[None])
        self._log_count = tree.count[self._packed.answers[0]].log().masked_fill(~self._packed.real[0], -torch.inf)
        self._scaled = ((tree.gradients * tree.scale)[self._packed.edges[0]]).T.contiguous()
        self._kinds = [
            [x[self._packed.answers[0]].masked_fill(~self._packed.real[0], 0.0) for x in (o.of * o.given, o.given)]
            for o in self.observables
        ]

    def read(self, shift: Tensor) -> Reading:
        """shift: Δ [R, D]."""
        packed = self._packed
        laws = packed.nodes.moved(shift @ self._scaled)
        paths = packed.paths[0].flatten(0, 1).expand(len(shift), -1, -1)
        gains = along(laws.log_prob - packed.nodes.log_prob, paths).unflatten(1, packed.real.shape[1:])
        weights = (gains + self._log_count).softmax(-1)
        effective = (1.0 / (weights.square() / self._log_count.exp()).nan_to_num(0.0).sum(-1)).mean(-1)
        values = []
        for seen, (of, given) in zip(self.observables, self._kinds, strict=True):
            share = ((weights * of).sum((1, 2)) / (weights * given).sum((1, 2))).double()
            values.append(torch.logit(share, TINY) if seen.log_odds else share)
        return Reading(torch.stack(values, -1), effective)
