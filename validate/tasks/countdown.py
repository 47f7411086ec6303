"""Countdown: reach a number from some others by +, −, ×, ÷, each used once. A task that small models learn by RL.

The task is that of TinyZero (Pan et al. 2025, github.com/Jiayi-Pan/TinyZero), the numbers and words are drawn here. An
answer is right where its value is, so that a problem's answer is a condition: "countdown 24 from 3 8 1", which
`read_goal` reads and no LaTeX answer looks like.
"""

import ast
import re
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .boxes import visible

LONGEST = 120  # characters of an expression
_GOAL = re.compile(r"countdown (\d{1,6}) from (\d{1,4}(?: \d{1,4}){1,7})", re.ASCII)
_EXPRESSION = re.compile(rf"[0-9+\-*/() ]{{1,{LONGEST}}}", re.ASCII)
_SIGNS = {r"\times": "*", r"\cdot": "*", r"\div": "/", "×": "*", "÷": "/", "−": "-"}
_MARKS = (r"\left", r"\right", "$")


@dataclass(frozen=True, slots=True)
class Goal:
    target: int
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return f"countdown {self.target} from {' '.join(map(str, self.numbers))}"


def read_goal(answer: str) -> Goal | None:
    """The condition in a problem's answer; None where it is an answer of another kind."""
    found = _GOAL.fullmatch(answer)
    return None if found is None else Goal(int(found[1]), tuple(int(word) for word in found[2].split()))


def reaches(given: str, goal: Goal) -> bool:
    """Whether the expression, with or without "= target" after it, uses each number once and has the target's value.

    Bounded: at most 120 characters of digits and signs are read, and computed exactly only if their numbers are the
    goal's.
    """
    text = visible(given)[: 4 * LONGEST]
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    for mark in _MARKS:
        text = text.replace(mark, "")
    left, equals, right = text.partition("=")
    if equals and right.strip() != str(goal.target):
        return False
    if _EXPRESSION.fullmatch(left.strip()) is None:
        return False
    try:
        tree = ast.parse(left.strip(), mode="eval").body
        used = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        return sorted(used, key=str) == sorted(goal.numbers, key=str) and _value(tree) == goal.target
    except (SyntaxError, ValueError, ZeroDivisionError, MemoryError, RecursionError):
        return False


def _value(tree: ast.expr) -> Fraction:
    match tree:
        case ast.Constant(value=int(number)):
            return Fraction(number)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left) + _value(right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return _value(left) - _value(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _value(left) * _value(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _value(left) / _value(right)
    raise ValueError(ast.dump(tree))


def question(goal: Goal) -> str:
    numbers = ", ".join(map(str, goal.numbers))
    return (
        f"Use each of the numbers {numbers} exactly once, with +, -, * and / and parentheses, "
        f"to write an expression that equals {goal.target}."
    )


def draw_goals(count: int, rng: np.random.Generator) -> list[Goal]:
    """`count` goals that can be reached: three or four numbers from 1 to 20, joined by random signs in random order,
    until a whole number from 1 to 100 comes out that is none of them."""
    goals: list[Goal] = []
    while len(goals) < count:
        numbers = [int(n) for n in rng.integers(1, 21, size=rng.integers(3, 5))]
        values = [Fraction(n) for n in numbers]
        while len(values) > 1:
            i, j = (int(k) for k in rng.choice(len(values), 2, replace=False))
            first, second = values[i], values[j]
            options = [first + second, first - second, first * second]
            if second != 0:
                options.append(first / second)
            values = [v for k, v in enumerate(values) if k not in (i, j)] + [options[rng.integers(len(options))]]
        target = values[0]
        if target.denominator == 1 and 1 <= target <= 100 and target not in numbers:
            goals.append(Goal(int(target), tuple(numbers)))
    return goals
