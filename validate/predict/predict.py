"""From what was measured before the run to what every arm should do: written, hashed, and only then tested.

The toy has two outcomes (the strategy and the rest). Its start is the measured share; its group size, mini-batches and
clip bounds are the run's own, and so are the chances of being paid: γ for a blind reward, else what the reward pays the
untrained model's answers with the strategy and without (T9). One number is fitted, the toy's learning rate: the value
at which its unclipped one-phase spread of the log-odds equals the spread s of the pilot.

The toy's steps are independent, the optimizer's are not: it starts from rest with steps far larger than later ones, and
its momentum carries noise on (`theory.momentum`). Both widen the law, and momentum scales its drift, by factors that β
and M alone decide, as long as the strategy's tokens hardly clip (docs/equations.md has the error where they do). The
prediction with momentum is the one that is judged; the one without is written too, to show what momentum is worth.

Where an arm changes the shape of the training, `relative_rate` says what that does to the toy's learning rate.
"""

import math
import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clipbias.common.errors import check
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import phase_correlation, summed_noise
from clipbias.theory.laws.evolve import learning_rate_for_spread
from clipbias.theory.surrogate import PpoClip
from clipbias.validate.measure.pilot_spread import Spread
from clipbias.validate.measure.survey import Payment
from clipbias.validate.recipe.arm import PLAIN, Arm, Training
from clipbias.validate.recipe.recipe import Recipe

from .band import LEVELS, Toy, band, logistic

if TYPE_CHECKING:  # the probe needs torch, a prediction does not
    from clipbias.validate.model.probe import Reading

ALONE = 4  # arms
_NODES = 5
_UNCLIPPED = PpoClip(None, None)


def relative_rate(training: Training, shared: Training, success_prob: float | None = None) -> float:
    """The toy's learning rate under an arm's training over that under the shared one.

    (lr′/lr)·√(n′/n)·√(v/v′)·√((S(M′)/M′)/(S(M)/M)), n: samples of a step, v = v₊ + v₋ at the success probability (an
    arm's may be given, γ̄ of a reward that looks), S: `theory.momentum`. Adam divides by the gradient's own size, here
    mostly noise of variance ∝ v/n, so that its steps have the size lr whatever n and v are, where those of plain ascent
    shrink. The last factor is the part of momentum's noise that a phase of M′ steps shows. 1 for the shared training
    itself, and where no reward can say anything (v′ = 0: nothing moves). Not covered: v that changes during training.
    """

    def second_moment(of: Training, prob: float) -> float:
        moments = advantage_moments(of.group_size, prob, "std-unbiased")
        return moments.v_plus + moments.v_minus

    later = second_moment(training, training.success_prob if success_prob is None else success_prob)
    if later == 0.0:
        return 1.0
    noise = second_moment(shared, shared.success_prob) / later
    sizes = training.minibatch_size / shared.minibatch_size
    shown = [summed_noise(t.adam_beta1, t.minibatches) / t.minibatches for t in (training, shared)]
    rate = training.learning_rate / shared.learning_rate
    return rate * math.sqrt(sizes) * math.sqrt(noise) * math.sqrt(shown[0] / shown[1])


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


def _arm(recipe: Recipe, arm: Arm, toy: Toy, log_ratio: NDArray[np.float64], paid: Payment | None) -> dict[str, Any]:
    """What is claimed about one arm. toy: with the shared training's learning rates and the arm's start and phases."""
    shared, training = recipe.training, arm.training(recipe.training)
    momentum, minibatches = shared.adam_beta1, training.minibatches
    chances = None if paid is None or arm.blind else (paid.with_strategy, paid.without)
    overall = training.success_prob if chances is None else start_chance(toy, chances)
    toy = replace(toy, rates=[rate * relative_rate(training, shared, overall) for rate in toy.rates])
    results = toy.laws(training, arm.clip, chances)
    moved, paying = log_ratio * (training.learning_rate / shared.learning_rate), replace(training, success_prob=overall)
    low, high = token_clip_fractions(moved, paying, arm, momentum)
    walk_low, walk_high = token_clip_fractions(moved, paying, arm, momentum=0.0)
    claims = band(toy, results, momentum, minibatches) | {
        "without_momentum": band(toy, results, 0.0, minibatches),
        "strategy_clip_low": toy.mixed([r.clip_low_fraction.mean(axis=0) for r in results]).tolist(),
        "strategy_clip_high": toy.mixed([r.clip_high_fraction.mean(axis=0) for r in results]).tolist(),
        "token_clip_low": low,
        "token_clip_high": high,
        "token_clip_low_without_momentum": walk_low,
        "token_clip_high_without_momentum": walk_high,
    }
    if paid is None:
        return claims
    return claims | {"payment": asdict(paid), "parts": _parts(toy, training, arm, momentum, chances, overall)}


def start_chance(toy: Toy, chances: tuple[float, float]) -> float:
    """γ̄ at the toy's start."""
    prob = logistic(toy.log_odds)
    return prob * chances[0] + (1 - prob) * chances[1]


def _parts(
    toy: Toy, training: Training, arm: Arm, momentum: float, chances: tuple[float, float] | None, overall: float
) -> dict[str, float]:
    """The mean share's change in three parts that add up to that of the central learning rate: noise, what a blind
    reward paid as often does without a clip; selection, what looking adds; and clip, what the bounds add to both."""
    middle = replace(toy, rates=[toy.rates[len(toy.rates) // 2]], weights=np.ones(1))

    def end(clip: PpoClip, paid: tuple[float, float]) -> float:
        laws = middle.laws(training, clip, paid)
        return float(band(middle, laws, momentum, training.minibatches)["share_mean"][-1])

    start, blind = logistic(toy.log_odds), (overall, overall)
    free = end(_UNCLIPPED, blind)
    selected = free if chances is None else end(_UNCLIPPED, chances)
    clipped = selected if arm.clip == _UNCLIPPED else end(arm.clip, chances or blind)
    return {"noise": free - start, "selection": selected - free, "clip": clipped - selected}


def predict(
    recipe: Recipe,
    readings: Mapping[str, "Reading"],
    spread: Spread,
    log_ratio: NDArray[np.float64],
    noise_floor: float,
    payments: Mapping[str, Payment] | None = None,
) -> dict[str, Any]:
    """Everything that is claimed before the run, ready for JSON.

    readings: the untrained model by style of prompt. log_ratio: of the pilot's second mini-batch. payments: by arm,
    where the untrained model was surveyed.
    """
    training, reading = recipe.training, readings[PLAIN]
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    spreads = spread.value * np.exp(nodes * spread.relative_stderr)
    prob, shape = logistic(reading.log_odds), training.toy(1.0, _UNCLIPPED)
    try:
        rates = [learning_rate_for_spread(prob, shape, float(s)) for s in spreads]
    except ValueError:
        allowed = "small enough for the toy to follow, a few log-odds per phase"
        check(False, "training.learning_rate", allowed, f"a spread of {spread.value:.3g} per phase in the pilot")
    weights = node_weights / node_weights.sum()
    claims = []
    for arm in recipe.arm:
        start, phases = readings[arm.style], arm.training(training).phases
        toy = Toy(start.log_odds, start.samples, rates, weights, phases)
        claims.append(partial(_arm, recipe, arm, toy, log_ratio, (payments or {}).get(arm.name)))
    return {
        "levels": list(LEVELS),
        "measured": _measured(reading),
        "pilot": asdict(spread)
        | {
            "stderr": spread.value * spread.relative_stderr,
            "seeds": recipe.pilot.seeds,
            "autocorrelation_predicted": phase_correlation(training.adam_beta1, training.minibatches),
            "noise_floor": noise_floor,
        },
        "calibration": {
            "learning_rate": learning_rate_for_spread(prob, shape, spread.value),
            "spreads": spreads.tolist(),
            "learning_rates": rates,
            "weights": weights.tolist(),
        },
        "arms": dict(zip((arm.name for arm in recipe.arm), _side_by_side(claims), strict=True)),
    }


def _side_by_side(claims: list[Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    """All claims, each on one core; few are made here, since processes take seconds to start."""
    workers = min(len(os.sched_getaffinity(0)), len(claims))
    if workers < 2 or len(claims) <= ALONE:
        return [claim() for claim in claims]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_called, claims))


def _called(claim: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return claim()


def _measured(reading: "Reading") -> dict[str, Any]:
    return {"share": reading.share, "log_odds": reading.log_odds, "samples": reading.samples}
