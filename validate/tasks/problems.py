"""Problems with a known answer, and the reading of a model's answer to them."""

import re
from dataclasses import dataclass
from typing import TypeAlias

from .boxes import last_box
from .countdown import reaches, read_goal
from .equivalence import equivalent

# Model output is untrusted: a pattern without nested repetition, run on a bounded tail of the text.
_BOXED = re.compile(r"\\boxed\{\s*(-?\d{1,12})\s*\}")
_NUMBER = re.compile(r"-?\d{1,12}", re.ASCII)
_WHOLE = re.compile(
    r"\$?\s*(?P<sign>[-−]?)\s*(?P<digits>\d{1,3}(,\d{3}){1,3}|\d{1,12})(\.0{1,6})?\s*\$?"
    r"(\s*\\text\s*\{[^{}]{0,40}\}|\s+[A-Za-z]{1,40})?",  # a unit
    re.ASCII,
)
_TAIL = 2000


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question as it is put to a model. text: the user's turn, or all of it where `chat` is off, which passes by the
    model's chat template. system: a turn before it. opening: the answer's first words, which are given."""

    text: str
    system: str = ""
    opening: str = ""
    chat: bool = True

    def __str__(self) -> str:
        return self.text


Asked: TypeAlias = str | Prompt  # a str is a Prompt of nothing but text


@dataclass(frozen=True, slots=True)
class Problem:
    """answer: an integer, LaTeX, or what a Countdown expression must reach (`countdown.goal`)."""

    prompt: Asked
    answer: int | str


def is_boxed(completion: str, answer: int | str = 0) -> bool:
    """Whether there is a box with an integer in it, or with anything where the right answer is no integer."""
    if isinstance(answer, str):
        return last_box(completion) is not None
    return _BOXED.search(completion[-_TAIL:]) is not None


def read_answer(completion: str) -> int | None:
    """The integer in the last box that is closed and not empty, None if something else is in it; without such a box the
    last integer of the text, if there is any."""
    tail = completion[-_TAIL:]
    if (boxed := last_box(tail)) is not None:
        whole = _WHOLE.fullmatch(boxed)
        return None if whole is None else int((whole["sign"] and "-") + whole["digits"].replace(",", ""))
    found = _NUMBER.findall(tail.replace(",", ""))
    return int(found[-1]) if found else None


def read_like(completion: str, answer: int | str) -> int | str | None:
    """The answer that a completion gives to a problem whose right answer looks like `answer`: an integer is looked for
    in and out of boxes, LaTeX in the last box only."""
    return read_answer(completion) if isinstance(answer, int) else last_box(completion)


def says(completion: str, answer: int | str) -> bool:
    """Whether the answer that a completion gives is `answer`."""
    if isinstance(answer, int):
        return read_answer(completion) == answer
    given = last_box(completion)
    if given is None:
        return False
    goal = read_goal(answer)
    return equivalent(answer, given) if goal is None else reaches(given, goal)
