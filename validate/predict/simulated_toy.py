"""The toy by Monte Carlo: trainings simulated with the arm's own optimizer, whose momentum is then in the laws."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from clipbias.common.arrays import Array
from clipbias.simulate.compiled.tabular import trajectories
from clipbias.theory.laws.evolve import LogOddsLaw
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule
from clipbias.validate.measure.pilot_noise import PilotNoise, pilot_noise
from clipbias.validate.recipe.gate import as_trained
from clipbias.validate.recipe.recipe import Pilot
from clipbias.validate.recipe.training import Training

from .prediction import Calibration
from .toy import ToyLaw, logistic, refuse, spread_nodes

_SEED = 0  # one for all arms: what is random in their difference cancels
_EDGE = 30.0  # log-odds
_TOLERANCE = 1e-3  # of a rate, relative: far below what a pilot can know


def _walks(prob: float, config: PhaseConfig, phases: int, replicates: int, optimizer: Sgd | Adam) -> tuple[Array, ...]:
    """Log-odds [replicates, phases + 1], and clip fractions low and high [M].

    A phase's samples are shuffled over its mini-batches, as TRL does. Weight decay is left out: it pulls weights to 0,
    which log-odds are not.
    """
    moved = replace(optimizer, weight_decay=0.0) if isinstance(optimizer, Adam) else optimizer
    update, scaled = UpdateRule(optimizer=moved, split=True), isinstance(optimizer, Adam)
    made = config if scaled else as_trained(config)  # Adam does not heed the size of a gradient
    result, paths = trajectories((prob, 1 - prob), made, phases, replicates, _SEED, update)
    with np.errstate(divide="ignore"):
        log_odds = np.clip(np.log(paths[:, :, 0]) - np.log(paths[:, :, 1]), -_EDGE, _EDGE)
    return log_odds, result.clip_low_fraction.value, result.clip_high_fraction.value


@dataclass(frozen=True, slots=True)
class Simulated:
    """`replicates` trainings; a law is what they did, each as likely as any."""

    replicates: int
    optimizer: Sgd | Adam

    def solve(self, prob: float, config: PhaseConfig, phases: int) -> ToyLaw:
        log_odds, low, high = _walks(prob, config, phases, self.replicates, self.optimizer)
        laws = []
        for after in log_odds.T:
            values, counts = np.unique(after, return_counts=True)
            laws.append(LogOddsLaw(values, counts / len(after)))
        return ToyLaw(tuple(laws), low, high)


def calibrate_simulated(
    training: Training, log_odds: float, noise: PilotNoise, pilot: Pilot, solver: Simulated
) -> Calibration:
    """The learning rates at which pilots of the toy, unclipped and simulated as long as the real one, have its spread:
    read by the same estimator, `pilot_noise`, from the same phases."""
    prob, nodes = logistic(log_odds), spread_nodes(noise)

    def spread(rate: float) -> float:
        walks = _walks(prob, training.toy(rate, UNCLIPPED), pilot.phases, solver.replicates, solver.optimizer)[0]
        found = pilot_noise(
            walks[:, pilot.burn_in :],
            training.momentum if solver.optimizer == training.update else 0.0,
            training.minibatches,
            pilot.burn_in,
            corrected=isinstance(solver.optimizer, Adam),
        )
        return found.value

    def rate_for(wanted: float) -> float:
        def excess(log_rate: float) -> float:
            return math.log(spread(math.exp(log_rate)) / wanted)

        guess = math.log(small) + math.log(wanted / spread_of_small)  # exact to first order
        try:
            return math.exp(brentq(excess, guess - 0.3, guess + 1.5, xtol=_TOLERANCE))
        except ValueError:
            refuse(noise, training)

    small = 1e-3
    spread_of_small = spread(small)
    rates = [rate_for(float(wanted)) for wanted in nodes.spreads]
    return Calibration(
        learning_rate=rates[len(rates) // 2],
        spreads=tuple(nodes.spreads.tolist()),
        learning_rates=tuple(rates),
        weights=tuple(nodes.weights.tolist()),
    )
