"""What each reward pays for the survey's answers: words of `validate.tasks.rewards`, or the user's functions as TRL
calls them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check
from clipbias.validate.measure.gradient_survey import GradientSurvey
from clipbias.validate.tasks.rewards import RewardExpression, parse_reward, score

from .functions import call_reward, is_function, load_function
from .prompts import Prompts, repeated

COIN = 0.5  # chance that "random" pays


@dataclass(frozen=True, slots=True, eq=False)
class Paid:
    """name: as tables have it. values [N]: of the survey's answers, or a coin's chance. steady: whether the function
    said the same twice of one problem's answers."""

    name: str
    values: Array | float
    steady: bool = True


def check_rewards(texts: Sequence[str], prompts: Prompts) -> None:
    """Raise InputError, before anything is measured, where a reward cannot be asked."""
    for text in texts:
        if is_function(text):
            load_function(text, "reward")
        else:
            _word(text, prompts)


def names(texts: Sequence[str]) -> list[str]:
    """Of a function its own name, unless two have it."""
    short = [text.rpartition(":")[2] if is_function(text) else text for text in texts]
    return [name if short.count(name) == 1 else text for name, text in zip(short, texts, strict=True)]


def _word(text: str, prompts: Prompts) -> RewardExpression:
    try:
        reward = parse_reward(text)
    except InputError as error:
        raise InputError("reward", f"file.py:function, or {error.rule.removeprefix('must be ')}") from None
    for needed, column in ((reward.needs_answer, "answer"), (reward.needs_label, "label")):
        check(
            not needed or column in prompts.columns, "reward", f"one that needs no column {column} in --prompts", text
        )
    check(not reward.is_random or str(reward) == "random", "reward", '"random" alone, a fair coin', text)
    return reward


def pay(text: str, name: str, prompts: Prompts, survey: GradientSurvey) -> Paid:
    """What one reward pays."""
    if is_function(text):
        return _by_function(text, name, prompts, survey)
    reward = _word(text, prompts)
    if reward.is_random:
        return Paid(name, COIN)
    answer, label = (_answers(prompts.columns.get(column), len(prompts.prompts)) for column in ("answer", "label"))
    found = [
        score(reward, words, answer[problem], label[problem])
        for words, problem in zip(survey.texts, survey.tree.problem.tolist(), strict=True)
    ]
    return Paid(name, np.array(found, dtype=np.float64))


def _answers(column: list[Any] | None, count: int) -> list[int | str | None]:
    """Integers where they are written so, LaTeX otherwise."""
    return [None] * count if column is None else [_answer(value) for value in column]


def _answer(value: Any) -> int | str | None:
    if value is None or isinstance(value, bool):
        return None
    text = str(value).strip()
    try:
        return int(text.replace(",", "")) if len(text) < 20 else text
    except ValueError:
        return text


def _by_function(text: str, name: str, prompts: Prompts, survey: GradientSurvey) -> Paid:
    from transformers.trainer_callback import TrainerState

    function = load_function(text, "reward")
    problem = survey.tree.problem.tolist()

    def asked(answers: Sequence[int]) -> list[float]:
        of = [problem[i] for i in answers]
        said: list[Any] = [survey.texts[i] for i in answers]
        if prompts.chat:
            said = [[{"role": "assistant", "content": words}] for words in said]
        columns = {column: repeated(values, of) for column, values in prompts.columns.items()}
        return call_reward(
            function,
            text,
            len(of),
            prompts=repeated(prompts.prompts, of),
            completions=said,
            completion_ids=[list(survey.token_ids[i]) for i in answers],
            trainer_state=TrainerState(),
            log_extra=_ignore,
            log_metric=_ignore,
            **columns,
        )

    values = asked(range(len(problem)))
    again = [i for i in range(len(problem)) if problem[i] == problem[0]]
    return Paid(name, np.array(values), asked(again) == [values[i] for i in again])


def _ignore(*_: Any) -> None:
    """TRL's functions for logging."""
