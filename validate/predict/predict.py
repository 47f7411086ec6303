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

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from clipbias.common.processes import cores, in_order
from clipbias.theory.surrogate import UNCLIPPED, Surrogate
from clipbias.validate.measure.answer_rates import UntrainedRates
from clipbias.validate.measure.payment import Payment
from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.measure.start import Start
from clipbias.validate.recipe.arm import PLAIN, Arm, Training
from clipbias.validate.recipe.recipe import Recipe

from .accuracy import accuracy_mean
from .band import LEVELS, band
from .prediction import ArmClaim, Array, ClipFractions, Parts, Prediction
from .rates import relative_rate
from .token_law import clip_fractions
from .toy import Toy, calibrate

ALONE = 4  # arms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """All that is known before the run. model_sha256: of the weights, by file. strategy: its name. starts: by style of
    prompt. log_ratio [n]: of the pilot's second mini-batch. payments: by arm, where the untrained model was surveyed.
    untrained: by style, with the SHA-256 of the files that it was read from, where there is an evaluation."""

    recipe_sha256: str
    model_sha256: dict[str, str]
    strategy: str
    starts: Mapping[str, Start]
    noise: PilotNoise
    log_ratio: Array
    payments: Mapping[str, Payment] = field(default_factory=dict)
    untrained: dict[str, UntrainedRates] | None = None
    untrained_sha256: dict[str, str] | None = None


def predict(recipe: Recipe, measured: Measured) -> Prediction:
    """Everything that is claimed before the run."""
    training, start = recipe.training, measured.starts[PLAIN]
    calibration = calibrate(training, start.log_odds, measured.noise)
    claims = []
    for arm in recipe.arm:
        known = measured.starts[arm.style]
        toy = Toy(
            log_odds=known.log_odds,
            samples=known.samples,
            rates=calibration.learning_rates,
            weights=np.array(calibration.weights),
            phases=arm.training(training).phases,
        )
        rates = None if measured.untrained is None else measured.untrained[arm.style]
        claims.append(partial(_claim, recipe, arm, toy, measured.log_ratio, measured.payments.get(arm.name), rates))
    return Prediction(
        recipe_sha256=measured.recipe_sha256,
        model_sha256=measured.model_sha256,
        strategy=measured.strategy,
        levels=LEVELS,
        start=start,
        pilot=measured.noise,
        calibration=calibration,
        arms=dict(zip((arm.name for arm in recipe.arm), _side_by_side(claims), strict=True)),
        untrained=measured.untrained,
        untrained_sha256=measured.untrained_sha256,
    )


def _claim(
    recipe: Recipe, arm: Arm, toy: Toy, log_ratio: Array, paid: Payment | None, untrained: UntrainedRates | None
) -> ArmClaim:
    """What is claimed about one arm. toy: with the shared training's learning rates and the arm's start and phases."""
    shared, training = recipe.training, arm.training(recipe.training)
    momentum, minibatches = shared.adam_beta1, training.minibatches
    chances = None if paid is None or arm.blind else (paid.with_strategy, paid.without)
    overall = training.success_prob if chances is None else toy.chance(chances)
    toy = replace(toy, rates=[rate * relative_rate(training, shared, overall) for rate in toy.rates])
    results = toy.laws(training, arm.clip, chances)
    moved, paying = log_ratio * (training.learning_rate / shared.learning_rate), replace(training, success_prob=overall)
    carried = band(toy, results, momentum, minibatches)
    return ArmClaim(
        band=carried,
        without_momentum=band(toy, results, 0.0, minibatches),
        strategy_clipped=ClipFractions(
            low=toy.mixed([r.clip_low_fraction.mean(axis=0) for r in results]),
            high=toy.mixed([r.clip_high_fraction.mean(axis=0) for r in results]),
        ),
        tokens_clipped=clip_fractions(moved, paying, arm.clip, momentum),
        tokens_clipped_without_momentum=clip_fractions(moved, paying, arm.clip, 0.0),
        payment=paid,
        parts=None if paid is None else _parts(toy, training, arm, momentum, chances, overall),
        accuracy_mean=None if untrained is None else accuracy_mean(carried.share_mean, untrained),
    )


def _parts(
    toy: Toy, training: Training, arm: Arm, momentum: float, chances: tuple[float, float] | None, overall: float
) -> Parts:
    """The mean share's change in three parts that add up to that of the central learning rate: noise, what a blind
    reward paid as often does without a clip; selection, what looking adds; and clip, what the bounds add to both."""
    middle = replace(toy, rates=[toy.rates[len(toy.rates) // 2]], weights=np.ones(1))

    def end(surrogate: Surrogate, paid: tuple[float, float]) -> float:
        laws = middle.laws(training, surrogate, paid)
        return float(band(middle, laws, momentum, training.minibatches).share_mean[-1])

    blind = (overall, overall)
    free = end(UNCLIPPED, blind)
    selected = free if chances is None else end(UNCLIPPED, chances)
    clipped = selected if arm.clip == UNCLIPPED else end(arm.clip, chances or blind)
    return Parts(noise=free - toy.prob, selection=selected - free, clip=clipped - selected)


def _side_by_side(claims: list[Callable[[], ArmClaim]]) -> list[ArmClaim]:
    """All claims, each on one core; few are made here, since processes take seconds to start."""
    if cores() < 2 or len(claims) <= ALONE:
        return [claim() for claim in claims]
    return in_order(_called, claims, cores())


def _called(claim: Callable[[], ArmClaim]) -> ArmClaim:
    return claim()
