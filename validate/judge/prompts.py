"""What the way of asking does to the untrained and to the trained model: prompts, spurious prompts, perturbations.

Claims come from the organism's spec, which was written before its weights were: the share of the strategy in each
style, and accuracy and format as the mixture of the strategies' own. Held-out problems are the numerical perturbation:
numbers that neither pretraining nor RL ever showed; a story is the semantic one.
"""

import math
from dataclasses import dataclass

import numpy as np

from clipbias.validate.organism.spec import OrganismSpec
from clipbias.validate.store.run_record import RunRecord

from .finding import Finding
from .gains import Rates, untrained
from .statistics import LEVEL, holm

UNTRAINED = "untrained, "  # how the subject of such a finding begins
SLACK = 0.05  # of a share: pretraining comes this near to its spec, as the organisms' cards say


@dataclass(frozen=True, slots=True)
class StyleClaim:
    share: float
    accuracy: float
    boxed: float


def claims(spec: OrganismSpec, style: str) -> StyleClaim:
    asked = spec.style_named(style)
    shares, boxes = np.array(spec.shares(asked)), np.array(spec.format_rates(asked))
    accuracies = np.array([strategy.accuracy for strategy in spec.strategy])
    return StyleClaim(float(shares[0]), float(shares @ accuracies), float(shares @ boxes))


def _binomial_pvalue(found: float, answers: int, claim: float) -> float:
    """Two-sided, normal: that the rate lies within SLACK of the claim."""
    stderr = math.sqrt(max(found * (1 - found), 1 / answers) / answers)
    excess = max(0.0, abs(found - claim) - SLACK) / stderr
    return math.erfc(excess / math.sqrt(2.0))


def style_findings(run: RunRecord, spec: OrganismSpec, styles: tuple[str, ...]) -> list[Finding]:
    rows: list[tuple[str, str, str, float, float, Rates]] = []
    for style in styles:
        claim, found = claims(spec, style), untrained(run, style)
        letter = {"plain": "j", "story": "j", "python": "f"}.get(style, "k")
        numbers = "unseen numbers" if style == "plain" else f"asked as {style}"
        for name in ("share", "accuracy", "boxed"):
            rows.append((letter, numbers, name, getattr(claim, name), getattr(found, name), found))
    adjusted = holm([_binomial_pvalue(value, found.answers, claim) for *_, claim, value, found in rows])
    words = {"share": "share of the strategy", "accuracy": "accuracy", "boxed": "answers in a box"}
    return [
        Finding(
            experiment=letter,
            organism=run.organism,
            subject=f"{UNTRAINED}{numbers}: {words[name]}",
            predicted=f"{100 * claim:.0f} % ± {100 * SLACK:.0f}, by the spec",
            measured=f"{100 * value:.1f} % ({found.answers} answers)",
            verdict="failed" if p < 1 - LEVEL else "held",
            pvalue=p,
        )
        for (letter, numbers, name, claim, value, found), p in zip(rows, adjusted, strict=True)
    ]
