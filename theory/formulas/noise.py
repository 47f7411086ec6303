"""T8: what is not clipping: noise alone moves the mean of p, and the log-odds spread until p polarises.

Without clipping the expected change of the log-odds is 0 whatever the advantages, but p is not linear in them.
The zero fails with several epochs on the same samples (`reuse`), with Adam's division by the root of its second moment
and with gradient-norm clipping, both of which depend on the samples themselves. Momentum is linear in the gradients and
whitening depends on rewards alone: neither breaks it; what they change is the noise, and the clip's part.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.lattice import Method
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED

from .advantage import advantage_moments
from .reward import reward_law


def unclipped_step_variance(prob: float, config: PhaseConfig) -> float:
    """Var(Δx) of a step at the behaviour policy itself: 4η²p(1−p)·E[Â²]/(N·G), E[Â²] = v₊ + v₋ (T3 with R = 1)."""
    if isinstance(config.success_prob, tuple):
        raise ValueError(f"success_prob must be one number, got {config.success_prob}")
    moments = advantage_moments(config.group_size, config.success_prob, config.scale)
    samples = config.groups_per_minibatch * config.group_size
    return 4 * config.learning_rate**2 * prob * (1 - prob) * (moments.v_plus + moments.v_minus) / samples


def ito_shift(prob: float, log_odds_variance: float) -> float:
    """E[Δp] = ½p(1−p)(1−2p)·Var(Δx) for a centred Δx of small variance; toward ½ (T8).

    The next term is of fourth order in Δx: relative error below Var(Δx) (tested against quadrature).
    """
    return 0.5 * prob * (1 - prob) * (1 - 2 * prob) * log_odds_variance


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Expected change over T phases: total = selection + clip drift + noise.

    noise: change under outcome-blind rewards without a clip; selection: what is added where rewards depend on the
    outcome (0 else); clip drift: what the clip adds to both. *_prob in E[p], *_log_odds in E[x].
    """

    selection_prob: float
    clip_drift_prob: float
    noise_prob: float
    selection_log_odds: float
    clip_drift_log_odds: float
    noise_log_odds: float

    @property
    def in_prob(self) -> tuple[float, float, float]:
        """Selection, clip drift, noise in E[p]."""
        return self.selection_prob, self.clip_drift_prob, self.noise_prob

    @property
    def in_log_odds(self) -> tuple[float, float, float]:
        """Selection, clip drift, noise in E[x]."""
        return self.selection_log_odds, self.clip_drift_log_odds, self.noise_log_odds


def decomposition(prob: float, config: PhaseConfig, phases: int, method: Method = "exact") -> Decomposition:
    """The same T phases with and without the clip, and with rewards of the same rate γ̄ that ignore the outcome
    (T8, T9, T10)."""
    clipped = evolve(prob, config, phases, method).laws[-1]
    unclipped = replace(config, surrogate=UNCLIPPED)
    free = blind = evolve(prob, unclipped, phases, method).laws[-1]
    if isinstance(config.success_prob, tuple):
        rate = reward_law(np.array([prob, 1.0 - prob]), config.success_prob).success_prob
        blind = evolve(prob, replace(unclipped, success_prob=rate), phases, method).laws[-1]
    return Decomposition(
        selection_prob=free.prob_mean - blind.prob_mean,
        clip_drift_prob=clipped.prob_mean - free.prob_mean,
        noise_prob=blind.prob_mean - prob,
        selection_log_odds=free.mean - blind.mean,
        clip_drift_log_odds=clipped.mean - free.mean,
        noise_log_odds=blind.mean - float(logit(prob)),
    )
