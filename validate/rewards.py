"""Rewards that say nothing: counter-based, so that arms are paired, ranks differ and a resumed run repeats itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
from accelerate import PartialState


def random_reward(seed: int, phase: int, prompt: int, sample: int, success_prob: float) -> float:
    """One Bernoulli(success_prob) draw that depends on nothing but its arguments (Philox, Salmon et al. 2011)."""
    generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, phase, prompt, sample]))
    return float(generator.random() < success_prob)


def random_reward_function(seed: int, success_prob: float, group_size: int) -> Callable[..., list[float]]:
    """The same draw as a TRL reward function.

    TRL's sampler lays the generation batch out as `group_size` neighbours per prompt and gives each process a
    contiguous part of it, so the position in the whole batch modulo `group_size` is the sample's number.
    """

    def reward(completions: list[Any], phase: list[int], slot: list[int], **_: Any) -> list[float]:
        first = PartialState().process_index * len(completions)
        return [
            random_reward(seed, t, k, (first + i) % group_size, success_prob)
            for i, (t, k) in enumerate(zip(phase, slot, strict=True))
        ]

    return reward
