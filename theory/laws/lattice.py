"""One phase with two outcomes on a lattice of log-odds, for mini-batches whose updates are many and close together.

x = logit p starts at a lattice point and moves by M steps whose law depends on x and on the behaviour policy p₀
(`lattice_kernel`). Errors come from atoms of probability that the lattice moves across a clip bound (see `atoms`): they
fall as the spacing, and are small where one mini-batch has many possible updates.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.setup import PhaseConfig

from .lattice_kernel import exact_kernel, gaussian_kernel
from .two_outcome_step import PhaseLaw, largest_jump, step_geometry

StepLaw = Literal["exact", "gaussian"]  # how the law of one mini-batch is taken
_LARGEST_HALF = 800  # beyond it the lattice gets coarser, not longer: only jumps far larger than the spacing need it
_WIDENINGS = 24
WIDEST_SPACING = 0.06  # log-odds: p and the slopes of its drift must be resolved, however large the steps


@dataclass(frozen=True, slots=True)
class Lattice:
    """Offsets j·spacing of the log-odds from x₀, j = −half…half."""

    spacing: float
    half: int

    @property
    def points(self) -> Array:
        return self.spacing * np.arange(-self.half, self.half + 1, dtype=np.float64)


def propagate(prob: float, config: PhaseConfig, lattice: Lattice, method: StepLaw) -> PhaseLaw:
    """The law of one phase on a given lattice; what would leave it stays at its ends."""
    geometry = step_geometry(lattice.points, lattice.spacing, prob, config)
    kernel = (exact_kernel if method == "exact" else gaussian_kernel)(geometry, config, lattice.spacing, lattice.half)
    size = 2 * lattice.half + 1
    target = np.clip(np.add.outer(np.arange(size), np.arange(-lattice.half, lattice.half + 1)), 0, size - 1)
    flat = (np.arange(size)[:, None] * size + target).ravel()
    transition = np.bincount(flat, kernel.ravel(), size * size).reshape(size, size)
    reward = geometry.reward
    moments = advantage_moments(config.group_size, reward.success_prob, config.scale)
    low_event = moments.negative_prob * geometry.averaged((geometry.below == 0) @ reward.rest)
    high_event = moments.positive_prob * geometry.averaged((geometry.above == 0) @ reward.rewarded)
    law = np.zeros(size)
    law[lattice.half] = 1.0
    low, high = np.zeros(config.minibatches), np.zeros(config.minibatches)
    for step in range(config.minibatches):
        low[step], high[step] = law @ low_event, law @ high_event
        law = law @ transition
    return PhaseLaw(lattice.points, law, low, high)


def lattice_of(width: float, std: float, resolution: float) -> Lattice:
    """From −width to width with `resolution` points to a standard deviation of the first step, where affordable."""
    spacing = max(min(std / resolution, WIDEST_SPACING), width / _LARGEST_HALF)
    return Lattice(spacing, math.ceil(width / spacing))


def propagate_lattice(prob: float, config: PhaseConfig, method: StepLaw, std: float, resolution: float) -> PhaseLaw:
    """The law of one phase on a lattice that is fine and wide enough.

    std > 0: standard deviation of the first step; resolution: points per std. The lattice is widened until what lies at
    its ends adds less than 1e-6 to the variance.
    """
    jump, spread = largest_jump(prob, config), std * math.sqrt(config.minibatches)
    width = max(7.0 * spread, 2.5 * jump)
    for _ in range(_WIDENINGS if spread > 1e-4 * jump else 0):  # below, the FFT's rounding is as large as the variance
        lattice = lattice_of(width, std, resolution)
        law = propagate(prob, config, lattice, method)
        if (abs(law.mass[0]) + abs(law.mass[-1])) * width**2 < 1e-6 * spread**2:
            return law
        width *= 2.0
    raise InputError("prob", "be so close to 0 or 1 that single samples decide the phase", prob, verb="not")
