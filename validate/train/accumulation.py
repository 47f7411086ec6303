"""A mini-batch that passes in A micro-batches of equal size, whose gradients TRL adds up before the optimizer's step.

TRL 1.16 divides what it adds up, so that parts make a whole, by its kind of loss (ℓ: of a token, after the surrogate;
n_m: tokens of micro-batch m; N: of its mini-batch):

- sapo: (1/A) Σ_m mean of answers' means. Micro-batches have as many answers each, so that this is the whole's.
- cispo: Σ ℓ over the mean number of tokens of a phase's mini-batches, which does not depend on A.
- bnpo (ppo, gspo): (1/A) Σ_m (1/n_m) Σ_{i∈m} ℓ_i, where the whole is (1/N) Σ_i ℓ_i. A token counts for more in a part
  whose answers are short. Part m is therefore weighted by A·n_m/N.
"""

from collections.abc import Sequence

import torch


def splits_by_tokens(loss_type: str) -> bool:
    """Whether TRL divides each micro-batch by its own number of tokens."""
    return loss_type == "bnpo"


def share_of_tokens(masks: Sequence[torch.Tensor], part: int) -> torch.Tensor:
    """A·n_m/N, of mean 1 over the parts; exactly 1 where there is one. masks: [B/A, T], of the tokens of each of the
    mini-batch's A parts, in one process."""
    counts = torch.stack([mask.sum() for mask in masks])
    return len(masks) * counts[part] / counts.sum()
