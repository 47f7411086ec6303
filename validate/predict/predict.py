"""From what was measured before the run to what every arm should do: written, hashed, and only then tested.

The toy has two outcomes (the strategy and the rest). Its start is the measured share; its group size, mini-batches and
clip bounds are the run's own, and so are the chances of being paid: γ for a blind reward, else what the reward pays the
untrained model's answers with the strategy and without (T9). One number is fitted, the toy's learning rate: the value
at which its unclipped one-phase spread of the log-odds equals the spread s of the pilot.

The toy's steps are independent, the optimizer's are not: it starts from rest with steps far larger than later ones, and
its momentum carries noise on (`theory.momentum`). Both widen the law, and momentum scales its drift, by factors that β
and M alone decide, as long as the strategy's tokens hardly clip (docs/equations.md has the error where they do). The
prediction with momentum is the one that is judged; the one without is written too, to show what momentum is worth.

Where an arm changes the shape of the training, `relative_rate` says what that does to the toy's learning rate. An arm
under another kind of optimizer than the training's own is claimed in the same way from the pilot of that kind.

A recipe can ask for a simulated toy instead (`[toy] method = "monte-carlo"`), which has the arm's own optimizer: then
momentum is in its laws, nothing is put on afterwards, and what is “without momentum” is simulated without, calibrated
to the same pilot.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.processes import cores, in_order
from clipbias.theory.surrogate import UNCLIPPED, Surrogate
from clipbias.theory.update_rule import Adam, Sgd
from clipbias.validate.measure.answer_rates import UntrainedRates
from clipbias.validate.measure.payment import Payment
from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.measure.start import Start
from clipbias.validate.recipe.arm import PLAIN, Arm
from clipbias.validate.recipe.gate import per_answer, without_momentum
from clipbias.validate.recipe.pilots import optimizer_kind, pilot_arms
from clipbias.validate.recipe.recipe import Recipe, ToyLine
from clipbias.validate.recipe.training import Training

from .accuracy import accuracy_mean
from .band import LEVELS, band
from .prediction import ArmClaim, Calibration, ClipFractions, FurtherPilot, Parts, Prediction
from .rates import relative_rate, relative_step
from .token_law import clip_fractions
from .toy import Evolved, Solver, Toy, calibrate

ALONE = 4  # arms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PilotReading:
    """One pilot. log_ratio [n]: of the tokens of its second mini-batch, and answer_log_ratio [n], the mean over each
    token's answer."""

    noise: PilotNoise
    log_ratio: Array
    answer_log_ratio: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """All that is known before the run. model_sha256: of the weights, by file. strategy: its name. starts: by style of
    prompt. pilots: by kind of optimizer (`pilot_arms`). payments: by arm, where the untrained model was surveyed.
    untrained: by style, with the SHA-256 of the files that it was read from, where there is an evaluation.
    forecast_sha256: of forecast.json, where there is one."""

    recipe_sha256: str
    model_sha256: dict[str, str]
    strategy: str
    starts: Mapping[str, Start]
    pilots: Mapping[str, PilotReading]
    payments: Mapping[str, Payment] = field(default_factory=dict)
    untrained: dict[str, UntrainedRates] | None = None
    untrained_sha256: dict[str, str] | None = None
    forecast_sha256: str | None = None


def predict(recipe: Recipe, measured: Measured) -> Prediction:
    """Everything that is claimed before the run."""
    own, bases = optimizer_kind(recipe.training), _bases(recipe, measured)
    claims: list[Callable[[], ArmClaim]] = [
        partial(_claim, arm, arm.training(recipe.training), base, measured)
        for arm in recipe.arm
        for base in [bases[optimizer_kind(arm.training(recipe.training))]]
    ]
    return Prediction(
        recipe_sha256=measured.recipe_sha256,
        model_sha256=measured.model_sha256,
        strategy=measured.strategy,
        levels=LEVELS,
        start=measured.starts[PLAIN],
        pilot=bases[own].pilot.noise,
        calibration=bases[own].toys.carried,
        arms=dict(zip((arm.name for arm in recipe.arm), _side_by_side(claims), strict=True)),
        untrained=measured.untrained,
        untrained_sha256=measured.untrained_sha256,
        toy=recipe.toy,
        forecast_sha256=measured.forecast_sha256,
        further_pilots={
            kind: FurtherPilot(pilot=base.pilot.noise, calibration=base.toys.carried)
            for kind, base in bases.items()
            if kind != own
        },
    )


@dataclass(frozen=True, slots=True)
class _Toys:
    """How the toy is calibrated with momentum and without; one and the same where momentum is put on afterwards.
    replicates: None where the toy is not simulated."""

    carried: Calibration
    plain: Calibration
    replicates: int | None
    step: Literal["exact", "gaussian"]

    def solver(self, update: Sgd | Adam) -> Solver:
        if self.replicates is None:
            return Evolved(self.step)
        from .simulated_toy import Simulated  # the compiled simulator takes seconds to load

        return Simulated(self.replicates, update)


@dataclass(frozen=True, slots=True, eq=False)
class _Base:
    """What the arms with one kind of optimizer are claimed from: a training, its pilot, and the toys of it."""

    training: Training
    pilot: PilotReading
    toys: _Toys


def _bases(recipe: Recipe, measured: Measured) -> dict[str, _Base]:
    """By kind of optimizer."""
    found = {}
    for kind, arm in pilot_arms(recipe).items():
        training, pilot = arm.training(recipe.training), measured.pilots[kind]
        toys = _calibrated(recipe, training, measured.starts[PLAIN], pilot.noise)
        found[kind] = _Base(training, pilot, toys)
    return found


def _calibrated(recipe: Recipe, training: Training, start: Start, noise: PilotNoise) -> _Toys:
    line = recipe.toy or ToyLine()
    if line.method != "monte-carlo":
        calibration = calibrate(training, start.log_odds, noise)
        return _Toys(calibration, calibration, None, line.method)
    from .simulated_toy import Simulated, calibrate_simulated

    carried, plain = (
        calibrate_simulated(training, start.log_odds, noise, recipe.pilot, Simulated(line.replicates, optimizer))
        for optimizer in (training.update, without_momentum(training.update))
    )
    return _Toys(carried, plain, line.replicates, "exact")


def _claim(arm: Arm, training: Training, base: _Base, measured: Measured) -> ArmClaim:
    """What is claimed about one arm. training: its own; base: of the same kind of optimizer."""
    shared, toys = base.training, base.toys
    start, paid = measured.starts[arm.style], measured.payments.get(arm.name)
    update, simulated = training.update, toys.replicates is not None
    toy = Toy(
        log_odds=start.log_odds,
        samples=start.samples,
        rates=toys.carried.learning_rates,
        weights=np.array(toys.carried.weights),
        phases=training.phases,
        solver=toys.solver(update),
    )
    chances = None if paid is None or arm.blind else (paid.with_strategy, paid.without)
    overall = training.success_prob if chances is None else toy.chance(chances)
    relative = training.learning_rate / shared.learning_rate  # the simulated toy has the rest of the shape itself
    if not simulated:
        relative = relative_rate(training, shared, overall)
    toy = replace(toy, rates=[rate * relative for rate in toys.carried.learning_rates])
    laws = toy.laws(training, arm.gate, chances)
    momentum = 0.0 if simulated else training.momentum
    carried = band(toy, laws, momentum, training.minibatches, corrected=isinstance(update, Adam))
    plain, plain_laws = toy, laws
    if simulated:
        rates = [rate * relative for rate in toys.plain.learning_rates]
        plain = replace(toy, rates=rates, solver=toys.solver(without_momentum(update)))
        plain_laws = plain.laws(training, arm.gate, chances)
    tokens = base.pilot.answer_log_ratio if per_answer(arm.gate) else base.pilot.log_ratio
    moved, paying = tokens * relative_step(training, shared, overall), replace(training, success_prob=overall)
    untrained = None if measured.untrained is None else measured.untrained[arm.style]
    return ArmClaim(
        band=carried,
        without_momentum=band(plain, plain_laws, 0.0, training.minibatches),
        strategy_clipped=ClipFractions(
            low=toy.mixed([law.clip_low for law in laws]), high=toy.mixed([law.clip_high for law in laws])
        ),
        tokens_clipped=clip_fractions(moved, paying, arm.gate, training.momentum),
        tokens_clipped_without_momentum=clip_fractions(moved, paying, arm.gate, 0.0),
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

    def end(gate: Surrogate, paid: tuple[float, float]) -> float:
        laws = middle.laws(training, gate, paid)
        corrected = isinstance(training.update, Adam)
        return float(band(middle, laws, momentum, training.minibatches, corrected=corrected).share_mean[-1])

    blind = (overall, overall)
    free = end(UNCLIPPED, blind)
    selected = free if chances is None else end(UNCLIPPED, chances)
    clipped = end(arm.gate, chances or blind) if arm.clipped else selected
    return Parts(noise=free - toy.prob, selection=selected - free, clip=clipped - selected)


def _side_by_side(claims: list[Callable[[], ArmClaim]]) -> list[ArmClaim]:
    """All claims, each on one core; few are made here, since processes take seconds to start."""
    if cores() < 2 or len(claims) <= ALONE:
        return [claim() for claim in claims]
    return in_order(_called, claims, cores())


def _called(claim: Callable[[], ArmClaim]) -> ArmClaim:
    return claim()
