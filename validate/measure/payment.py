"""What a reward pays the untrained model's answers, by strategy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clipbias.validate.tasks.rewards import parse_reward, score

from .survey import Survey


@dataclass(frozen=True, slots=True)
class Payment:
    """Chance of being paid for an untrained answer with the strategy and for one without, each with its standard error
    (binomial); overall: of any answer. A strategy that was never seen counts as paid like any answer."""

    with_strategy: float
    with_stderr: float
    without: float
    without_stderr: float
    overall: float


def payment(reward: str, survey: Survey, places: tuple[int, ...], strategy_of: Callable[[str], bool]) -> Payment:
    """What a reward pays over the survey's answers to the problems at `places`."""
    expression = parse_reward(reward)
    paid: dict[bool, list[bool]] = {True: [], False: []}
    for i in places:
        problem, label = survey.problems[i], survey.labels[i]
        for text in survey.answers[i]:
            paid[strategy_of(text)].append(score(expression, text, problem.answer, label))
    overall = float(np.mean(paid[True] + paid[False]))

    def rate(found: list[bool]) -> tuple[float, float]:
        if not found:
            return overall, 0.5
        mean = float(np.mean(found))
        return mean, float(np.sqrt(mean * (1 - mean) / len(found)))

    return Payment(*rate(paid[True]), *rate(paid[False]), overall)
