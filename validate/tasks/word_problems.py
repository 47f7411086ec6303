"""Arithmetic word problems written here: a groups of b, and c more. Also with other numbers, and told otherwise.

Both perturbations keep problem i what it was otherwise, so that answers can be compared problem by problem.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from .problems import Problem

WORD_PROBLEMS = 512  # those that a model without a spec is trained on
Variation = Literal["", "numbers", "retold"]

_STORIES = (
    "{name} packs {a} boxes with {b} {thing} in each and then finds {c} more {thing}."
    " How many {thing} does {name} have now?",
    "A shop sells {b} {thing} a day. {name} counts the sales of {a} days and adds {c} {thing} sold by post."
    " How many {thing} were sold?",
    "{name} plants {a} rows of {b} {thing}, and {c} {thing} by the door. How many {thing} are there?",
)
_RETOLD = (
    "It had rained since morning, so {name} tidied the attic. There stood {a} boxes under the window, and when {name}"
    " lifted the lids there were {b} {thing} in every one of them. Behind the chimney lay {c} {thing} more. In the"
    " evening a friend asked how many {thing} the attic holds. What is the right reply?",
    "“Never a quiet morning,” said {name}, who keeps the shop at the corner. “Each day {b} {thing} went over the"
    " counter, {a} days long, and the postman carried off another {c} {thing}.” The customer wondered how many {thing}"
    " had left the shop in all. How many had?",
    "In spring {name} walked to the garden with a spade. By noon there were {a} rows, and {b} {thing} stood in each."
    " Before going in, {name} set {c} {thing} beside the door. How many {thing} would a neighbour count at the fence?",
)
_NAMES = ("Ada", "Bruno", "Chen", "Dara", "Elif", "Femi")
_THINGS = ("apples", "pencils", "shells", "lamps", "tulips", "books")
_OTHER_NUMBERS = 2506_10947  # of the generator that draws the numbers of the variation


def word_problems(count: int, rng: np.random.Generator, variation: Variation = "") -> list[Problem]:
    """`count` problems. numbers: each with numbers drawn anew; retold: each as a longer story of the same numbers."""
    problems, others = [], np.random.default_rng(_OTHER_NUMBERS)
    stories = _RETOLD if variation == "retold" else _STORIES
    for _ in range(count):
        drawn = _numbers(rng.integers)
        a, b, c = _numbers(others.integers) if variation == "numbers" else drawn
        story = stories[rng.integers(len(stories))].format(
            a=a, b=b, c=c, name=_NAMES[rng.integers(len(_NAMES))], thing=_THINGS[rng.integers(len(_THINGS))]
        )
        problems.append(Problem(prompt=story, answer=a * b + c))
    return problems


def _numbers(integers: Callable[..., np.ndarray]) -> tuple[int, int, int]:
    a, b, c = (int(v) for v in integers(2, 13, size=3))
    return a, b, c
