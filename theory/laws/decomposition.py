"""T8: the expected change over T phases in three parts: selection, clip drift and noise, never one number.

They are differences of whole calculations (T10), since neither the drift nor the noise of a phase is what it would be
without the other two.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from clipbias.theory.formulas.reward import reward_law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED

from .evolve import evolve
from .lattice import StepLaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Decomposition:
    """Expected change over T phases: total = selection + clip drift + noise.

    noise: change under outcome-blind rewards without a clip; selection: what is added where rewards depend on the
    outcome (0 else); clip drift: what the clip adds to both. *_prob in E[p], *_log_odds in E[x]. warnings: of `evolve`.
    """

    selection_prob: float
    clip_drift_prob: float
    noise_prob: float
    selection_log_odds: float
    clip_drift_log_odds: float
    noise_log_odds: float
    warnings: tuple[str, ...] = ()

    @property
    def in_prob(self) -> tuple[float, float, float]:
        """Selection, clip drift, noise in E[p]."""
        return self.selection_prob, self.clip_drift_prob, self.noise_prob

    @property
    def in_log_odds(self) -> tuple[float, float, float]:
        """Selection, clip drift, noise in E[x]."""
        return self.selection_log_odds, self.clip_drift_log_odds, self.noise_log_odds


def decomposition(prob: float, config: PhaseConfig, phases: int, method: StepLaw = "exact") -> Decomposition:
    """The same T phases with and without the clip, and with rewards of the same rate γ̄ that ignore the outcome
    (T8, T9, T10)."""
    unclipped = replace(config, surrogate=UNCLIPPED)
    runs = [evolve(prob, config, phases, method), evolve(prob, unclipped, phases, method)]
    if isinstance(config.success_prob, tuple):
        rate = reward_law(np.array([prob, 1.0 - prob]), config.success_prob).success_prob
        runs.append(evolve(prob, replace(unclipped, success_prob=rate), phases, method))
    clipped, free, blind = runs[0].laws[-1], runs[1].laws[-1], runs[-1].laws[-1]
    return Decomposition(
        selection_prob=free.prob_mean - blind.prob_mean,
        clip_drift_prob=clipped.prob_mean - free.prob_mean,
        noise_prob=blind.prob_mean - prob,
        selection_log_odds=free.mean - blind.mean,
        clip_drift_log_odds=clipped.mean - free.mean,
        noise_log_odds=blind.mean - float(logit(prob)),
        warnings=tuple(dict.fromkeys(text for run in runs for text in run.warnings)),
    )
