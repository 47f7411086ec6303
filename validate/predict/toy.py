"""The calibrated toy: what an arm would do if a phase were what the theory's two-outcome policy makes of it.

The pilot's spread is uncertain, with relative error δ, so every law is a mixture over log s ~ N(log ŝ, δ²).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, Protocol

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.theory.laws.calibrate import learning_rate_for_spread
from clipbias.theory.laws.evolve import LogOddsLaw, evolve
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Surrogate
from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.recipe.gate import as_trained
from clipbias.validate.recipe.training import Training

from .prediction import Calibration

_NODES = 5


def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@dataclass(frozen=True, slots=True, eq=False)
class ToyLaw:
    """laws: of the log-odds after 0…T phases. clip_low, clip_high [M]: expected shares of the samples whose gradient
    the surrogate removes, by mini-batch, averaged over phases."""

    laws: tuple[LogOddsLaw, ...]
    clip_low: Array
    clip_high: Array


class Solver(Protocol):
    """How a toy's law is computed."""

    def solve(self, prob: float, config: PhaseConfig, phases: int) -> ToyLaw: ...


@dataclass(frozen=True, slots=True)
class Evolved:
    """By theory (T10): plain gradient ascent, on which momentum is put afterwards (`band`). Its `warnings` are left
    aside: 4 % of the spread, at the mixture's large rates, is less than a pilot knows."""

    step: Literal["exact", "gaussian"] = "exact"

    def solve(self, prob: float, config: PhaseConfig, phases: int) -> ToyLaw:
        found = evolve(prob, as_trained(config), phases, self.step)
        return ToyLaw(found.laws, found.clip_low_fraction.mean(axis=0), found.clip_high_fraction.mean(axis=0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Toy:
    """The calibrated toy: start, mixture of learning rates, phases, and the answers that each reading counts (None
    where readings are exact)."""

    log_odds: float
    samples: int | None
    rates: Sequence[float]
    weights: Array
    phases: int
    solver: Solver = Evolved()

    @property
    def prob(self) -> float:
        """Share of the strategy at the start."""
        return logistic(self.log_odds)

    def chance(self, chances: tuple[float, float]) -> float:
        """γ̄ at the toy's start, of the chances with the strategy and without."""
        return self.prob * chances[0] + (1 - self.prob) * chances[1]

    def laws(
        self, training: Training, gate: Surrogate, success_prob: tuple[float, float] | None = None
    ) -> list[ToyLaw]:
        """One law for each learning rate; success_prob: of an answer with the strategy and of one without."""
        return [
            self.solver.solve(self.prob, training.toy(rate, gate, success_prob), self.phases) for rate in self.rates
        ]

    def mixed(self, values: Sequence[ArrayLike]) -> Array:
        """Mean over the mixture; values: one for each learning rate, all of one shape."""
        return np.tensordot(self.weights, np.asarray(values, dtype=np.float64), axes=1)


@dataclass(frozen=True, slots=True, eq=False)
class SpreadNodes:
    """Gauss–Hermite nodes of log s ~ N(log ŝ, δ²): spreads, and weights that add to 1; the middle one is ŝ."""

    spreads: Array
    weights: Array


def spread_nodes(noise: PilotNoise) -> SpreadNodes:
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return SpreadNodes(noise.value * np.exp(nodes * noise.relative_stderr), weights / weights.sum())


def calibrate(training: Training, log_odds: float, noise: PilotNoise) -> Calibration:
    """The learning rates at which the toy's unclipped one-phase spread (Gaussian T4) is the pilot's, as far as the
    pilot knows it."""
    nodes = spread_nodes(noise)
    prob, shape = logistic(log_odds), training.toy(1.0, UNCLIPPED)
    try:
        rates = [learning_rate_for_spread(prob, shape, float(s)) for s in nodes.spreads]
    except ValueError:
        refuse(noise, training)
    return Calibration(
        learning_rate=learning_rate_for_spread(prob, shape, noise.value),
        spreads=tuple(nodes.spreads.tolist()),
        learning_rates=tuple(rates),
        weights=tuple(nodes.weights.tolist()),
    )


def refuse(noise: PilotNoise, training: Training) -> NoReturn:
    """What the pilot measured, no toy can do. training: the pilot's."""
    allowed = "small enough for the toy to follow, a few log-odds per phase"
    found = f"a spread of {noise.value:.3g} per phase in the pilot at {training.learning_rate:g}"
    raise InputError("training.learning_rate", allowed, found)
