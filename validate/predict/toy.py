"""The calibrated toy: what an arm would do if a phase were what the theory's two-outcome policy makes of it.

The pilot's spread is uncertain, with relative error δ, so every law is a mixture over log s ~ N(log ŝ, δ²).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbias.common.errors import check
from clipbias.theory.laws.calibrate import learning_rate_for_spread
from clipbias.theory.laws.evolve import EvolveResult, evolve
from clipbias.theory.surrogate import UNCLIPPED, Surrogate
from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.recipe.arm import Training

from .prediction import Calibration

_NODES = 5


def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Toy:
    """The calibrated toy: start, mixture of learning rates, phases, and the answers that each reading counts (None
    where readings are exact)."""

    log_odds: float
    samples: int | None
    rates: Sequence[float]
    weights: NDArray[np.float64]
    phases: int

    @property
    def prob(self) -> float:
        """Share of the strategy at the start."""
        return logistic(self.log_odds)

    def chance(self, chances: tuple[float, float]) -> float:
        """γ̄ at the toy's start, of the chances with the strategy and without."""
        return self.prob * chances[0] + (1 - self.prob) * chances[1]

    def laws(
        self, training: Training, surrogate: Surrogate, success_prob: tuple[float, float] | None = None
    ) -> list[EvolveResult]:
        """One law for each learning rate; success_prob: of an answer with the strategy and of one without.

        Their `warnings` are left aside: 4 % of the spread, at the mixture's large rates, is less than a pilot knows.
        """
        return [evolve(self.prob, training.toy(rate, surrogate, success_prob), self.phases) for rate in self.rates]

    def mixed(self, values: Sequence[ArrayLike]) -> NDArray[np.float64]:
        """Mean over the mixture; values: one for each learning rate, all of one shape."""
        return np.tensordot(self.weights, np.asarray(values, dtype=np.float64), axes=1)


def calibrate(training: Training, log_odds: float, noise: PilotNoise) -> Calibration:
    """The learning rates at which the toy's unclipped one-phase spread is the pilot's, as far as the pilot knows it:
    Gauss–Hermite nodes of log s ~ N(log ŝ, δ²)."""
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    spreads = noise.value * np.exp(nodes * noise.relative_stderr)
    prob, shape = logistic(log_odds), training.toy(1.0, UNCLIPPED)
    try:
        rates = [learning_rate_for_spread(prob, shape, float(s)) for s in spreads]
    except ValueError:
        allowed = "small enough for the toy to follow, a few log-odds per phase"
        check(False, "training.learning_rate", allowed, f"a spread of {noise.value:.3g} per phase in the pilot")
    return Calibration(
        learning_rate=learning_rate_for_spread(prob, shape, noise.value),
        spreads=tuple(spreads.tolist()),
        learning_rates=tuple(rates),
        weights=tuple((node_weights / node_weights.sum()).tolist()),
    )
