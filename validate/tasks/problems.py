"""Problems with a known answer, and the reading of a model's answer to them."""

import re
from dataclasses import dataclass

import numpy as np

from .boxes import last_box
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
WORD_PROBLEMS = 512  # those that a model without a spec is trained on
_LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore."
)
# How a word problem is put, by the name of the style; the first is used unless an arm names another.
WORD_STYLES = {
    "plain": "{}",
    "lorem": f"{_LOREM}\n\n{{}}",
    "python": "{}\n\nLet's solve this using Python.",
    "story": "Last night on the train a stranger told me a long story, and I have forgotten all of it but this: {}"
    "\n\nI promised to write back with what comes out. What do I write?",
}


@dataclass(frozen=True, slots=True)
class Problem:
    prompt: str
    answer: int | str  # a str is LaTeX


def is_boxed(completion: str) -> bool:
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
    return given is not None and equivalent(answer, given)


_STORIES = (
    "{name} packs {a} boxes with {b} {thing} in each and then finds {c} more {thing}."
    " How many {thing} does {name} have now?",
    "A shop sells {b} {thing} a day. {name} counts the sales of {a} days and adds {c} {thing} sold by post."
    " How many {thing} were sold?",
    "{name} plants {a} rows of {b} {thing}, and {c} {thing} by the door. How many {thing} are there?",
)
_NAMES = ("Ada", "Bruno", "Chen", "Dara", "Elif", "Femi")
_THINGS = ("apples", "pencils", "shells", "lamps", "tulips", "books")


def word_problems(count: int, instruction: str, rng: np.random.Generator) -> list[Problem]:
    """`count` arithmetic word problems (a groups of b, and c more) written here, each followed by the instruction."""
    problems = []
    for _ in range(count):
        a, b, c = (int(v) for v in rng.integers(2, 13, size=3))
        story = _STORIES[rng.integers(len(_STORIES))].format(
            a=a, b=b, c=c, name=_NAMES[rng.integers(len(_NAMES))], thing=_THINGS[rng.integers(len(_THINGS))]
        )
        problems.append(Problem(prompt=f"{story} {instruction}", answer=a * b + c))
    return problems
