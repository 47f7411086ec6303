"""What bfloat16 does to a recorded training: a floor under its ratios; and how a model is read without it."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch


@contextmanager
def in_single_precision(model: torch.nn.Module) -> Generator[None]:
    """The model's own forward pass, without what TRL and accelerate put before it, such as autocast: readings before a
    training and after its phases are by the same instrument."""
    wrapped = model.__dict__.pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            model.__dict__["forward"] = wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFloor:
    """Of the tokens of a phase's first mini-batch, whose ratio is 1 but for rounding. log_ratio: root mean square;
    clipped: the share that counts as clipped all the same."""

    log_ratio: float
    clipped: float


def noise_floor(blocks: Sequence[Mapping[str, np.ndarray]]) -> NoiseFloor | None:
    """blocks: a phase's recorded tokens. None where a phase has one mini-batch, whose old probabilities are its own."""
    first = [block for block in blocks if block["minibatch"][0] == 0]
    if len(first) == len(blocks):
        return None
    log_ratio = np.concatenate([block["log_ratio"] for block in first]).astype(np.float64)
    clipped = np.concatenate([block["clipped"] for block in first])
    return NoiseFloor(log_ratio=float(np.sqrt(np.mean(log_ratio**2))), clipped=float(np.mean(clipped != 0)))
