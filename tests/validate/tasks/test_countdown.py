"""Countdown goals can be reached, by another search than the one that drew them; answers are judged by value."""

import itertools
import operator
import time
from fractions import Fraction

import numpy as np
import pytest

from clipbias.validate.tasks.countdown import Goal, draw_goals, question, reaches, read_goal
from clipbias.validate.tasks.problems import is_boxed, says


def written(numbers: tuple[int, ...], target: int) -> str | None:
    """An expression found by trying all trees, orders and signs."""
    signs = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}

    def trees(items: tuple[tuple[Fraction, str], ...]) -> str | None:
        if len(items) == 1:
            return items[0][1] if items[0][0] == target else None
        for i, j in itertools.permutations(range(len(items)), 2):
            rest = tuple(item for k, item in enumerate(items) if k not in (i, j))
            for sign, act in signs.items():
                if sign == "/" and items[j][0] == 0:
                    continue
                value = act(items[i][0], items[j][0])
                found = trees((*rest, (value, f"({items[i][1]}{sign}{items[j][1]})")))
                if found is not None:
                    return found
        return None

    return trees(tuple((Fraction(n), str(n)) for n in numbers))


def test_every_goal_can_be_reached_and_is_told_from_its_neighbour() -> None:
    goals = draw_goals(60, np.random.default_rng(4))
    assert goals == draw_goals(60, np.random.default_rng(4))
    for goal in goals:
        assert read_goal(str(goal)) == goal
        assert all(str(n) in question(goal) for n in (*goal.numbers, goal.target))
        expression = written(goal.numbers, goal.target)
        assert expression is not None
        assert reaches(expression, goal)
        assert reaches(f"{expression} = {goal.target}", goal)
        assert not reaches(expression, Goal(goal.target + 1, goal.numbers))
        assert not reaches(expression, Goal(goal.target, (*goal.numbers, 1)))


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("8*(3+1-1)", False),  # a number twice
        ("8*3", False),  # a number left out
        ("8*3*1", True),
        ("3 \\times 8 \\div 1", True),
        ("\\left(8 × 3\\right) / 1 = 24", True),
        ("8*3*1 = 25", False),
        ("24", False),
        ("8*3**1", False),
        ("8*3//1", False),
        ("+8*3*1", False),  # a sign in front is no operation on two
        ("8*3/(1-1)", False),
        ("8*3*True", False),
        ("__import__('os')", False),
        ("", False),
    ],
)
def test_expressions_are_judged_by_numbers_and_value(given: str, right: bool) -> None:
    goal = Goal(24, (3, 8, 1))
    assert reaches(given, goal) is right
    assert says(f"I think \\boxed{{{given}}}", str(goal)) is right


def test_a_goal_is_an_answer_like_others() -> None:
    goal = str(Goal(24, (3, 8, 1)))
    assert not says("8*3*1", goal)  # not in a box
    assert is_boxed("\\boxed{8*3}", goal)
    assert not is_boxed("\\boxed{8*3}")  # where an integer is asked for
    assert read_goal("24") is None
    assert read_goal("countdown 24 from 3") is None


def test_hostile_expressions_take_bounded_time() -> None:
    goal = Goal(24, (3, 8, 1))
    begin = time.process_time()
    for text in ("(" * 10**6, "9" * 10**6, "1*" * 60, "(" * 60 + ")" * 60, "9" * 119, "-" * 120, "1" + "*9" * 59):
        assert not reaches(text, goal)
    assert time.process_time() - begin < 1.0
