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
class Tables:
    """A tree's edges and answers by problem, padded to rectangles: edges [P, e] (indices into the tree, 0 in padding),
    present [P, e]; nodes [P, e] numbered within their problem; answers [P, a] and real [P, a]; paths [P, a, depth],
    edges numbered within their problem, e (one past the last) in padding."""

    edges: Tensor
    present: Tensor
    nodes: Tensor
    most_nodes: int
    answers: Tensor
    real: Tensor
    paths: Tensor


def _rectangle(group: Tensor, groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """(members [groups, most] of each group, which of them are real, place [n] of each member in its row)."""
    order = torch.argsort(group, stable=True)
    sizes = torch.bincount(group, minlength=groups)
    first = torch.cumsum(sizes, 0) - sizes
    place = torch.empty_like(group)
    place[order] = torch.arange(len(group)) - first[group[order]]
    members = torch.zeros(groups, int(sizes.max()), dtype=torch.long)
    real = torch.zeros_like(members, dtype=torch.bool)
    members[group, place] = torch.arange(len(group))
    real[group, place] = True
    return members, real, place


def tables(tree: Tree) -> Tables:
    edges, present, edge_place = _rectangle(tree.edge_problem, tree.problems)
    answers, real, _ = _rectangle(tree.problem, tree.problems)
    node = tree.node[edges]
    first = node.masked_fill(~present, int(tree.node.max()) + 1).amin(dim=1, keepdim=True)
    nodes = (node - first).masked_fill(~present, 0)
    width = edges.shape[1]
    local = torch.where(tree.path == PADDING, width, edge_place[tree.path.clamp(min=0)])
    paths = torch.where(real[..., None], local[answers], width)
    return Tables(edges, present, nodes, int(nodes.max()) + 1, answers, real, paths)


@dataclass(frozen=True, slots=True, eq=False)
class NodeLaws:
    """The laws at the nodes of some problems, moved by Δ. log_prob, prob [..., e]: of each edge; rest, q [..., nodes]:
    of what was not seen, moved and at θ₀."""

    log_prob: Tensor
    prob: Tensor
    rest: Tensor
    unseen: Tensor


def _by_node(values: Tensor, nodes: Tensor, count: int) -> Tensor:
    """Sums [..., count] over edges [..., e]."""
    return values.new_zeros(*values.shape[:-1], count).scatter_add_(-1, nodes, values)


def moved(log_prob: Tensor, shift: Tensor, nodes: Tensor, present: Tensor, count: int) -> NodeLaws:
    """The laws at nodes once each edge's φ_e·Δ is `shift`; all of shape [..., e], padding not `present`."""
    prob = log_prob.exp().masked_fill(~present, 0.0)
    unseen = 1.0 - _by_node(prob, nodes, count)
    whole = unseen < WHOLE
    unseen = unseen.masked_fill(whole, 0.0)
    rest_shift = -_by_node(prob * shift, nodes, count) / unseen.masked_fill(whole, 1.0)
    top = shift.masked_fill(~present, 0.0).amax(-1, keepdim=True).maximum(rest_shift.amax(-1, keepdim=True))
    lifted, rest = prob * (shift - top).exp(), unseen * (rest_shift - top).exp()
    total = _by_node(lifted, nodes, count) + rest
    total = torch.where(total > 0, total, 1.0)  # a node number that this problem does not have
    at = total.gather(-1, nodes)
    moved_log_prob = (log_prob + shift - top - at.log()).masked_fill(~present, 0.0)
    return NodeLaws(moved_log_prob, lifted / at, rest / total, unseen)


def along(values: Tensor, paths: Tensor) -> Tensor:
    """Sums [..., a] of the edges' values [..., e] along paths [..., a, depth] (e in padding)."""
    padded = torch.cat([values, values.new_zeros(*values.shape[:-1], 1)], dim=-1)
    picked = padded.unsqueeze(-2).expand(*paths.shape[:-1], padded.shape[-1]).gather(-1, paths)
    return picked.sum(dim=-1)


def score_weights(pull: Tensor, laws: NodeLaws, start: Tensor, nodes: Tensor) -> Tensor:
    """Weights w with Σ_e w_e φ_e = Σ_e pull_e ∇ log p(e | θ₀ + Δ), all [..., e]; start: p(e) at θ₀.

    ∇ log p(e) = φ_e − Σ_c p_Δ(c) φ_c − p_Δ(rest) φ_rest, the mean over the node's own law taken off.
    """
    at_node = _by_node(pull, nodes, laws.rest.shape[-1])
    ratio = torch.where(laws.unseen > 0, laws.rest / laws.unseen.clamp(min=WHOLE), 0.0)
    return pull - at_node.gather(-1, nodes) * (laws.prob - ratio.gather(-1, nodes) * start)
