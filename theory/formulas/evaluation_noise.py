"""What counting answers adds to a measured accuracy or share, when the same problems are asked before and after.

Problems are then no sample: which of them were chosen moves both measurements alike. What is left is the draw of
answers, with each problem's own chance of a right one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import check, check_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """n problems, each answered k times at the temperature of training. agreement: of two answers to one problem, the
    chance that both are right or both wrong; None where unknown, and then all problems are taken to be alike."""

    problems: int
    samples: int
    agreement: float | None = None

    def __post_init__(self) -> None:
        check_whole(self.problems, "problems", 1)
        check_whole(self.samples, "samples", 1)
        agrees = self.agreement is None or 0.5 <= self.agreement <= 1.0
        check(agrees, "agreement", "in [0.5, 1]", self.agreement)


def agreement(rates: ArrayLike) -> float:
    """(1/n)·Σ_i [p_i² + (1 − p_i)²] of problems with rates p [n] in [0, 1]. The part of all pairs of answers to one
    problem that agree estimates it without bias."""
    p = np.asarray(rates, dtype=np.float64)
    check(p.size > 0 and bool(np.all((p >= 0) & (p <= 1))), "rates", "numbers in [0, 1]", p.tolist())
    return float(np.mean(p**2 + (1 - p) ** 2))


def evaluation_variance(rate: ArrayLike, evaluation: Evaluation, start: float | None = None) -> Array:
    """Variance of a counted rate, Σ_i p_i(1 − p_i)/(n²k), at mean rates `rate` (any shape, in [0, 1]).

    It is (1 − A)/2/(n·k) with the agreement A. Unknown, A is its least, a² + (1 − a)² for a = rate, and the variance
    a(1 − a)/(n·k) its largest (p(1 − p) is concave). A holds at the rate `start`; elsewhere problems are taken to stay
    as unlike: Var(p_i)/(a(1 − a)) is kept. Exact at the start; elsewhere a model of how problems move.

    Raises InputError where A is less than problems of the rate `start` can have.
    """
    a = np.asarray(rate, dtype=np.float64)
    alike = a * (1 - a)
    if evaluation.agreement is None or start is None:
        return np.asarray(alike / (evaluation.problems * evaluation.samples))
    check(0.0 < start < 1.0, "start", "in (0, 1)", start)
    least = start**2 + (1 - start) ** 2
    reaches = evaluation.agreement >= least - 1e-9
    check(reaches, "agreement", f"at least {least:.4g} at a rate of {start:.4g}", evaluation.agreement)
    unlike = (1 - evaluation.agreement) / 2 / (start * (1 - start))
    return np.asarray(alike * unlike / (evaluation.problems * evaluation.samples))
