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

from clipbias.common.errors import InputError, check
from clipbias.theory.setup import PhaseConfig

from .atoms import advantage_sums, propagate_atoms
from .lattice import StepLaw, propagate_lattice
from .two_outcome_step import PhaseLaw, step_geometry, step_moments

LARGEST_STEP = 5.0  # log-odds
LATTICE_RESOLUTION = 12.0


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
    method: StepLaw


def check_two_outcomes(prob: float, method: str) -> None:
    check(0.0 < prob < 1.0, "prob", "in (0, 1)", prob)
    check(method in get_args(StepLaw), "method", f"one of {', '.join(get_args(StepLaw))}", method)


def first_step_std(prob: float, config: PhaseConfig) -> float:
    """Standard deviation of the first step of a phase, where the ratio is 1 and nothing is clipped."""
    geometry = step_geometry(np.zeros(1), 1e-9, prob, config)
    std = math.sqrt(float(step_moments(geometry, config)[1][0]))
    if std > LARGEST_STEP:
        most = f"at most {config.learning_rate * LARGEST_STEP / std:.3g} here, where one step moves the log-odds by"
        raise InputError("learning_rate", f"{most} {LARGEST_STEP:g} (simulate run takes any)", config.learning_rate)
    return std


def is_few(config: PhaseConfig) -> bool:
    """Whether a step is several groups and yet so few samples that single updates show."""
    return config.groups_per_minibatch > 1 and config.group_size * config.groups_per_minibatch < 64


def phase_law(
    prob: float, config: PhaseConfig, method: StepLaw = "exact", resolution: float = LATTICE_RESOLUTION
) -> PhaseLaw:
    """The law of one phase from p₀ = prob.

    resolution: lattice points per standard deviation of one step, four times as many for several groups that are fewer
    than 64 samples; where atoms are followed there is no lattice.
    """
    check_two_outcomes(prob, method)
    std = first_step_std(prob, config)
    if std == 0.0:
        zeros = np.zeros(config.minibatches)
        return PhaseLaw(np.zeros(1), np.ones(1), zeros, zeros, atomic=True)
    sums = advantage_sums(prob, config) if method == "exact" else None
    if sums is not None:
        return propagate_atoms(prob, config, sums, std)
    few = method == "exact" and is_few(config)
    return propagate_lattice(prob, config, method, std, resolution * (4 if few else 1))


def phase(
    prob: float, config: PhaseConfig, method: StepLaw = "exact", resolution: float = LATTICE_RESOLUTION
) -> PhaseResult:
    """Means and spreads of `phase_law`."""
    return summary(prob, phase_law(prob, config, method, resolution), method)


def summary(prob: float, law: PhaseLaw, method: StepLaw) -> PhaseResult:
    """Means and spreads of a law of one phase from p₀ = prob."""
    low, high = tuple(law.clip_low.tolist()), tuple(law.clip_high.tolist())
    if not law.offset.any():  # exactly nothing, where p₀ recomputed from its log-odds would be off by rounding
        return PhaseResult(0.0, 0.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), 0.0, low, high, method)
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
        clip_low_fraction=low,
        clip_high_fraction=high,
        method=method,
    )
