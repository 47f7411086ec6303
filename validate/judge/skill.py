"""How good forecasts were, over arms and organisms: scores, skill against rivals, calibration, worth in training.

Intervals are of a bootstrap over organisms and over arms within them. Readings of one arm (its seeds, phases and
observables) are never taken apart: they share what is wrong with its forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from clipbias.common.arrays import Array

from .crps import crps_normal
from .rivals import Law, phases_read
from .statistics import LEVEL, in_band

DRAWS = 2000
TENTHS = 10  # bins of a PIT histogram
PROGRESS = np.linspace(0.0, 1.0, 201)  # of a run, at which keeping its value is tried
TOLD = 2.0  # standard errors from which a measured change has a sign


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One observable of one arm. looks: whether the reward reads the answer. measured [S, T + 1], NaN after phases
    when it was not read, and what was forecast of it: `forecast`, and by name what rivals say."""

    organism: str
    arm: str
    observable: str
    looks: bool
    measured: Array
    forecast: Law
    rivals: dict[str, Law]

    def until(self, phase: int) -> "Case":
        """As if the run had ended after this phase. What rivals watched of it stays what it was."""
        return Case(
            organism=self.organism,
            arm=self.arm,
            observable=self.observable,
            looks=self.looks,
            measured=self.measured[:, : phase + 1],
            forecast=self.forecast.until(phase),
            rivals={name: law.until(phase) for name, law in self.rivals.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A number over all cases with its 95 % interval; None where one arm alone says nothing of others."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalScore:
    """crps: its own; skill: 1 − CRPS of the forecast / CRPS of the rival."""

    crps: Span
    skill: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """At the end of runs. inside: the share of seeds in the 90 % band; pit: of seeds whose Φ((y − μ)/σ) lies in each
    tenth, a tenth each if the law is right; spread_skill: √mean σ² over √mean (y − μ)², 1 if it is."""

    cases: int
    seeds: int
    inside: Span
    pit: tuple[Span, ...]
    spread_skill: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """Of `told` mean changes that exceed twice their standard error over seeds, how many went the way forecast."""

    told: int
    right: int
    share: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """calibration: of all cases, and of random rewards and rewards that look apart (None where none spreads). Scores
    are means over cases, of all seeds of each.
    equivalent: the fraction of a run after which keeping its value is as good as the forecast, by CRPS and by the
    absolute error of the forecast's mean."""

    arms: int
    organisms: int
    crps: Span
    rivals: dict[str, RivalScore]
    calibration: Calibration | None
    random: Calibration | None
    looking: Calibration | None
    signs: Signs
    equivalent_crps: Span
    equivalent_error: Span


def pit(measured: Array, law: Law) -> Array:
    """Φ((y − μ)/σ) of what was measured at the end, [S]; σ > 0."""
    return np.asarray(ndtr((measured[:, -1] - law.mean[..., -1]) / law.std[..., -1]))


def resampled(cases: Sequence[Case], draws: int, rng: np.random.Generator) -> Array:
    """How often each case is in each of `draws` samples, [draws, cases]: as many organisms as there are, with
    replacement, and of each, every time it comes, as many of its arms; an arm brings all its observables."""
    arms = list(dict.fromkeys((case.organism, case.arm) for case in cases))
    organisms = list(dict.fromkeys(organism for organism, _ in arms))
    chosen = rng.multinomial(len(organisms), np.full(len(organisms), 1 / len(organisms)), size=draws)
    counts = np.zeros((draws, len(arms)))
    for i, organism in enumerate(organisms):
        own = [j for j, (name, _) in enumerate(arms) if name == organism]
        counts[:, own] = rng.multinomial(chosen[:, i] * len(own), np.full(len(own), 1 / len(own)))
    return counts[:, [arms.index((case.organism, case.arm)) for case in cases]]


def equivalent_fraction(kept_loss: Array, loss: Array) -> Array:
    """The first point of PROGRESS at which keeping a run's value loses no more than the forecast; both are means over
    cases, [..., PROGRESS] and [...]."""
    return np.asarray(PROGRESS[np.argmax(kept_loss <= loss[..., None] * (1 + 1e-12), axis=-1)])


def _kept_loss(case: Case) -> Array:
    """Mean over seeds of |y_T − y_fT| at each f of PROGRESS; between phases that were read on the curve's chord."""
    read = phases_read(case.measured)
    loss = np.abs(case.measured[:, -1:] - case.measured[:, read]).mean(axis=0)
    return np.asarray(np.interp(PROGRESS, read / (case.measured.shape[1] - 1), loss))


def _end_loss(measured: Array, law: Law) -> float:
    return float(crps_normal(measured[:, -1], law.mean[..., -1], law.std[..., -1]).mean())


class _Bootstrap:
    """Some cases and their samples; statistics are functions of weights [..., cases]."""

    def __init__(self, cases: Sequence[Case], seed: int) -> None:
        self.cases = cases
        self.weights = resampled(cases, DRAWS, np.random.default_rng([seed, len(cases)]))
        self.lonely = len({(case.organism, case.arm) for case in cases}) < 2

    def span(self, value: Array, draws: Array) -> Span:
        if self.lonely:
            return Span(value=float(value), low=None, high=None)
        low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Span(value=float(value), low=float(low), high=float(high))

    def ratio(self, above: Array, below: Array) -> Span:
        """Of two sums over cases."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.span(above.sum() / below.sum(), (self.weights @ above) / (self.weights @ below))

    def mean(self, values: Array) -> Span:
        return self.ratio(values, np.ones(len(values)))

    def skill(self, own: Array, rival: Array) -> Span:
        found = self.ratio(own, rival)
        low, high = (None if bound is None else 1 - bound for bound in (found.high, found.low))
        return Span(value=1 - found.value, low=low, high=high)

    def equivalent(self, kept: Array, own: Array) -> Span:
        total = self.weights.sum(axis=1)
        drawn = equivalent_fraction(self.weights @ kept / total[:, None], self.weights @ own / total)
        return self.span(equivalent_fraction(kept.mean(axis=0), own.mean()), drawn)


def calibration(cases: Sequence[Case], seed: int) -> Calibration | None:
    """None where nothing is forecast to spread at all."""
    moving = [case for case in cases if np.all(case.forecast.std[..., -1] > 0)]
    if not moving:
        return None
    sample, size = _Bootstrap(moving, seed), np.array([float(len(case.measured)) for case in moving])
    tenths = np.array([np.histogram(pit(c.measured, c.forecast), TENTHS, (0.0, 1.0))[0] for c in moving], dtype=float)
    inside, squares, variance = np.empty((3, len(moving)))
    for i, case in enumerate(moving):
        end, law = case.measured[:, -1], case.forecast
        inside[i] = in_band(end, law.low[..., -1], law.high[..., -1]).sum()
        squares[i] = ((end - law.mean[..., -1]) ** 2).sum()
        variance[i] = (law.std[..., -1] ** 2 * np.ones(len(end))).sum()
    ratio = sample.ratio(variance, squares)
    root = [None if bound is None else float(np.sqrt(bound)) for bound in (ratio.low, ratio.high)]
    return Calibration(
        cases=len(moving),
        seeds=int(size.sum()),
        inside=sample.ratio(inside, size),
        pit=tuple(sample.ratio(part, size) for part in tenths.T),
        spread_skill=Span(value=float(np.sqrt(ratio.value)), low=root[0], high=root[1]),
    )


def signs(cases: Sequence[Case], seed: int) -> Signs:
    told, right = np.zeros((2, len(cases)))
    for i, case in enumerate(cases):
        change = case.measured[:, -1] - case.measured[:, 0]
        error = change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.inf
        told[i] = abs(change.mean()) > TOLD * error
        claimed = np.mean(case.forecast.mean[..., -1] - case.forecast.mean[..., 0])
        right[i] = told[i] and claimed * change.mean() > 0
    share = _Bootstrap(cases, seed).ratio(right, told) if told.any() else None
    return Signs(told=int(told.sum()), right=int(right.sum()), share=share)


def scorecard(cases: Sequence[Case], seed: int = 0) -> Scorecard:
    """Of all cases at the end of their runs, in one unit; against rivals that all of them have."""
    sample = _Bootstrap(cases, seed)
    own = np.array([_end_loss(case.measured, case.forecast) for case in cases])
    error = np.array([np.abs(case.measured[:, -1] - case.forecast.mean[..., -1]).mean() for case in cases])
    kept = np.array([_kept_loss(case) for case in cases])
    rivals = {}
    for name in (name for name in cases[0].rivals if all(name in case.rivals for case in cases)):
        loss = np.array([_end_loss(case.measured, case.rivals[name]) for case in cases])
        rivals[name] = RivalScore(crps=sample.mean(loss), skill=sample.skill(own, loss))
    return Scorecard(
        arms=len({(case.organism, case.arm) for case in cases}),
        organisms=len({case.organism for case in cases}),
        crps=sample.mean(own),
        rivals=rivals,
        calibration=calibration(cases, seed),
        random=calibration([case for case in cases if not case.looks], seed),
        looking=calibration([case for case in cases if case.looks], seed),
        signs=signs(cases, seed),
        equivalent_crps=sample.equivalent(kept, own),
        equivalent_error=sample.equivalent(kept, error),
    )
