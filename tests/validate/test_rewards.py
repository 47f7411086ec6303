import math

import numpy as np
from clipbias.validate.rewards import random_reward, random_reward_function


def test_draws_are_fair_by_z_score() -> None:
    draws = [random_reward(3, t, k, i, 0.3) for t in range(20) for k in range(20) for i in range(16)]
    z = (np.mean(draws) - 0.3) / math.sqrt(0.3 * 0.7 / len(draws))
    assert abs(z) < 4


def test_a_draw_depends_on_every_coordinate_and_on_nothing_else() -> None:
    def row(seed: int, phase: int, prompt: int) -> list[float]:
        return [random_reward(seed, phase, prompt, i, 0.5) for i in range(64)]

    base = row(1, 2, 3)
    assert row(1, 2, 3) == base
    for other in (row(2, 2, 3), row(1, 3, 3), row(1, 2, 4)):
        agreement = np.mean(np.equal(base, other))
        assert abs(agreement - 0.5) < 4 * 0.5 / 8  # independent coins agree half the time


def test_the_reward_function_ignores_the_completions() -> None:
    reward = random_reward_function(seed=5, success_prob=0.5, group_size=4)
    phases, slots = [7] * 8, [0] * 4 + [1] * 4
    first = reward(completions=["right"] * 8, phase=phases, slot=slots, prompts=None)
    second = reward(completions=["wrong"] * 8, phase=phases, slot=slots, prompts=None)
    assert first == second == [random_reward(5, 7, k, i, 0.5) for k in (0, 1) for i in range(4)]
