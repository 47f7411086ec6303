"""What an evaluation says of a model's answers in one style, greedy or sampled: rates by their names."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array

from .answers import Graded
from .pass_rates import Rate, pass_at, rate

Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """accuracy: pass@1 where answers are greedy, avg@k where k are sampled. code: answers with code. format: with a box
    that is not empty. truncated: without an end. repetition: that say the same over and over. pass_at: by k, sampled
    answers only. tokens: the mean length."""

    style: str
    kind: str
    problems: int
    answers: int
    tokens: float
    accuracy: Rate
    code: Rate
    accuracy_with_code: Rate | None
    accuracy_without_code: Rate | None
    format: Rate
    truncated: Rate
    repetition: Rate
    pass_at: tuple[tuple[int, Rate], ...]


def scorecard(style: str, kind: str, graded: Graded) -> Scorecard:
    problem = np.unique(graded.problem, return_inverse=True)[1]

    def count(what: Flags) -> Array:
        return np.asarray(np.bincount(problem, weights=what.astype(np.float64)), dtype=np.float64)

    def given(what: Flags, of: Flags) -> Rate | None:
        return rate(count(what & of), count(of))

    every = np.ones(len(problem), dtype=bool)

    def share(what: Flags) -> Rate:
        found = given(what, every)
        assert found is not None
        return found

    asked, right = count(every), count(graded.right)
    most = int(asked.min())  # where an evaluation was stopped, some problems have fewer
    passes = []
    k = 2
    while k <= most:
        found = rate(pass_at(asked, right, k), np.ones(len(asked)), answers=asked)
        assert found is not None
        passes.append((k, found))
        k *= 2
    return Scorecard(
        style=style,
        kind=kind,
        problems=len(asked),
        answers=len(problem),
        tokens=float(graded.tokens.mean()),
        accuracy=share(graded.right),
        code=share(graded.code),
        accuracy_with_code=given(graded.right, graded.code),
        accuracy_without_code=given(graded.right, ~graded.code),
        format=share(graded.boxed),
        truncated=share(~graded.finished),
        repetition=share(graded.repeated),
        pass_at=tuple(passes),
    )
