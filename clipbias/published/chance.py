"""What noise alone would show (T8, T10): the chance of an effect as large as the published one, without clip or reward.

The policy walks as it would under a coin without any clip, in the published geometry and at the step that the reported
activation gives; accuracy follows the share by the mixture (T11), and answers are counted on as many problems. The one
baseline is common to all seeds.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from clipbias.common.arrays import Array
from clipbias.theory.laws.evolve import LogOddsLaw

from .confront import Line
from .mixture import OneStrategy, counted
from .training import Training, law_after, rate_in
from .verdict import NOISE_SUFFICES

_DRAWS = 40_000
_COIN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """probability that the mean over `seeds` of noise alone is at least as far from no change as what was published,
    on its side; of a claim that every seed rose, that all of them would. stderr: of the draws, 0 where exact."""

    entry: str
    claim: str
    effect: float
    unit: str
    seeds: int
    probability: float
    stderr: float

    @property
    def suffices(self) -> bool:
        return self.probability >= NOISE_SUFFICES


def chances(lines: tuple[Line, ...]) -> tuple[Chance, ...]:
    """Of every entry whose number of seeds is known within bounds and whose question is about a training."""
    return tuple(chance for line in lines for chance in _of(line))


def _of(line: Line) -> list[Chance]:
    entry, figure = line.entry, line.entry.figure
    if figure.seeds is None:
        return []
    found = []
    effect = figure.plain - entry.still
    for seeds in sorted(set(figure.seeds)):
        match entry.question:
            case Training(reads="direction") as asked if figure.value > 0:
                law = _walk(asked)
                probability, error = law.prob_above(asked.strategies.share) ** seeds, 0.0
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
                effect=effect * figure.scale,
                unit=figure.unit,
                seeds=seeds,
                probability=probability,
                stderr=error,
            )
        )
    return found


def _walk(asked: Training) -> LogOddsLaw:
    """The law of the log-odds after the training's steps under a fair coin, without a clip."""
    geometry = asked.geometry.free
    rate = rate_in(asked.step, 0, geometry, _COIN, True)
    return law_after(asked.strategies.share, rate, geometry, _COIN, int(asked.steps))


def _drawn(asked: Training, seeds: int) -> Array:
    """Changes of what is read, the mean over seeds less the common baseline, [draws]."""
    known, law, rng = asked.strategies, _walk(asked), np.random.default_rng(0)
    mass = np.maximum(law.mass, 0.0)
    shares = expit(rng.choice(law.grid, size=(_DRAWS, seeds), p=mass / mass.sum()))
    start, rates = known.share, shares
    if asked.reads != "share":
        start = asked.accuracy
        rates = np.clip(asked.accuracy + (shares - known.share) * known.contrast, 0.0, 1.0)
    std = np.sqrt(rates * (1 - rates) / known.problems)
    after = (rates + std * rng.standard_normal(rates.shape)).mean(axis=1)
    before = start + math.sqrt(counted(start, known.problems)) * rng.standard_normal(_DRAWS)
    return np.asarray(after - before)


def _beyond(changes: Array, effect: float) -> tuple[float, float]:
    hits = float(np.mean(changes >= effect if effect >= 0 else changes <= effect))
    likely = min(max(hits, 1 / _DRAWS), 1 - 1 / _DRAWS)
    return hits, math.sqrt(likely * (1 - likely) / _DRAWS)
