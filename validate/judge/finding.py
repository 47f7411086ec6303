"""What a finding is, and how one is judged: a number claimed beforehand against an interval over seeds."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from .statistics import LEVEL, Interval, interval

FEW_SEEDS = 5
Verdict = Literal["held", "failed", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. experiment: its letter (docs/experiments.md). predicted, measured: in words and numbers.
    run: whose it is, where it is of one run.

    verdict: held and failed are of the prediction; cannot tell: too few seeds to say (`judge`).
    """

    experiment: str
    organism: str
    subject: str
    predicted: str
    measured: str
    verdict: Verdict
    pvalue: float | None = None
    run: str | None = None


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
    """failed where the claim is rejected at 5 % (adjusted: its p-value, corrected for all of a kind). held where it
    lies inside its own interval, uncorrected, and that interval says something: it excludes 0, or is no wider to either
    side than twice `least`, the change that would matter. Else the data cannot tell."""
    if adjusted < 1 - LEVEL:
        return "failed"
    summary = interval(values)
    half = math.hypot(summary.stderr, shared_stderr) * float(stdtrit(summary.n - 1, 0.5 + LEVEL / 2))
    inside = abs(summary.mean - claim) <= half or summary.mean == claim
    return "held" if inside and (abs(summary.mean) > half or half <= 2 * least) else "cannot tell"


def points(of: Interval) -> str:
    """A share's change with its interval, in percentage points."""
    return f"{100 * of.mean:+z.1f} [{100 * of.low:+z.1f}, {100 * of.high:+z.1f}]"


def number(of: Interval) -> str:
    """A difference of log-odds with its interval."""
    return f"{of.mean:+z.3f} [{of.low:+z.3f}, {of.high:+z.3f}]"


def seeds_note(count: int) -> str:
    return f"{count} seeds" + (", preliminary" if count < FEW_SEEDS else "")
