"""What noise alone would show (T8, T10): the chance of an effect as large as the published one, without clip or reward.

The policy walks as it would under a coin without any clip, in the published geometry and at the step that the reported
activation gives; accuracy follows the share by the mixture (T11), and answers are counted on as many problems. The one
baseline is common to all seeds. Of two arms each walks by itself, and no baseline is needed.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from clipbias.common.arrays import Array
from clipbias.theory.laws.evolve import LogOddsLaw

from .confront import Line
from .entry import Comparisons, Entry
from .mixture import REACH, OneStrategy, counted
from .training import Training, activation_of, law_after, rate_in
from .verdict import NOISE_SUFFICES

_DRAWS = 40_000
_COIN = 0.5
_SLOWER = (1.0, 0.5, 0.25, 0.125)  # of the step, in `quiet`


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """probability that the mean over `seeds` of noise alone is at least as far from no change as what was published,
    on its side; of a claim that every seed rose, or that seeds went apart, that they would. less: the figure of another
    arm, which it is the difference to. stderr: of the draws, 0 where exact."""

    entry: str
    claim: str
    figure: str
    less: str | None
    effect: float
    unit: str
    seeds: int
    probability: float
    stderr: float

    @property
    def suffices(self) -> bool:
        return self.probability >= NOISE_SUFFICES


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """A test of the noise itself by arms in which nothing was to happen. slower: the step, against the one that the
    reported activation gives; activation: of a clipped arm at that step; probability that noise of that size leaves
    every arm as near to its start as it was found."""

    slower: float
    activation: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Arms with a clip that acts and arms without, and how many of each rose beyond counting. probability: that so many
    or more of those that rose have the clip, if it made no difference (hypergeometric)."""

    clipped: int
    clipped_rose: int
    unclipped: int
    unclipped_rose: int
    probability: float


def chances(lines: tuple[Line, ...], comparisons: Comparisons) -> tuple[Chance, ...]:
    """Of every entry whose number of seeds is known within bounds and whose question is about a training, and of the
    differences between arms."""
    found = {line.entry.id: line.entry for line in lines}
    pairs = [(found[this], found[other]) for this, other in comparisons.between]
    between = [_between(this, other, seeds) for this, other in pairs for seeds in _seeds(this)]
    return (*between, *(chance for line in lines for chance in _of(line.entry)))


def _seeds(entry: Entry) -> list[int]:
    return sorted(set(entry.figure.seeds or ()))


def _of(entry: Entry) -> list[Chance]:
    figure, found = entry.figure, []
    effect = figure.plain - entry.still
    for seeds in _seeds(entry):
        match entry.question:
            case Training(reads="direction") as asked:
                above = _walk(asked).prob_above(asked.strategies.share)
                probability, error = above**seeds if figure.value > 0 else 1 - above**seeds - (1 - above) ** seeds, 0.0
            case Training(reads="share" | "accuracy" | "gain") as asked:
                probability, error = _beyond(_drawn(asked, seeds), effect)
            case OneStrategy() as asked:
                std = math.sqrt(counted(asked.accuracy, asked.problems))
                rng = np.random.default_rng(0)
                after = std * rng.standard_normal((_DRAWS, seeds)).mean(axis=1)
                probability, error = _beyond(after - std * rng.standard_normal(_DRAWS), effect)
            case _:
                continue
        found.append(
            Chance(
                entry=entry.id,
                claim=entry.claim,
                figure=figure.id,
                less=entry.still_figure,
                effect=effect * figure.scale,
                unit=figure.unit,
                seeds=seeds,
                probability=probability,
                stderr=error,
            )
        )
    return found


def _between(this: Entry, other: Entry, seeds: int) -> Chance:
    """Of the difference of two arms, each of so many seeds."""
    ends = []
    for i, entry in enumerate((this, other)):
        assert isinstance(entry.question, Training)
        ends.append(_ends(entry.question, seeds, np.random.default_rng([0, i])))
    effect = this.figure.plain - other.figure.plain
    probability, error = _beyond(ends[0] - ends[1], effect)
    return Chance(
        entry=f"{this.id} − {other.id}",
        claim=f"{this.claim}, less the same {other.claim.rpartition('random rewards ')[2]}",
        figure=this.figure.id,
        less=other.figure.id,
        effect=effect * this.figure.scale,
        unit=this.figure.unit,
        seeds=seeds,
        probability=probability,
        stderr=error,
    )


def quiet(lines: tuple[Line, ...], comparisons: Comparisons) -> tuple[Quiet, ...]:
    """The arms of `comparisons.still`, one seed each, at the step that the reported activation gives and at smaller
    ones. Arms are independent; how far they were found from their start is taken with the reading's error."""
    found = {line.entry.id: line.entry for line in lines}
    rows = []
    for slower in _SLOWER:
        probability = 1.0
        for name in comparisons.still:
            entry = found[name]
            asked, figure = entry.question, entry.figure
            assert isinstance(asked, Training)
            at = replace(asked, step=replace(asked.step, factor=asked.step.factor * slower))
            away = np.abs(_drawn(at, 1))
            probability *= float(np.mean(away <= abs(figure.plain - entry.still) + figure.plain_half_width))
        step = at.step
        rate = rate_in(step, 0, step.geometry, _COIN, True)
        activation = activation_of(rate, step.share, step.geometry)
        rows.append(Quiet(slower=slower, activation=activation, probability=probability))
    return tuple(rows)


def pattern(lines: tuple[Line, ...], comparisons: Comparisons) -> Pattern:
    found = {line.entry.id: line.entry for line in lines}
    with_clip = [_rose(found[name]) for name in comparisons.clipped]
    without = [_rose(found[name]) for name in comparisons.unclipped]
    rose, arms = sum(with_clip) + sum(without), len(with_clip) + len(without)
    tail = range(sum(with_clip), min(rose, len(with_clip)) + 1)
    ways = sum(math.comb(len(with_clip), k) * math.comb(len(without), rose - k) for k in tail)
    return Pattern(
        clipped=len(with_clip),
        clipped_rose=sum(with_clip),
        unclipped=len(without),
        unclipped_rose=sum(without),
        probability=ways / math.comb(arms, rose),
    )


def _rose(entry: Entry) -> bool:
    """Beyond 90 % of what counting twice shows, and the reading."""
    figure = entry.figure
    assert figure.problems is not None
    noise = REACH * math.sqrt(counted(figure.plain, figure.problems) + counted(entry.still, figure.problems))
    return figure.plain - entry.still > noise + figure.plain_half_width


def _walk(asked: Training) -> LogOddsLaw:
    """The law of the log-odds after the training's steps under a fair coin, without a clip."""
    geometry = asked.geometry.free
    rate = rate_in(asked.step, 0, geometry, _COIN, True)
    return law_after(asked.strategies.share, rate, geometry, _COIN, int(asked.steps))


def _drawn(asked: Training, seeds: int) -> Array:
    """Changes of what is read, the mean over seeds less the common baseline, [draws]."""
    rng = np.random.default_rng(0)
    after = _ends(asked, seeds, rng)
    start = asked.strategies.share if asked.reads == "share" else asked.accuracy
    before = start + math.sqrt(counted(start, asked.strategies.problems)) * rng.standard_normal(_DRAWS)
    return np.asarray(after - before)


def _ends(asked: Training, seeds: int, rng: np.random.Generator) -> Array:
    """What is read after the training, counted on the problems, the mean over seeds, [draws]."""
    known, law = asked.strategies, _walk(asked)
    mass = np.maximum(law.mass, 0.0)
    rates = expit(rng.choice(law.grid, size=(_DRAWS, seeds), p=mass / mass.sum()))
    if asked.reads != "share":
        rates = np.clip(asked.accuracy + (rates - known.share) * known.contrast, 0.0, 1.0)
    std = np.sqrt(rates * (1 - rates) / known.problems)
    return np.asarray((rates + std * rng.standard_normal(rates.shape)).mean(axis=1))


def _beyond(changes: Array, effect: float) -> tuple[float, float]:
    hits = float(np.mean(changes >= effect if effect >= 0 else changes <= effect))
    likely = min(max(hits, 1 / _DRAWS), 1 - 1 / _DRAWS)
    return hits, math.sqrt(likely * (1 - likely) / _DRAWS)
