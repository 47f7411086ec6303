"""T8: what is not clipping: noise alone moves the mean of p, and the log-odds spread until p polarises.

Without clipping the expected change of the log-odds is 0 whatever the advantages, but p is not linear in them.
The zero fails with several epochs on the same samples (`second_epoch`), with Adam's division by the root of its second
moment and with gradient-norm clipping, both of which depend on the samples themselves. Momentum is linear in the
gradients and whitening depends on rewards alone: neither breaks it; what they change is the noise, and the clip's part.
"""

from clipbias.common.errors import InputError
from clipbias.theory.setup import PhaseConfig

from .advantage import advantage_moments


def unclipped_step_variance(prob: float, config: PhaseConfig) -> float:
    """Var(Δx) of a step at the behaviour policy itself: 4η²p(1−p)·E[Â²]/(N·G), E[Â²] = v₊ + v₋ (T3 with R = 1)."""
    if isinstance(config.success_prob, tuple):
        raise InputError("success_prob", "one number", config.success_prob)
    moments = advantage_moments(config.group_size, config.success_prob, config.scale)
    samples = config.groups_per_minibatch * config.group_size
    return 4 * config.learning_rate**2 * prob * (1 - prob) * (moments.v_plus + moments.v_minus) / samples


def ito_shift(prob: float, log_odds_variance: float) -> float:
    """E[Δp] = ½p(1−p)(1−2p)·Var(Δx) for a centred Δx of small variance; toward ½ (T8).

    The next term is of fourth order in Δx: relative error below Var(Δx) (tested against quadrature).
    """
    return 0.5 * prob * (1 - prob) * (1 - 2 * prob) * log_odds_variance
