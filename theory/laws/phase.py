"""T4: one phase of GRPO with two outcomes: the law of the log-odds carried through M optimizer steps.

`exact` uses the exact law of a mini-batch, as atoms where they are few (`atoms`) and on a lattice where they are many
(`lattice`); `gaussian` a normal one with the exact mean and variance: cheaper, and wrong for rare outcomes in small
batches (p = 0.93, η = 1.3, N = 2, γ = 0.3, 0.2/0.28: 11 % low).
"""

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
from scipy.special import entr, expit, logit

from clipbias.theory.setup import PhaseConfig

from .atoms import advantage_sums, propagate_atoms
from .kernel import step_geometry, step_moments
from .lattice import Method, propagate_lattice

LARGEST_STEP = 5.0  # log-odds


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """Expected changes over one phase, outcome 1 first.

    log_odds_shift and log_odds_std: mean and standard deviation of x_M − x₀. mean_logit_shift [2] = ±half of the mean.
    mean_prob_shift, prob_std [2]. entropy_shift: E[H] − H₀ in nats. clip_low_fraction, clip_high_fraction [M]: expected
    share of a mini-batch's samples whose gradient the bound removes.
    """

    log_odds_shift: float
    log_odds_std: float
    mean_logit_shift: tuple[float, float]
    mean_prob_shift: tuple[float, float]
    prob_std: tuple[float, float]
    entropy_shift: float
    clip_low_fraction: tuple[float, ...]
    clip_high_fraction: tuple[float, ...]
    method: Method


def check_two_outcomes(prob: float, method: str) -> None:
    if not 0.0 < prob < 1.0:
        raise ValueError(f"prob must be in (0, 1), got {prob}")
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(get_args(Method))}, got {method}")


def first_step_std(prob: float, config: PhaseConfig) -> float:
    """Standard deviation of the first step of a phase, where the ratio is 1 and nothing is clipped."""
    geometry = step_geometry(np.zeros(1), 1e-9, prob, config)
    std = math.sqrt(float(step_moments(geometry, config)[1][0]))
    if std > LARGEST_STEP:
        raise ValueError(
            f"learning_rate must be at most {config.learning_rate * LARGEST_STEP / std:.3g} here, where one step moves"
            f" the log-odds by {LARGEST_STEP:g} (simulate run takes any), got {config.learning_rate}"
        )
    return std


def phase(prob: float, config: PhaseConfig, method: Method = "exact", resolution: float = 12.0) -> PhaseResult:
    """The law of one phase from p₀ = prob.

    resolution: lattice points per standard deviation of one step, four times as many for several groups that are fewer
    than 64 samples; where atoms are followed there is no lattice.
    """
    check_two_outcomes(prob, method)
    std = first_step_std(prob, config)
    if std == 0.0:
        zeros = (0.0,) * config.minibatches
        return PhaseResult(0.0, 0.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 0.0, zeros, zeros, method)
    sums = advantage_sums(prob, config) if method == "exact" else None
    if sums is not None:
        law = propagate_atoms(prob, config, sums, std)
    else:
        few = (
            method == "exact"
            and config.groups_per_minibatch > 1
            and config.group_size * config.groups_per_minibatch < 64
        )
        law = propagate_lattice(prob, config, method, std, resolution * (4 if few else 1))
    x0 = float(logit(prob))
    y, mass = law.offset, law.mass
    shift = float(mass @ y)
    policy = np.stack([expit(x0 + y), expit(-x0 - y)])
    change = policy - np.array([[prob], [1.0 - prob]])
    mean_change = change @ mass
    variance = np.maximum((change**2) @ mass - mean_change**2, 0.0)
    entropy = entr(policy).sum(axis=0) - entr(np.array([prob, 1.0 - prob])).sum()
    return PhaseResult(
        log_odds_shift=shift,
        log_odds_std=math.sqrt(max(float(mass @ y**2) - shift**2, 0.0)),
        mean_logit_shift=(shift / 2, -shift / 2),
        mean_prob_shift=(float(mean_change[0]), float(mean_change[1])),
        prob_std=(math.sqrt(variance[0]), math.sqrt(variance[1])),
        entropy_shift=float(mass @ entropy),
        clip_low_fraction=tuple(law.clip_low.tolist()),
        clip_high_fraction=tuple(law.clip_high.tolist()),
        method=method,
    )
