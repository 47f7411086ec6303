"""From what was measured before the run to what every arm should do: written, hashed, and only then tested.

The toy has two outcomes (the strategy and the rest). Its start is the measured share; its group size, mini-batches,
success probability and clip bounds are the run's own. Its learning rate is the value at which its unclipped one-phase
spread of the log-odds equals the spread s of the pilot. s is uncertain, with relative error 1/√(2ν) for ν degrees of
freedom, so every law is a mixture over log s ~ N(log ŝ, 1/(2ν)) by Gauss–Hermite nodes.

That is the memoryless prediction, from one measured number. A real optimizer has momentum, so a second number is
measured, the correlation ρ of neighbouring phases in the pilot, and the law is widened and its drift scaled by it
(`persistence`). Both predictions are written; the one with memory is the one that is judged.
"""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, expit, ndtri

from ..theory.advantage import advantage_moments
from ..theory.evolve import EvolveResult, evolve, learning_rate_for_spread
from ..theory.surrogate import ClipRange
from .recipe import Arm, Recipe, Training

if TYPE_CHECKING:  # the probe needs torch, a prediction does not
    from .probe import Reading

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_NODES = 5
_GRID = np.linspace(-16.0, 16.0, 3201)  # log-odds on which mixtures are formed


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviation of the log-odds' change over one unclipped phase: `value` from `degrees` degrees of freedom.

    mean and mean_stderr are those of the change itself, which the theory says is 0; autocorrelation is that of
    neighbouring phases, 0 in the toy and positive where an optimizer with momentum carries steps over.
    """

    value: float
    degrees: int
    mean: float
    mean_stderr: float
    autocorrelation: float


def spread_of(log_odds: NDArray[np.float64]) -> Spread:
    """log_odds [seeds, phases + 1] of the pilot after its burn-in; ν = seeds·phases − 1."""
    change = np.diff(log_odds, axis=1)
    value = float(change.std(ddof=1))
    centred = change - change.mean()
    lagged = float((centred[:, 1:] * centred[:, :-1]).mean() / (centred**2).mean()) if change.shape[1] > 1 else 0.0
    return Spread(value, change.size - 1, float(change.mean()), value / math.sqrt(change.size), lagged)


def persistence(correlation: float, phases: int) -> float:
    """κ_T: standard deviation of a sum of T phase changes over that of independent ones with the same variance.

    For changes that form an AR(1) sequence with correlation ρ, κ_T² = (1+ρ)/(1−ρ) − 2ρ(1−ρ^T)/(T(1−ρ)²); κ_1 = 1.
    A gradient's whole effect is spread over later steps, so κ_∞ is also the ratio of a step's eventual effect to the
    one seen within its phase. ρ < 0 is taken as 0: momentum cannot make it negative.
    """
    rho = min(max(correlation, 0.0), 0.95)
    return math.sqrt((1 + rho) / (1 - rho) - 2 * rho * (1 - rho**phases) / (phases * (1 - rho) ** 2))


@dataclass(frozen=True, slots=True)
class TokenNoise:
    """Log-ratios [n] of all tokens in the pilot's second mini-batch, and how their size grows from there: in
    mini-batch m they are (m−1)^growth times as large. growth = ½ is a random walk, 1 is steady motion."""

    log_ratio: NDArray[np.float64]
    growth: float


_TAIL = 0.99  # the quantile of |log R| that growth is read from: clip events are tail events


def token_noise(minibatch: NDArray[np.int64], log_ratio: NDArray[np.float64], minibatches: int) -> TokenNoise:
    """From the tokens [n] of the pilot; growth = ln(q_M/q_2)/ln(M−1) of the 99 % quantiles q of |log R|, and ½ where
    M < 3 leaves no measure of it."""
    second = np.abs(log_ratio[minibatch == min(1, minibatches - 1)])
    start = float(np.quantile(second, _TAIL))
    growth = 0.5
    if minibatches > 2 and start > 0:
        end = float(np.quantile(np.abs(log_ratio[minibatch == minibatches - 1]), _TAIL))
        growth = math.log(end / start) / math.log(minibatches - 1)
    return TokenNoise(log_ratio[minibatch == min(1, minibatches - 1)], growth)


def token_clip_fractions(
    noise: TokenNoise, training: Training, arm: Arm, growth: float
) -> tuple[list[float], list[float]]:
    """Share of all tokens clipped low and high in mini-batches 1…M, with nothing fitted to a clipped run.

    In mini-batch m log R has the law of (m−1)^growth·ℓ, ℓ a log-ratio of mini-batch 2, and the sign of the advantage is
    independent of it: low = P(Â<0)·P((m−1)^growth·ℓ < ln(1−ε_l)), high = P(Â>0)·P((m−1)^growth·ℓ > ln(1+ε_h)). The law
    of ℓ is the pilot's own, since log-ratios have tails far heavier than a normal law's.
    """
    moments = advantage_moments(training.group_size, training.success_prob, "std-unbiased")
    low, high = [], []
    for steps in range(training.minibatches):
        moved = steps**growth * noise.log_ratio
        below = 0.0 if arm.clip_low is None else float(np.mean(moved < math.log1p(-arm.clip_low)))
        above = 0.0 if arm.clip_high is None else float(np.mean(moved > math.log1p(arm.clip_high)))
        low.append(moments.negative_prob * below)
        high.append(moments.positive_prob * above)
    return low, high


def _mixture(results: list[EvolveResult], weights: NDArray[np.float64], phase: int) -> NDArray[np.float64]:
    """Distribution function on _GRID of the mixture of the laws after `phase` phases."""
    mixed = np.zeros_like(_GRID)
    for result, weight in zip(results, weights, strict=True):
        law = result.laws[phase]
        # The law is a sum of point masses: half of each is placed below its grid point, so that a symmetric law
        # has its median in the middle.
        cumulative = np.cumsum(law.mass) - 0.5 * law.mass
        mixed += weight * np.interp(_GRID, law.grid, cumulative, left=0.0, right=1.0)
    return mixed


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@dataclass(frozen=True, slots=True)
class Toy:
    """The calibrated toy: start, mixture of learning rates, phases, and what the probe adds to a reading.

    samples: answers counted by the probe, whose binomial error 1/(n p(1−p)) in log-odds is added to the band; None
    where the reading is exact.
    """

    log_odds: float
    samples: int | None
    rates: list[float]
    weights: NDArray[np.float64]
    phases: int

    def laws(self, training: Training, arm: Arm) -> list[EvolveResult]:
        prob = _logistic(self.log_odds)
        return [evolve(prob, training.toy(rate, arm.clip), self.phases) for rate in self.rates]

    def mixed(self, values: list[Any]) -> NDArray[np.float64]:
        return np.tensordot(self.weights, np.asarray(values, dtype=np.float64), axes=1)


def band(toy: Toy, results: list[EvolveResult], correlation: float) -> dict[str, Any]:
    """Quantiles, mean and standard deviation of the log-odds, and mean share and entropy, after 0…T phases.

    With memory (ρ > 0) a log-odds x of the memoryless law is moved to x₀ + κ_∞(x̄ − x₀) + κ_t(x − x̄).
    """
    mean = toy.mixed([[law.mean for law in r.laws] for r in results])
    second = toy.mixed([[law.mean**2 + law.std**2 for law in r.laws] for r in results])
    std = np.sqrt(np.maximum(second - mean**2, 0.0))
    lasting = persistence(correlation, 10**9)
    quantiles, share, entropy, means, stds = [], [], [], [], []
    for phase in range(toy.phases + 1):
        kappa = persistence(correlation, max(phase, 1))
        centre = toy.log_odds + lasting * (mean[phase] - toy.log_odds)
        points = np.full(len(LEVELS), toy.log_odds)
        if phase:
            points = centre + kappa * (np.interp(LEVELS, _mixture(results, toy.weights, phase), _GRID) - mean[phase])
        if toy.samples is not None:
            counted = 1.0 / (toy.samples * _logistic(centre) * _logistic(-centre))
            middle = points[LEVELS.index(0.5)]
            points = middle + np.sign(ndtri(LEVELS)) * np.hypot(points - middle, ndtri(LEVELS) * math.sqrt(counted))
        grids = [centre + kappa * (r.laws[phase].grid - mean[phase]) for r in results]
        pairs = list(zip(grids, results, strict=True))
        share.append(float(toy.mixed([r.laws[phase].mass @ expit(x) for x, r in pairs])))
        entropies = [r.laws[phase].mass @ (entr(expit(x)) + entr(expit(-x))) for x, r in pairs]
        entropy.append(float(toy.mixed(entropies)))
        quantiles.append(points.tolist())
        means.append(float(centre))
        stds.append(float(kappa * std[phase]))
    return {
        "log_odds_quantiles": quantiles,
        "log_odds_mean": means,
        "log_odds_std": stds,
        "share_mean": share,
        "strategy_entropy_mean": entropy,
    }


def predict(
    recipe: Recipe, reading: "Reading", spread: Spread, noise: TokenNoise, noise_floor: float, written: str
) -> dict[str, Any]:
    """Everything that is claimed before the run, ready for JSON."""
    training = recipe.training
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    stderr = spread.value / math.sqrt(2 * spread.degrees)
    spreads = spread.value * np.exp(nodes * stderr / spread.value)
    prob, shape = _logistic(reading.log_odds), training.toy(1.0, ClipRange(None, None))
    rates = [learning_rate_for_spread(prob, shape, float(s)) for s in spreads]
    toy = Toy(reading.log_odds, reading.samples, rates, node_weights / node_weights.sum(), training.phases)
    arms = {}
    for arm in recipe.arm:
        results = toy.laws(training, arm)
        low, high = token_clip_fractions(noise, training, arm, noise.growth)
        walk_low, walk_high = token_clip_fractions(noise, training, arm, growth=0.5)
        arms[arm.name] = band(toy, results, spread.autocorrelation) | {
            "memoryless": band(toy, results, correlation=0.0),
            "strategy_clip_low": toy.mixed([r.clip_low_fraction.mean(axis=0) for r in results]).tolist(),
            "strategy_clip_high": toy.mixed([r.clip_high_fraction.mean(axis=0) for r in results]).tolist(),
            "token_clip_low": low,
            "token_clip_high": high,
            "token_clip_low_memoryless": walk_low,
            "token_clip_high_memoryless": walk_high,
        }
    return {
        "written": written,
        "levels": list(LEVELS),
        "measured": {"share": reading.share, "log_odds": reading.log_odds, "samples": reading.samples},
        "pilot": asdict(spread)
        | {"stderr": stderr, "seeds": recipe.pilot.seeds, "noise_floor": noise_floor, "token_growth": noise.growth},
        "calibration": {
            "learning_rate": learning_rate_for_spread(prob, shape, spread.value),
            "spreads": spreads.tolist(),
            "learning_rates": rates,
            "weights": toy.weights.tolist(),
        },
        "arms": arms,
    }
