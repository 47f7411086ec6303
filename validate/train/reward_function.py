"""A reward expression as a reward function for TRL."""

from collections.abc import Callable
from typing import Any

from accelerate import PartialState

from clipbias.common.errors import check
from clipbias.validate.tasks.rewards import RewardExpression, random_reward, score


def text_of(completion: str | list[dict[str, Any]]) -> str:
    """The text of a completion, which TRL hands over as messages where the prompt was a chat."""
    if isinstance(completion, str):
        return completion
    return "".join(message["content"] or "" for message in completion)


def reward_function(
    reward: RewardExpression, seed: int, success_prob: float, group_size: int
) -> Callable[..., list[float | None]]:
    """The reward as a TRL reward function, whose values depend on the seed and the sample, not on order or process.

    TRL's sampler lays the generation batch out as `group_size` neighbours per prompt and gives each process a
    contiguous part of it, so the position in the whole batch modulo `group_size` is the sample's number.
    """

    def function(
        completions: list[Any],
        phase: list[int],
        slot: list[int],
        answer: list[int | str] | None = None,
        label: list[int | str | None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        check(answer is not None or not reward.needs_answer, "answer", f"a column for the reward {reward}", answer)
        check(label is not None or not reward.needs_label, "label", f"a column for the reward {reward}", label)
        first = PartialState().process_index * len(completions)
        values: list[float | None] = []
        for i, (completion, t, k) in enumerate(zip(completions, phase, slot, strict=True)):
            draw = None
            if reward.is_random:
                draw = random_reward(seed, t, k, (first + i) % group_size, success_prob) == 1.0
            right, voted = None if answer is None else answer[i], None if label is None else label[i]
            values.append(float(score(reward, text_of(completion), right, voted, draw)))
        return values

    return function
