"""From what was measured before the run to what every arm should do: written, hashed, and only then tested.

The toy has two outcomes (the strategy and the rest). Its start is the measured share; its group size, mini-batches,
success probability and clip bounds are the run's own. One number is fitted, the toy's learning rate: the value at which
its unclipped one-phase spread of the log-odds equals the spread s of the pilot. s itself is uncertain, with relative
error 1/√(2ν) for ν degrees of freedom, so every law is a mixture over log s ~ N(log ŝ, 1/(2ν)) by Gauss–Hermite nodes.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ..theory.config import PhaseConfig
from ..theory.evolve import EvolveResult, evolve, learning_rate_for_spread
from ..theory.surrogate import ClipRange
from .probe import Reading
from .recipe import Arm, Recipe, Training

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


@dataclass(frozen=True, slots=True)
class TokenNoise:
    """Log-ratios of all tokens in the pilot's second mini-batch: weight and variance by decile of old log-probability."""

    weight: NDArray[np.float64]
    variance: NDArray[np.float64]


def token_noise(old_log_prob: NDArray[np.float64], log_ratio: NDArray[np.float64]) -> TokenNoise:
    """Deciles of the old log-probability, [n] in and [10] out; ties at probability 1 stay in the last bin."""
    edges = np.quantile(old_log_prob, np.linspace(0.1, 0.9, 9))
    decile = np.searchsorted(edges, old_log_prob)
    count = np.bincount(decile, minlength=10)
    square = np.bincount(decile, weights=log_ratio**2, minlength=10)
    return TokenNoise(count / len(old_log_prob), square / np.maximum(count, 1))


def token_clip_fractions(noise: TokenNoise, training: Training, arm: Arm) -> tuple[list[float], list[float]]:
    """Share of all tokens clipped low and high in mini-batches 1…M, with no free parameter.

    Each mini-batch moves a token's log-ratio by an independent step, so that in mini-batch m
    log R ~ N(−σ²/2, σ²), σ² = (m−1)·σ₂², and the sign of the advantage is independent of it:
    low = P(Â<0)·Σ_d w_d·Φ((ln(1−ε_l) + σ²/2)/σ),  high = P(Â>0)·Σ_d w_d·Φ(−(ln(1+ε_h) + σ²/2)/σ).
    Holds while steps are uncorrelated; momentum makes σ² grow faster than m−1.
    """
    gamma, size = training.success_prob, training.group_size
    positive, negative = gamma - gamma**size, (1 - gamma) - (1 - gamma) ** size
    low, high = [], []
    for steps in range(training.minibatches):
        sigma = np.sqrt(np.maximum(steps * noise.variance, 1e-300))
        drift = sigma**2 / 2
        below = np.zeros_like(sigma) if arm.clip_low is None else ndtr((math.log1p(-arm.clip_low) + drift) / sigma)
        above = np.zeros_like(sigma) if arm.clip_high is None else ndtr(-(math.log1p(arm.clip_high) + drift) / sigma)
        low.append(float(negative * (noise.weight * below).sum()))
        high.append(float(positive * (noise.weight * above).sum()))
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


def predict_arm(
    log_odds: float,
    samples: int | None,
    configs: list[PhaseConfig],
    weights: NDArray[np.float64],
    phases: int,
) -> dict[str, Any]:
    """Laws of one arm after 0…phases phases: quantiles and mean of the log-odds and the share, entropy, clip events.

    samples: answers counted by the probe; its binomial error, 1/(n p(1−p)) in log-odds, is added to the band.
    """
    prob = _logistic(log_odds)
    results = [evolve(prob, config, phases) for config in configs]

    def mixed(values: list[Any]) -> Any:
        return np.tensordot(weights, np.asarray(values, dtype=np.float64), axes=1).tolist()

    quantiles = []
    for phase in range(phases + 1):
        cdf = _mixture(results, weights, phase)
        points = np.interp(LEVELS, cdf, _GRID) if phase else np.full(len(LEVELS), log_odds)
        if samples is not None:
            centre = points[LEVELS.index(0.5)]
            counted = 1.0 / (samples * _logistic(centre) * _logistic(-centre))
            z = ndtri(np.asarray(LEVELS))
            points = centre + np.sign(points - centre) * np.hypot(points - centre, z * math.sqrt(counted))
        quantiles.append(points.tolist())
    mean = mixed([[law.mean for law in r.laws] for r in results])
    second = mixed([[law.mean**2 + law.std**2 for law in r.laws] for r in results])
    return {
        "log_odds_quantiles": quantiles,
        "log_odds_mean": mean,
        "log_odds_std": [math.sqrt(max(s - m * m, 0.0)) for s, m in zip(second, mean, strict=True)],
        "share_mean": mixed([[law.prob_mean for law in r.laws] for r in results]),
        "strategy_entropy_mean": mixed([[law.entropy_mean for law in r.laws] for r in results]),
        "strategy_clip_low": mixed([r.clip_low_fraction.mean(axis=0) for r in results]),
        "strategy_clip_high": mixed([r.clip_high_fraction.mean(axis=0) for r in results]),
    }


def predict(
    recipe: Recipe, reading: Reading, spread: Spread, noise: TokenNoise, noise_floor: float, written: str
) -> dict[str, Any]:
    """Everything that is claimed before the run, ready for JSON."""
    training = recipe.training
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = node_weights / node_weights.sum()
    stderr = spread.value / math.sqrt(2 * spread.degrees)
    spreads = spread.value * np.exp(nodes * stderr / spread.value)
    prob = _logistic(reading.log_odds)
    shape = training.toy(1.0, ClipRange(None, None))
    rates = [learning_rate_for_spread(prob, shape, float(s)) for s in spreads]
    arms = {}
    for arm in recipe.arm:
        configs = [training.toy(rate, arm.clip) for rate in rates]
        low, high = token_clip_fractions(noise, training, arm)
        arms[arm.name] = predict_arm(reading.log_odds, reading.samples, configs, weights, training.phases) | {
            "token_clip_low": low,
            "token_clip_high": high,
        }
    return {
        "written": written,
        "levels": list(LEVELS),
        "measured": {"share": reading.share, "log_odds": reading.log_odds, "samples": reading.samples},
        "pilot": asdict(spread) | {"stderr": stderr, "seeds": recipe.pilot.seeds, "noise_floor": noise_floor},
        "calibration": {
            "learning_rate": learning_rate_for_spread(prob, shape, spread.value),
            "spreads": spreads.tolist(),
            "learning_rates": rates,
            "weights": weights.tolist(),
        },
        "arms": arms,
    }
