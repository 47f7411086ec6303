"""The one judge: a number claimed beforehand, its margin, and an interval over seeds become a verdict.

held        the interval of mean − claim lies within the margin (two one-sided tests), or it contains the claim and
            reaches no further than the margin to either side;
failed      the interval excludes the whole margin, after Holm's correction over all claims of one kind and run; the
            three of kind `rival` exclude one another, so that each is judged alone (`hypotheses`);
cannot tell everything between: a mean that may be off by as much as matters, and may not.

What this promises where seeds are normal, or nearly. A claim that is true within its margin fails in at most 5 % of
families. A claim that is off by twice its margin or more is held in at most 2.5 % of cases: to be held its interval
must miss the truth on one side.

What it does not promise. Student's interval knows of no ending that no seed has shown. Five seeds that each end at
+0.9 with chance P, else at 0 (a strategy takes over or does not), often all end at +0.9. Their interval is a point
then, and a claim of exactly the mean, 0.9·P, fails at a margin of 0.01. A claim of 0.9 is held about as often, though
it is off by 4.5 margins or more:

    P                         0.5    0.8    0.9    0.95
    the true mean fails       6 %    33 %   59 %   77 %
    0.9 is held               3 %    33 %   59 %   77 %

So where a few seeds all saturate, a verdict about a mean says how they ended, not how all seeds would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .statistics import LEVEL, Interval, half_width, holm, mean_pvalue, rounding

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
    """Judge claims together: all of one kind and run, where more than one of them can be true."""
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
    margin = claim.margin + rounding(claim.estimate, claim.value)
    within, narrow = distance + half <= margin, distance <= half <= margin
    return "held" if within or narrow else "cannot tell"


def judge_rise(estimate: Interval, margin: float) -> Verdict:
    """Of a claim that names no number, only that something rises by what matters: held where all of the interval lies
    above the margin, failed where all of it lies below."""
    still = rounding(estimate)
    return "held" if estimate.low > margin + still else "failed" if estimate.high < margin - still else "cannot tell"
