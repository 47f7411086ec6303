"""The one judge: a number claimed beforehand, its margin, and an interval over seeds become a verdict.

held        the interval of mean − claim lies within the margin (two one-sided tests), or it contains the claim and
            reaches no further than the margin to either side;
failed      the interval excludes the whole margin, after Holm's correction over all claims of one kind and run;
cannot tell everything between: a mean that may be off by as much as matters, and may not.

What this promises. A claim that is true within its margin fails in at most 5 % of families. A claim that is off by
twice its margin or more is held in at most 2.5 % of cases: to be held its interval must miss the truth on one side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .statistics import LEVEL, Interval, half_width, holm, mean_pvalue

Verdict = Literal["held", "failed", "cannot tell"]
VERDICTS: tuple[Verdict, ...] = ("held", "failed", "cannot tell")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A value claimed of a mean, what was measured, and how far off would not matter. stderr: the claim's own, which
    all seeds share."""

    value: float
    estimate: Interval
    margin: float
    stderr: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """pvalue: that the claim is true to the last digit. margin_pvalue: that it is true within its margin; this one
    decides. Both are Holm's over the claims that were judged together."""

    pvalue: float
    margin_pvalue: float
    verdict: Verdict


def judge(family: Sequence[Claim]) -> list[Judgement]:
    """Judge all claims of one kind and run together."""
    exact = holm([mean_pvalue(c.estimate, c.value, claim_stderr=c.stderr) for c in family])
    margin = holm([mean_pvalue(c.estimate, c.value, margin=c.margin, claim_stderr=c.stderr) for c in family])
    return [
        Judgement(pvalue=p, margin_pvalue=beyond, verdict=_verdict(claim, beyond))
        for claim, p, beyond in zip(family, exact, margin, strict=True)
    ]


def _verdict(claim: Claim, margin_pvalue: float) -> Verdict:
    if margin_pvalue < 1 - LEVEL:
        return "failed"
    half, distance = half_width(claim.estimate, claim.stderr), abs(claim.estimate.mean - claim.value)
    within, narrow = distance + half <= claim.margin, distance <= half <= claim.margin
    return "held" if within or narrow else "cannot tell"


def judge_rise(estimate: Interval, margin: float) -> Verdict:
    """Of a claim that names no number, only that something rises by what matters: held where all of the interval lies
    above the margin, failed where all of it lies below."""
    return "held" if estimate.low > margin else "failed" if estimate.high < margin else "cannot tell"
