"""What is read of a moved model: shares of kinds of answers, by reweighting the answers of a survey."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .tree import Tree, along, moved, tables

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
        self.tree, self.observables = tree, tuple(observables)
        self._tables = tables(tree)
        self._scaled = (tree.gradients * tree.scale).T.contiguous()

    def read(self, shift: Tensor) -> Reading:
        """shift: Δ [R, D]."""
        tree, laid = self.tree, self._tables
        shifts = (shift @ self._scaled)[:, laid.edges]  # [R, P, e]
        nodes, present = (x.expand_as(shifts) for x in (laid.nodes, laid.present))
        log_prob = tree.log_prob[laid.edges].expand_as(shifts)
        laws = moved(log_prob, shifts, nodes, present, laid.most_nodes)
        gain = (laws.log_prob - log_prob).masked_fill(~present, 0.0)
        gains = along(gain, laid.paths.expand(len(shift), *laid.paths.shape)).masked_fill(~laid.real, -torch.inf)
        count = tree.count[laid.answers]
        weights = (gains + count.log()).softmax(-1)
        effective = (1.0 / (weights.square() / count).masked_fill(~laid.real, 0.0).sum(-1)).mean(-1)
        values = []
        for seen in self.observables:
            of, given = (x[laid.answers].masked_fill(~laid.real, 0.0) for x in (seen.of * seen.given, seen.given))
            share = ((weights * of).sum((1, 2)) / (weights * given).sum((1, 2))).double()
            values.append(torch.logit(share, TINY) if seen.log_odds else share)
        return Reading(torch.stack(values, -1), effective)
