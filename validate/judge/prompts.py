"""What the way of asking does to the untrained and to the trained model: prompts, spurious prompts, perturbations.

Claims come from the organism's spec, which was written before its weights were: the share of the strategy in each
style, and accuracy and format as the mixture of the strategies' own. Held-out problems are the numerical perturbation:
numbers that neither pretraining nor RL ever showed; a story is the semantic one.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from clipbias.validate.organism.spec import OrganismSpec
from clipbias.validate.store.run_record import RunRecord

from . import margins
from .finding import Finding, Untrained, finding
from .gains import Rate, Rates, untrained
from .questions import style_letter
from .statistics import LEVEL, Interval
from .verdict import Claim, judge

RATES: tuple[Rate, ...] = ("share", "accuracy", "boxed")


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleClaim:
    share: float
    accuracy: float
    boxed: float


def claims(spec: OrganismSpec, style: str) -> StyleClaim:
    asked = spec.style_named(style)
    shares, boxes = np.array(spec.shares(asked)), np.array(spec.format_rates(asked))
    accuracies = np.array([strategy.accuracy for strategy in spec.strategy])
    return StyleClaim(share=float(shares[0]), accuracy=float(shares @ accuracies), boxed=float(shares @ boxes))


def _binomial(rate: float, answers: int) -> Interval:
    """Normal interval of a rate; n: answers."""
    stderr = math.sqrt(max(rate * (1 - rate), 1 / answers) / answers)
    half = float(ndtri(0.5 + LEVEL / 2)) * stderr
    return Interval(mean=rate, stderr=stderr, low=max(rate - half, 0.0), high=min(rate + half, 1.0), n=answers)


def _rate(of: StyleClaim | Rates, name: Rate) -> float:
    return {"share": of.share, "accuracy": of.accuracy, "boxed": of.boxed}[name]


def style_findings(run: RunRecord, spec: OrganismSpec, styles: tuple[str, ...]) -> list[Finding]:
    rows = []
    for style in styles:
        written, found = claims(spec, style), untrained(run, style)
        for name in RATES:
            estimate = _binomial(_rate(found, name), found.answers)
            rows.append((style, name, Claim(value=_rate(written, name), estimate=estimate, margin=margins.SPEC)))
    judged = judge([claim for *_, claim in rows])
    return [
        replace(
            finding(
                style_letter(style),
                "untrained",
                "fraction of answers",
                organism=run.organism,
                run=run.name,
                arm=None,
                claim=claim,
                judgement=judgement,
                details=Untrained(style=style, rate=name, answers=claim.estimate.n),
            ),
            seeds=0,
        )
        for (style, name, claim), judgement in zip(rows, judged, strict=True)
    ]
