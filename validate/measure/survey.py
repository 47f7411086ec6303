"""What the untrained model answers to the training problems, and what follows from it: labels, training sets.

The texts are kept, everything else is read from them: `survey/STYLE.parquet` in the run folder, one row an answer.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clipbias.common.errors import InputError, check
from clipbias.common.files import read_parquet, write_parquet
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.tasks.majority import majority_labels
from clipbias.validate.tasks.problems import Problem, read_like, says

SEED = 2506_10947  # of the sampler: the survey is part of the instrument


def survey_file(folder: Path, style: str) -> Path:
    return folder / "survey" / f"{style}.parquet"


@dataclass(frozen=True, slots=True)
class Survey:
    """answers: texts by problem; labels: the majority's answer to each, None where no answer could be read."""

    problems: tuple[Problem, ...]
    answers: tuple[tuple[str, ...], ...]
    labels: tuple[Any, ...]

    @property
    def accuracy(self) -> np.ndarray:
        """Share of right answers by problem."""
        asked = zip(self.problems, self.answers, strict=True)
        return np.array([np.mean([says(text, problem.answer) for text in texts]) for problem, texts in asked])


def write_survey(path: Path, answers: list[list[str]], key: dict[str, str]) -> None:
    rows = [
        {"problem": i, "sample": j, "text": text} for i, texts in enumerate(answers) for j, text in enumerate(texts)
    ]
    write_parquet(path, rows, key)


def has_survey(path: Path, key: dict[str, str]) -> bool:
    """Whether the file is there and of the same model and questions."""
    return path.is_file() and read_parquet(path)[1] == key


def read_survey(path: Path, problems: tuple[Problem, ...]) -> Survey:
    if not path.is_file():
        raise InputError("dir", f"the survey of the untrained model; {path} is missing: resume the run", verb="hold")
    table = read_parquet(path)[0]
    answers: list[list[str]] = [[] for _ in problems]
    for i, text in zip(table["problem"].to_pylist(), table["text"].to_pylist(), strict=True):
        answers[i].append(text)
    labels = majority_labels(
        [[read_like(text, p.answer) for text in texts] for p, texts in zip(problems, answers, strict=True)]
    )
    return Survey(problems, tuple(tuple(texts) for texts in answers), tuple(labels))


def labelled_for(arm: Arm, survey: Survey) -> Survey:
    """The survey with the labels that the arm is paid by: `secretly_right` of the wrong ones, rounded, made right.

    Which problems these are follows from their number alone, so that arms and seeds share them and a smaller part lies
    within a larger one. Which problems an arm is trained on is asked of the survey itself (`chosen_problems`).
    """
    if arm.secretly_right is None:
        return survey
    wrong = _mislabelled(survey)
    order = np.random.default_rng([SEED, len(wrong)]).permutation(len(wrong))
    mended = {wrong[i] for i in order[: round(arm.secretly_right * len(wrong))]}
    labels = tuple(survey.problems[i].answer if i in mended else label for i, label in enumerate(survey.labels))
    return replace(survey, labels=labels)


def _mislabelled(survey: Survey) -> tuple[int, ...]:
    labelled = zip(survey.problems, survey.labels, strict=True)
    return tuple(i for i, (p, label) in enumerate(labelled) if label is not None and not says(_boxed(label), p.answer))


def _boxed(label: int | str) -> str:
    return f"\\boxed{{{label}}}"


def chosen_problems(arm: Arm, survey: Survey) -> tuple[int, ...]:
    """Places of the problems that the arm is trained on."""
    if arm.problems == "one":
        return (int(np.argmin(np.abs(survey.accuracy - 0.5))),)
    if arm.problems == "mislabelled":
        wrong = _mislabelled(survey)
        check(len(wrong) > 0, f"problems of arm {arm.name}", "all: no majority label is wrong", arm.problems)
        return wrong
    return tuple(range(len(survey.problems)))
