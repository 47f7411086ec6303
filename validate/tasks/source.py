"""Where problems come from, as recipes and commands write it.

words                            word problems written here; words:numbers and words:retold are perturbed
countdown                        Countdown, drawn here
data/math500.json                a file, also .jsonl and .parquet
hub:openai/gsm8k@COMMIT:main/test      a data set of the Hub: owner/name@commit[:configuration]/split
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from clipbias.common.errors import InputError, check

from .countdown import draw_goals, question
from .problem_sets import FORMS, read_file, read_hub
from .problems import Problem
from .word_problems import WORD_PROBLEMS, Variation, word_problems

_ALLOWED = (
    f"words, words:numbers, words:retold, countdown, a file that ends in {', '.join(FORMS)},"
    " or hub:owner/name@commit[:configuration]/split with a commit of 40 hexadecimal digits"
)
_HUB = re.compile(
    r"hub:(?P<repository>[\w.-]{1,96}/[\w.-]{1,96})@(?P<revision>[0-9a-f]{40})"
    r"(:(?P<name>[\w.-]{1,96}))?/(?P<split>[\w.-]{1,96})",
    re.ASCII,
)
_SEED = 2506_10947  # which problems there are is part of the instrument: the same in every run


@dataclass(frozen=True, slots=True)
class Words:
    variation: Variation = ""

    def draw(self, count: int) -> list[Problem]:
        return word_problems(count, np.random.default_rng(_SEED), self.variation)


@dataclass(frozen=True, slots=True)
class Countdown:
    def draw(self, count: int) -> list[Problem]:
        goals = draw_goals(count, np.random.default_rng(_SEED))
        return [Problem(question(goal), str(goal)) for goal in goals]


@dataclass(frozen=True, slots=True)
class File:
    path: Path

    def read(self, field: str) -> list[Problem]:
        return read_file(self.path, field)


@dataclass(frozen=True, slots=True)
class Hub:
    repository: str
    name: str | None
    split: str
    revision: str

    def read(self, field: str) -> list[Problem]:
        return read_hub(self.repository, self.name, self.split, self.revision, field)


Source: TypeAlias = Words | Countdown | File | Hub


def read_source(text: str, field: str) -> Source:
    """`field` names it in a complaint."""
    if text == "countdown":
        return Countdown()
    word, colon, variation = text.partition(":")
    if word == "words":
        check(variation in (("numbers", "retold") if colon else ("",)), field, _ALLOWED, text)
        return Words(cast(Variation, variation))
    if found := _HUB.fullmatch(text):
        return Hub(found["repository"], found["name"], found["split"], found["revision"])
    if Path(text).suffix in FORMS:
        return File(Path(text))
    raise InputError(field, _ALLOWED, text)


@dataclass(frozen=True, slots=True)
class Split:
    """Problems to train on, and others that are never trained on."""

    train: tuple[Problem, ...]
    held_out: tuple[Problem, ...]


def split(train: Source, held_out: Source | None, count: int) -> Split:
    """`count` held-out problems. Without a source of their own they are taken from the training's.

    Drawn problems are 512, and as many more as are held out. Of a file those that are held out are chosen by a fixed
    seed. A question that is held out is never trained on, wherever it stands.
    """
    asked = _held_out(train, count, "task.train") if held_out is None else _held_out(held_out, count, "task.held_out")
    others = train.read("task.train") if isinstance(train, File | Hub) else train.draw(WORD_PROBLEMS)
    questions = {problem.prompt for problem in asked}
    kept = tuple(problem for problem in others if problem.prompt not in questions)
    check(len(kept) > 0, "task.held_out", "fewer than all of the problems there are", count)
    return Split(kept, tuple(asked))


def _held_out(source: Source, count: int, field: str) -> list[Problem]:
    if not isinstance(source, File | Hub):
        return source.draw(WORD_PROBLEMS + count)[WORD_PROBLEMS:]
    found = source.read(field)
    check(count <= len(found), "task.held_out_problems", f"at most {len(found)}, the problems there are", count)
    chosen = np.random.default_rng([_SEED, len(found)]).choice(len(found), count, replace=False)
    return [found[i] for i in sorted(chosen.tolist())]
