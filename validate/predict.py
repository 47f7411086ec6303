"""From what was measured before the run to what every arm should do: written, hashed, and only then tested.

The toy has two outcomes (the strategy and the rest). Its start is the measured share; its group size, mini-batches,
success probability and clip bounds are the run's own. One number is fitted, its learning rate: the value at which its
unclipped one-phase spread of the log-odds equals the spread s of the pilot. s is uncertain, with relative error δ
(`Spread`), so every law is a mixture over log s ~ N(log ŝ, δ²) by Gauss–Hermite nodes.

The toy's steps are independent, the optimizer's are not: it starts from rest with steps far larger than later ones, and
its momentum carries noise on (`theory.momentum`). Both widen the law, and momentum scales its drift, by factors that β
and M alone decide, as long as the strategy's tokens hardly clip (docs/equations.md has the error where they do). The
prediction with momentum is the one that is judged; the one without is written too, to show what momentum is worth.
"""

import math
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, expit, ndtri

from ..theory.advantage import advantage_moments
from ..theory.evolve import EvolveResult, evolve, learning_rate_for_spread
from ..theory.momentum import (
    effective_share,
    lasting_persistence,
    loudness,
    persistence_from_rest,
    phase_correlation,
    summed_noise,
    summed_noise_from_rest,
)
from ..theory.surrogate import PpoClip
from .fields import check
from .recipe import Arm, Recipe, Training

if TYPE_CHECKING:  # the probe needs torch, a prediction does not
    from .probe import Reading

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_NODES = 5
_GRID = np.linspace(-16.0, 16.0, 3201)  # log-odds on which mixtures are formed


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviation of the log-odds' change over one unclipped phase long after the optimizer's start: `value`,
    with relative error relative_stderr.

    mean and mean_stderr are those of the change itself, which the theory says is 0; autocorrelation is that of
    neighbouring phases, to be compared with `theory.momentum.phase_correlation`.
    """

    value: float
    relative_stderr: float
    mean: float
    mean_stderr: float
    autocorrelation: float


def counting_variance(log_odds: NDArray[np.float64] | float, samples: int | None) -> NDArray[np.float64]:
    """Variance 1/(n p(1−p)) of log-odds counted in n answers; 0 where the share was read exactly."""
    p = expit(np.asarray(log_odds, dtype=np.float64))
    return np.zeros_like(p) if samples is None else 1.0 / (samples * p * (1.0 - p))


def spread_of(
    log_odds: NDArray[np.float64], momentum: float, minibatches: int, burn_in: int, samples: int | None = None
) -> Spread:
    """log_odds [seeds, phases + 1] of the pilot after `burn_in` phases; `samples`: answers behind each (None: exact).

    The optimizer is louder after its start from rest: the change over phase t has L_t·s² (`theory.momentum.loudness`),
    so that changes are divided by √L_t. Their variance v has the standard error v√(2/ν), ν = (seeds·phases − 1)·
    `effective_share` since momentum makes neighbouring phases correlate. Counting adds twice its variance c to a
    change: s² = v − 2c·mean(1/L_t), but never less than the standard error: what the pilot cannot resolve is taken to
    be as large as what could hide in it. The error of the mean change is that of the sum over all phases, S₀.
    """
    seeds, phases = log_odds.shape[0], log_odds.shape[1] - 1
    loud = np.array([loudness(momentum, minibatches, burn_in + t) for t in range(1, phases + 1)])
    change = np.diff(log_odds, axis=1)
    noise = change / np.sqrt(loud)
    total = float(noise.var(ddof=1))
    check(total > 0, "pilot", "runs in which the share of the strategy moves", "the same share in every reading")
    stderr = total * math.sqrt(2.0 / ((noise.size - 1) * effective_share(momentum, minibatches)))
    counted = 2.0 * float(counting_variance(log_odds, samples).mean())
    variance = max(total - counted * float((1 / loud).mean()), stderr)
    centred = noise - noise.mean()
    lagged = float((centred[:, 1:] * centred[:, :-1]).mean() / (centred**2).mean()) if phases > 1 else 0.0
    summed = summed_noise_from_rest(momentum, minibatches * (burn_in + phases), minibatches * burn_in)
    whole = variance * summed / summed_noise(momentum, minibatches) + counted
    return Spread(
        value=math.sqrt(variance),
        relative_stderr=0.5 * stderr / variance,
        mean=float(change.mean()),
        mean_stderr=math.sqrt(whole / seeds) / phases,
        autocorrelation=lagged,
    )


def token_clip_fractions(
    log_ratio: NDArray[np.float64], training: Training, arm: Arm, momentum: float
) -> tuple[list[float], list[float]]:
    """Share of all tokens clipped low and high in mini-batches 1…M, with nothing fitted.

    log_ratio: ℓ [n], all tokens of the pilot's second mini-batch. In mini-batch m log R has the law of √S(m−1)·ℓ (S of
    `theory.momentum`; √(m−1) without momentum), and the sign of the advantage is independent of it:
    low = P(Â<0)·P(√S·ℓ < ln(1−ε_l)), high = P(Â>0)·P(√S·ℓ > ln(1+ε_h)). The law of ℓ is the pilot's own, since
    log-ratios have tails far heavier than a normal law's.
    """
    moments = advantage_moments(training.group_size, training.success_prob, "std-unbiased")
    low, high = [], []
    for steps in range(training.minibatches):
        moved = math.sqrt(summed_noise(momentum, steps)) * log_ratio
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
        mixed += weight * np.interp(_GRID, law.grid, law.cumulative(), left=0.0, right=1.0)
    return mixed


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


@dataclass(frozen=True, slots=True)
class Toy:
    """The calibrated toy: start, mixture of learning rates, phases, and the answers that each reading counts (None
    where readings are exact)."""

    log_odds: float
    samples: int | None
    rates: list[float]
    weights: NDArray[np.float64]
    phases: int

    def laws(self, training: Training, arm: Arm) -> list[EvolveResult]:
        prob = _logistic(self.log_odds)
        with warnings.catch_warnings():
            # 4 % of the spread, at the mixture's large rates: a pilot does not know the spread that well
            warnings.filterwarnings("ignore", "one step moves the log-odds", RuntimeWarning)
            return [evolve(prob, training.toy(rate, arm.clip), self.phases) for rate in self.rates]

    def mixed(self, values: list[Any]) -> NDArray[np.float64]:
        return np.tensordot(self.weights, np.asarray(values, dtype=np.float64), axes=1)


def band(toy: Toy, results: list[EvolveResult], momentum: float, minibatches: int) -> dict[str, Any]:
    """Quantiles, mean and standard deviation of the log-odds, and mean share and entropy, after 0…T phases.

    With momentum a log-odds x of the toy's law after t phases is moved to x₀ + κ_∞(x̄ − x₀) + κ⁰_t(x − x̄): noise keeps
    going for a while and is loudest at the start; of every gradient its phase saw only the part 1/κ_∞.

    Counting adds its error to the spread, and to the quantiles twice, since the start x₀ was counted as well; that part
    all seeds share, so it is written apart, as start_stderr.
    """
    mean = toy.mixed([[law.mean for law in r.laws] for r in results])
    second = toy.mixed([[law.mean**2 + law.std**2 for law in r.laws] for r in results])
    std = np.sqrt(np.maximum(second - mean**2, 0.0))
    lasting = lasting_persistence(momentum, minibatches)
    quantiles, share, entropy, means, stds = [], [], [], [], []
    for phase in range(toy.phases + 1):
        kappa = persistence_from_rest(momentum, minibatches, max(phase, 1))
        centre = toy.log_odds + lasting * (mean[phase] - toy.log_odds)
        points = np.full(len(LEVELS), toy.log_odds)
        if phase:
            points = centre + kappa * (np.interp(LEVELS, _mixture(results, toy.weights, phase), _GRID) - mean[phase])
        counted = float(counting_variance(centre, toy.samples))
        middle = points[LEVELS.index(0.5)]
        points = middle + np.sign(ndtri(LEVELS)) * np.hypot(points - middle, ndtri(LEVELS) * math.sqrt(2 * counted))
        grids = [centre + kappa * (r.laws[phase].grid - mean[phase]) for r in results]
        pairs = list(zip(grids, results, strict=True))
        share.append(float(toy.mixed([r.laws[phase].mass @ expit(x) for x, r in pairs])))
        entropies = [r.laws[phase].mass @ (entr(expit(x)) + entr(expit(-x))) for x, r in pairs]
        entropy.append(float(toy.mixed(entropies)))
        quantiles.append(points.tolist())
        means.append(float(centre))
        stds.append(math.hypot(kappa * std[phase], math.sqrt(counted)))
    return {
        "log_odds_quantiles": quantiles,
        "log_odds_mean": means,
        "log_odds_std": stds,
        "start_stderr": math.sqrt(float(counting_variance(toy.log_odds, toy.samples))),
        "share_mean": share,
        "strategy_entropy_mean": entropy,
    }


def predict(
    recipe: Recipe,
    reading: "Reading",
    spread: Spread,
    log_ratio: NDArray[np.float64],
    noise_floor: float,
) -> dict[str, Any]:
    """Everything that is claimed before the run, ready for JSON. log_ratio: of the pilot's second mini-batch."""
    training = recipe.training
    momentum, minibatches = training.adam_beta1, training.minibatches
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    spreads = spread.value * np.exp(nodes * spread.relative_stderr)
    prob, shape = _logistic(reading.log_odds), training.toy(1.0, PpoClip(None, None))
    try:
        rates = [learning_rate_for_spread(prob, shape, float(s)) for s in spreads]
    except ValueError:
        allowed = "small enough for the toy to follow, a few log-odds per phase"
        check(False, "training.learning_rate", allowed, f"a spread of {spread.value:.3g} per phase in the pilot")
    toy = Toy(reading.log_odds, reading.samples, rates, node_weights / node_weights.sum(), training.phases)
    arms = {}
    for arm in recipe.arm:
        results = toy.laws(training, arm)
        low, high = token_clip_fractions(log_ratio, training, arm, momentum)
        walk_low, walk_high = token_clip_fractions(log_ratio, training, arm, momentum=0.0)
        arms[arm.name] = band(toy, results, momentum, minibatches) | {
            "without_momentum": band(toy, results, 0.0, minibatches),
            "strategy_clip_low": toy.mixed([r.clip_low_fraction.mean(axis=0) for r in results]).tolist(),
            "strategy_clip_high": toy.mixed([r.clip_high_fraction.mean(axis=0) for r in results]).tolist(),
            "token_clip_low": low,
            "token_clip_high": high,
            "token_clip_low_without_momentum": walk_low,
            "token_clip_high_without_momentum": walk_high,
        }
    return {
        "levels": list(LEVELS),
        "measured": {"share": reading.share, "log_odds": reading.log_odds, "samples": reading.samples},
        "pilot": asdict(spread)
        | {
            "stderr": spread.value * spread.relative_stderr,
            "seeds": recipe.pilot.seeds,
            "autocorrelation_predicted": phase_correlation(momentum, minibatches),
            "noise_floor": noise_floor,
        },
        "calibration": {
            "learning_rate": learning_rate_for_spread(prob, shape, spread.value),
            "spreads": spreads.tolist(),
            "learning_rates": rates,
            "weights": toy.weights.tolist(),
        },
        "arms": arms,
    }
