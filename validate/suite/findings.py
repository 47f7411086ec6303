"""What a finding is, and how one is judged: a number claimed beforehand against an interval over seeds."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from ..score import LEVEL, Interval, interval

FEW_SEEDS = 5
Verdict = Literal["held", "failed", "cannot tell", "observed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. experiment: its letter (docs/experiments.md). predicted, measured: in words and numbers.

    verdict: held and failed are of the prediction; cannot tell: the data exclude neither it nor “nothing happens”;
    observed: nothing was predicted.
    """

    experiment: str
    organism: str
    subject: str
    predicted: str
    measured: str
    verdict: Verdict
    pvalue: float | None = None

    @property
    def judged(self) -> bool:
        return self.verdict != "observed"


def difference_pvalue(values: NDArray[np.float64], claim: float, shared_stderr: float = 0.0) -> float:
    """Two-sided t test of mean = claim over seeds; shared_stderr: an error of the claim that all seeds have in common
    (its variance adds to that of the mean, degrees of freedom stay n − 1). Without any spread: 1 if equal, else 0."""
    summary = interval(values)
    stderr = math.hypot(summary.stderr, shared_stderr)
    if stderr == 0.0:
        return float(summary.mean == claim)
    return float(2.0 * stdtr(summary.n - 1, -abs(summary.mean - claim) / stderr))


def judge(
    values: NDArray[np.float64], claim: float, adjusted: float, least: float, shared_stderr: float = 0.0
) -> Verdict:
    """failed where the claim is rejected at 5 % (adjusted: its p-value, corrected for all of a kind).

    Where it is not: held, unless the claim is of more than `least`, the size that would matter, and zero is not
    rejected either: then the data cannot tell.
    """
    if adjusted < 1 - LEVEL:
        return "failed"
    if abs(claim) > least and difference_pvalue(values, 0.0, shared_stderr) >= 1 - LEVEL:
        return "cannot tell"
    return "held"


def points(of: Interval) -> str:
    """A share's change with its interval, in percentage points."""
    return f"{100 * of.mean:+.1f} [{100 * of.low:+.1f}, {100 * of.high:+.1f}]"


def number(of: Interval) -> str:
    """A difference of log-odds with its interval."""
    return f"{of.mean:+.3f} [{of.low:+.3f}, {of.high:+.3f}]"


def seeds_note(count: int) -> str:
    return f"{count} seeds" + (", preliminary" if count < FEW_SEEDS else "")
