"""Trees of policies that are log-linear in their parameters, for which the tangent model leaves nothing out."""

import torch
from torch import Tensor

from clipbias.simulate.tangent.reading import Observable
from clipbias.simulate.tangent.tree import Tree


def one_token(probs: Tensor, features: Tensor) -> Tree:
    """One problem, K answers of one token: φ_a = Φ_a − Σ_b p_b Φ_b; Φ = `features` [K, D]."""
    outcomes = len(probs)
    return Tree(
        gradients=features - probs @ features,
        scale=torch.ones(features.shape[1], dtype=probs.dtype),
        log_prob=probs.log(),
        length=torch.ones(outcomes, dtype=probs.dtype),
        node=torch.zeros(outcomes, dtype=torch.long),
        edge_problem=torch.zeros(outcomes, dtype=torch.long),
        problem=torch.zeros(outcomes, dtype=torch.long),
        count=1000 * probs,
        tokens=torch.ones(outcomes, dtype=torch.long),
        path=torch.arange(outcomes)[:, None],
    )


def tabular(probs: Tensor) -> Tree:
    """A logit of its own for every answer: φ_a = e_a − π₀."""
    return one_token(probs, torch.eye(len(probs), dtype=probs.dtype))


def shares(outcomes: int) -> list[Observable]:
    """The log-odds of each answer's share."""
    return [Observable(str(k), row, torch.ones(outcomes)) for k, row in enumerate(torch.eye(outcomes))]
