"""What the clip should do by the toy, over how far seeds stray, and how many of them would show it."""

from dataclasses import dataclass

from clipbias.common.errors import InputError
from clipbias.theory.formulas.evaluation_noise import Evaluation
from clipbias.theory.formulas.power import seeds_needed
from clipbias.theory.laws.null_band import Band, null_bands
from clipbias.theory.laws.placebo import Walk
from clipbias.theory.surrogate import PpoClip
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe

POWERS = (0.8, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Of the untrained model. share: of its answers with code; contrast: accuracy with code less accuracy without.
    problems, samples: of the evaluation. spread: of the share's log-odds over seeds, in one unclipped phase."""

    share: float
    accuracy: float
    contrast: float
    problems: int
    samples: int
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the clip does to one measure. effect: the expected difference to no clip; noise: standard deviation over
    seeds of that difference where arms share nothing; seeds: at each of POWERS, None where more than a million; band:
    that holds 90 % of a seed's measured changes under a coin."""

    measure: str
    effect: float
    noise: float
    seeds: tuple[int | None, ...]
    band: tuple[float, float]


def questions(recipe: Recipe, arm: Arm, start: Start) -> tuple[Question, ...]:
    """Of an arm that is paid by a coin and clips by PPO's bounds, on the toy (T10); strategies keep their accuracies.

    Domain: as in `theory.laws.placebo`; the learning rate of the toy is the one with this spread.
    """
    training, gate = arm.training(recipe.training), arm.gate
    if not arm.blind or not isinstance(gate, PpoClip):
        raise InputError("arm", "paid by a coin and clipped by two bounds, for a prediction by the toy", arm.name)
    walk = Walk(spread=start.spread, phases=training.phases, config=training.toy(1.0, gate), momentum=training.momentum)
    bands = null_bands(
        share=start.share,
        accuracy=start.accuracy,
        contrast=start.contrast,
        counted=Evaluation(problems=start.problems, samples=start.samples),
        walk=walk,
    )
    named = (("share of code", bands.share), ("accuracy", bands.accuracy))
    return tuple(question(name, band) for name, band in named if band is not None)


def question(name: str, band: Band) -> Question:
    """Of one measure, by its law under a coin with the clip."""
    effect, noise = band.clip_drift or 0.0, 2**0.5 * band.seed_std

    def needed(power: float) -> int | None:
        try:
            return seeds_needed(effect, noise, power)
        except InputError:  # no effect, or one that a million seeds would not show
            return None

    return Question(measure=name, effect=effect, noise=noise, seeds=tuple(map(needed, POWERS)), band=band.one_seed)
