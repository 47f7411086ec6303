"""What a model's own gradients say of its answers: each problem's answers as paths through a tree of tokens.

An edge is one token after one beginning (or several tokens in a row, where gradients are too dear to be had of each);
a node is a beginning, and its edges are what the model was seen to do there. Near θ₀ an edge's log-probability moves by

    log p(e | θ₀ + Δ) = log p(e) + φ_e·Δ − log Z_node(Δ),   Z = Σ_{seen e} p(e) exp(φ_e·Δ) + q exp(φ_rest·Δ),

with φ_e = ∇ log p(e | θ₀). What was not seen at a node is one more edge, of probability q = 1 − Σ p(e) and, since
scores have mean zero, of gradient φ_rest = −Σ p(e) φ_e / q; so Z needs no sampling and every node stays a law.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from clipbias.common.errors import check

PADDING = -1  # of a path
WHOLE = (
    1e-3  # a node whose unseen part is less is taken to be seen whole: φ_rest would be a quotient of rounding errors
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """N distinct answers to P problems, of E edges.

    gradients [E, D]: φ_e at D coordinates of the parameters; scale [D]: 1/chance of each coordinate to be among them,
    so that φ·Δ = Σ_d scale_d φ_d Δ_d has no bias. log_prob [E]: log p(e) at θ₀. length [E]: tokens of an edge. node [E]
    and edge_problem [E]: edges of a problem stand together, problems in order. problem, count, tokens [N]: of an answer
    its problem, how often it was seen, and its tokens, those on no edge included. path [N, depth]: its edges,
    `PADDING` after the last.
    """

    gradients: Tensor
    scale: Tensor
    log_prob: Tensor
    length: Tensor
    node: Tensor
    edge_problem: Tensor
    problem: Tensor
    count: Tensor
    tokens: Tensor
    path: Tensor

    def __post_init__(self) -> None:
        edges, answers = len(self.gradients), len(self.problem)
        for name in ("log_prob", "length", "node", "edge_problem"):
            found = len(getattr(self, name))
            check(found == edges, name, f"of {edges} edges", found)
        for name in ("count", "tokens", "path"):
            found = len(getattr(self, name))
            check(found == answers, name, f"of {answers} answers", found)
        check(len(self.scale) == self.gradients.shape[1], "scale", f"of {self.gradients.shape[1]}", len(self.scale))

    @property
    def problems(self) -> int:
        return int(self.problem.max()) + 1

    def only(self, problems: Tensor) -> "Tree":
        """The part of it that belongs to these problems, numbered anew in this order; problems: sorted, distinct."""
        place = torch.full((self.problems,), -1)
        place[problems] = torch.arange(len(problems))
        answers, edges = place[self.problem] >= 0, place[self.edge_problem] >= 0
        moved_edge = torch.cumsum(edges, 0) - 1
        path = self.path[answers]
        return Tree(
            gradients=self.gradients[edges],
            scale=self.scale,
            log_prob=self.log_prob[edges],
            length=self.length[edges],
            node=torch.unique(self.node[edges], return_inverse=True)[1],
            edge_problem=place[self.edge_problem[edges]],
            problem=place[self.problem[answers]],
            count=self.count[answers],
            tokens=self.tokens[answers],
            path=torch.where(path == PADDING, PADDING, moved_edge[path.clamp(min=0)]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class NodeLaws:
    """Laws at nodes, moved by Δ. log_prob, prob [R, e]: of each edge; rest [R, nodes]: of what was not seen."""

    log_prob: Tensor
    prob: Tensor
    rest: Tensor


class Nodes:
    """The laws at the nodes of R rows of edges. log_prob, nodes (numbers of nodes within a row), present (padding is
    not): [R, e]; count: nodes of a row."""

    def __init__(self, log_prob: Tensor, nodes: Tensor, present: Tensor, count: int) -> None:
        self.log_prob, self.nodes, self.present = log_prob.masked_fill(~present, 0.0), nodes, present
        self.prob = log_prob.exp().masked_fill(~present, 0.0)
        unseen = 1.0 - self.prob.new_zeros(len(nodes), count).scatter_add_(1, nodes, self.prob)
        self._whole = unseen < WHOLE
        self.unseen = unseen.masked_fill(self._whole, 0.0)
        self._divisor = unseen.masked_fill(self._whole, 1.0)

    def _sums(self, values: Tensor) -> Tensor:
        """[R, nodes] over edges [R, e]."""
        return values.new_zeros(len(values), self.unseen.shape[1]).scatter_add_(1, self.nodes.expand_as(values), values)

    def _at(self, values: Tensor) -> Tensor:
        """[R, e]: what [R, nodes] says of each edge's node."""
        return values.gather(1, self.nodes.expand(len(values), -1))

    def moved(self, shift: Tensor) -> NodeLaws:
        """The laws once each edge's φ_e·Δ is `shift`, [R, e] (R rows of shifts for one row of edges will do)."""
        rest_shift = (-self._sums(self.prob * shift) / self._divisor).masked_fill(self._whole, 0.0)
        low = shift.masked_fill(~self.present, -torch.inf)
        top = rest_shift.scatter_reduce(1, self.nodes.expand_as(shift), low, "amax")
        at_top = self._at(top)
        lifted = (self.prob * (shift - at_top).exp()).masked_fill(~self.present, 0.0)
        rest = self.unseen * (rest_shift - top).exp()
        total = self._sums(lifted) + rest
        total = torch.where(total > 0, total, 1.0)  # a node number that this row does not have
        at = self._at(total)
        log_prob = (self.log_prob + shift - at_top - at.log()).masked_fill(~self.present, 0.0)
        return NodeLaws(log_prob, lifted / at, rest / total)

    def score_weights(self, pull: Tensor, laws: NodeLaws) -> Tensor:
        """Weights w with Σ_e w_e φ_e = Σ_e pull_e ∇ log p(e | θ₀ + Δ), all [R, e].

        ∇ log p(e) = φ_e − Σ_c p_Δ(c) φ_c − p_Δ(rest) φ_rest, the mean over the node's own law taken off.
        """
        ratio = (laws.rest / self._divisor).masked_fill(self._whole, 0.0)
        mean = self._at(self._sums(pull)) * (laws.prob - self._at(ratio) * self.prob)
        return pull - mean


def along(values: Tensor, paths: Tensor) -> Tensor:
    """Sums [R, a] of the edges' values [R, e] along paths [R, a, depth] (e in padding)."""
    padded = torch.cat([values, values.new_zeros(len(values), 1)], dim=1)
    return padded.gather(1, paths.flatten(1)).view(paths.shape).sum(dim=2)
