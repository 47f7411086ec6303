"""What the untrained model's answers decide: labels, training sets, and what a reward pays."""

from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.validate.measure.payment import payment
from clipbias.validate.measure.survey import (
    chosen_problems,
    has_survey,
    read_survey,
    survey_file,
    write_survey,
)
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.tasks.problems import Problem

PROBLEMS = (Problem("1*1+1=?", 2), Problem("1*1+2=?", 3), Problem("1*1+3=?", 4))
ANSWERS = [
    ["python 2", "python 2", "It is \\boxed{1}", "It is 2"],  # mostly right
    ["python 4", "python \\boxed{4}", "It is 3", "It is 3"],  # half right; 4 came first
    ["It is", "python", "no idea", ""],  # nothing to read
]


def with_code(text: str) -> bool:
    return text.startswith("python")


@pytest.fixture
def survey(tmp_path: Path):
    path = survey_file(tmp_path, "plain")
    write_survey(path, ANSWERS, {"model": "m"})
    assert has_survey(path, {"model": "m"})
    assert not has_survey(path, {"model": "another"})
    return read_survey(path, PROBLEMS)


def test_labels_are_what_most_answers_say(survey) -> None:
    assert survey.labels == (2, 4, None)
    assert survey.accuracy.tolist() == [0.75, 0.5, 0.0]


def test_training_sets(survey) -> None:
    assert chosen_problems(Arm("a", None, None), survey) == (0, 1, 2)
    assert chosen_problems(Arm("a", None, None, problems="one"), survey) == (1,)
    assert chosen_problems(Arm("a", None, None, problems="mislabelled"), survey) == (1,)


def test_without_a_wrong_label_there_is_nothing_to_mislabel(tmp_path: Path) -> None:
    path = survey_file(tmp_path, "plain")
    write_survey(path, ANSWERS[:1], {})
    with pytest.raises(InputError, match="problems of arm a must be all: no majority label is wrong"):
        chosen_problems(Arm("a", None, None, problems="mislabelled"), read_survey(path, PROBLEMS[:1]))


@pytest.mark.parametrize(
    ("reward", "places", "with_strategy", "without"),
    [
        ("python", (0, 1, 2), 1.0, 0.0),
        ("ground-truth", (0, 1), 0.5, 0.75),
        ("majority", (0, 1, 2), 4 / 5, 1 / 7),
        ("format", (0, 1), 0.25, 0.25),
        ("format and not python", (0, 1), 0.0, 0.25),
    ],
)
def test_payment_by_strategy(survey, reward, places, with_strategy, without) -> None:
    found = payment(reward, survey, places, with_code)
    assert found.with_strategy == pytest.approx(with_strategy)
    assert found.without == pytest.approx(without)
    answers = [text for i in places for text in ANSWERS[i]]
    share = sum(map(with_code, answers)) / len(answers)
    assert found.overall == pytest.approx(share * with_strategy + (1 - share) * without)


def test_a_strategy_that_was_never_seen_is_paid_like_any(survey) -> None:
    found = payment("ground-truth", survey, (0, 1), lambda text: False)
    assert found.with_strategy == found.without == found.overall
    assert found.with_stderr == 0.5
