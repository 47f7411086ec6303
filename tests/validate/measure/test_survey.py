"""What the untrained model's answers decide: labels, training sets, and what a reward pays."""

from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.validate.measure.payment import payment
from clipbias.validate.measure.survey import (
    Survey,
    chosen_problems,
    has_survey,
    labelled_for,
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


def many(count: int) -> Survey:
    """Of every three labels one is right, one wrong, and one is none."""
    problems = tuple(Problem(f"{i}", i) for i in range(count))
    labels = tuple((i, i + 1, None)[i % 3] for i in range(count))
    return Survey(problems, tuple(() for _ in problems), labels)


def incorrect(part: float | None) -> Arm:
    return Arm("a", None, None, reward="incorrect", problems="mislabelled", secretly_right=part)


def test_a_part_of_the_wrong_labels_is_secretly_right() -> None:
    survey = many(300)
    assert labelled_for(incorrect(None), survey) == survey
    changed = {}
    for part in (0.08, 0.16, 0.3, 1.0):
        arm = incorrect(part)
        made = labelled_for(arm, survey)
        changed[part] = {i for i in range(300) if made.labels[i] != survey.labels[i]}
        assert len(changed[part]) == round(100 * part)
        assert all(i % 3 == 1 and made.labels[i] == survey.problems[i].answer for i in changed[part])
        assert chosen_problems(arm, survey) == chosen_problems(incorrect(None), survey) == tuple(range(1, 300, 3))
        assert labelled_for(arm, survey) == made
    assert changed[0.08] < changed[0.16] < changed[0.3] < changed[1.0]
    apart = sorted(changed[0.3])
    assert apart != sorted(range(1, 300, 3))[:30]  # not simply the first of them


def test_what_the_dial_changes_is_paid_for(survey) -> None:
    """The second problem's label 4 is made 3, the truth: half of its answers each, by other strategies."""
    places, wrong = (1,), incorrect(None)
    before = payment("incorrect", labelled_for(wrong, survey), places, with_code)
    after = payment("incorrect", labelled_for(incorrect(1.0), survey), places, with_code)
    truth = payment("ground-truth", survey, places, with_code)
    assert (before.with_strategy, before.without) == (1.0, 0.0)
    assert (after.with_strategy, after.without) == (truth.with_strategy, truth.without) == (0.0, 1.0)


@pytest.mark.parametrize(("part", "reward"), [(0.0, "incorrect"), (1.5, "majority"), (0.5, "ground-truth")])
def test_a_dial_needs_labels_and_a_part(part, reward) -> None:
    with pytest.raises(InputError, match="secretly_right of arm a must be"):
        Arm("a", None, None, reward=reward, secretly_right=part)


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
