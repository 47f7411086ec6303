"""Edges, nodes and answers of a few problems side by side, as many rows of them as there are seeds."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .tree import PADDING, Nodes, Tree


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """R rows of Q problems each, their edges one after another: edges [R, e] (numbers in the tree, 0 in padding), sizes
    [R]: how many are no padding; nodes: their laws. answers [R, Q, a] (numbers in the tree) and real [R, Q, a]; paths
    [R, Q, a, depth]: places in a row of edges, e (one past the last) in padding."""

    edges: Tensor
    sizes: Tensor
    nodes: Nodes
    answers: Tensor
    real: Tensor
    paths: Tensor


class Layout:
    """Where a tree's problems begin and end."""

    def __init__(self, tree: Tree) -> None:
        self.tree, count = tree, tree.problems
        self._edges = torch.bincount(tree.edge_problem, minlength=count)
        self._first = torch.cumsum(self._edges, 0) - self._edges
        known, node = torch.unique(
            torch.stack([tree.edge_problem, tree.node]), dim=1, return_inverse=True
        )  # sorted by problem
        self._nodes = torch.bincount(known[0], minlength=count)
        self._node = node - (torch.cumsum(self._nodes, 0) - self._nodes)[tree.edge_problem]
        order = torch.argsort(tree.problem, stable=True)
        sizes = torch.bincount(tree.problem, minlength=count)
        first = torch.cumsum(sizes, 0) - sizes
        place = torch.arange(int(sizes.max()))
        self._real = place < sizes[:, None]
        self._answers = order[(first[:, None] + place).clamp(max=len(order) - 1)].masked_fill(~self._real, 0)

    @property
    def mean_edges(self) -> float:
        """Of a problem."""
        return float(self._edges.double().mean())

    def pack(self, chosen: Tensor) -> Packed:
        """chosen [R, Q]: problems; one that stands twice in a row gets two places."""
        tree, last = self.tree, chosen.shape[1] - 1
        ends = torch.cumsum(self._edges[chosen], 1)
        width = max(1, int(ends[:, -1].max()))
        place = torch.arange(width).expand(len(chosen), width)
        slot = torch.searchsorted(ends, place.contiguous(), right=True)
        present, slot = slot <= last, slot.clamp(max=last)
        back = self._first[chosen] - ends + self._edges[chosen]  # from a place in the row to a number in the tree
        edges = (place + back.gather(1, slot)).masked_fill(~present, 0)
        node_ends = torch.cumsum(self._nodes[chosen], 1)
        node = self._node[edges] + (node_ends - self._nodes[chosen]).gather(1, slot)
        nodes = Nodes(tree.log_prob[edges], node.masked_fill(~present, 0), present, max(1, int(node_ends[:, -1].max())))
        answers, real = self._answers[chosen], self._real[chosen]
        path = tree.path[answers]
        paths = torch.where((path == PADDING) | ~real[..., None], width, path - back[..., None, None])
        return Packed(edges, ends[:, -1], nodes, answers, real, paths)
