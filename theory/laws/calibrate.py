"""The toy's learning rate from an observed spread: what an unclipped pilot measures, T4 turned round."""

import math
from dataclasses import replace

from scipy.optimize import brentq

from clipbias.common.errors import check
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED

from .phase import first_step_std, phase


def learning_rate_for_spread(prob: float, config: PhaseConfig, spread: float) -> float:
    """The η at which the unclipped standard deviation of x over one phase (Gaussian T4) equals `spread` > 0."""
    check(0.0 < spread < math.inf, "spread", "positive and finite", spread)

    def excess(log_rate: float) -> float:
        trial = replace(config, learning_rate=math.exp(log_rate), surrogate=UNCLIPPED)
        return math.log(phase(prob, trial, "gaussian").log_odds_std / spread)

    unit = first_step_std(prob, replace(config, learning_rate=1.0)) * math.sqrt(config.minibatches)
    guess = math.log(spread / unit)  # exact to first order in η
    return math.exp(brentq(excess, guess - 2.0, guess + 2.0, xtol=1e-6))
