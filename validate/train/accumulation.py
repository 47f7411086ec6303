"""A mini-batch that passes in A micro-batches of equal size, whose gradients TRL adds up before the optimizer's step.

With W processes each has as many of them, of a W-th of the answers, and gradients are means over processes.

TRL 1.16 divides what it adds up, so that parts make a whole, by its kind of loss (ℓ: of a token, after the surrogate;
n_m: tokens of micro-batch m; N: of its mini-batch):

- sapo: (1/A) Σ_m mean of answers' means. Micro-batches have as many answers each, so that this is the whole's.
- cispo: Σ ℓ over the mean number of tokens of a phase's mini-batches, which does not depend on A.
- bnpo (ppo, gspo): (1/A) Σ_m (1/n_m) Σ_{i∈m} ℓ_i, where the whole is (1/N) Σ_i ℓ_i. A token counts for more in a part
  whose answers are short. Part m is therefore weighted by A·n_m/N, and by W·A·n_m/N where processes take parts too.
"""

from collections.abc import Callable, Sequence

import torch

from clipbias.common.errors import check
from clipbias.validate.recipe.training import Training


def parts(training: Training, processes: int) -> tuple[int, int]:
    """(Answers that pass at once in each process, micro-batches of a mini-batch)."""
    mine, rest = divmod(training.minibatch_size, processes)
    micro = min(training.micro_size, mine)
    fits = rest == 0 and micro > 0 and mine % micro == 0
    allowed = f"such that {processes} processes split a mini-batch's {training.minibatch_size} answers evenly"
    check(fits, "training.minibatches", allowed, training.minibatches)
    return micro, mine // micro


def splits_by_tokens(loss_type: str) -> bool:
    """Whether TRL divides each micro-batch by its own number of tokens."""
    return loss_type == "bnpo"


def share_of_tokens(
    masks: Sequence[torch.Tensor], part: int, processes: int, total: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """W·A·n_m/N, of mean 1 over all parts; exactly 1 where there is one. masks: of the tokens of each of the
    mini-batch's A parts in this process. total: adds up over processes."""
    counts = torch.stack([mask.sum() for mask in masks])
    return processes * len(masks) * counts[part] / total(counts.sum())
