"""The law that a forecast is, and those that it has to beat, which need no theory, or an older one.

Two know nothing of the run, two watch its beginning, and one is the toy of two outcomes, as it was written or after its
faults on other organisms have been learned from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtri

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.validate.predict.forecast import Outlook
from clipbias.validate.predict.prediction import Band

from .crps import crps_normal

OUTER = (0.05, 0.95)  # a law's low and high
WATCHED = 0.1  # of a run, before its value is kept
FITTED = 0.2  # of a run, to which a curve is fitted
CURVES = 4001  # time constants that are tried, about a sixth of a percent apart
SLOWEST = 10.0  # time constants of a saturating curve, in lengths of the run: a straight line to within 5 %


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Law:
    """Of single seeds after 0…T phases: mean, std and the bounds of the 90 % band, each [T + 1], or [S, T + 1] where it
    differs by seed. A std of 0 is a point."""

    mean: Array
    std: Array
    low: Array
    high: Array

    @classmethod
    def normal(cls, mean: Array, std: Array) -> "Law":
        low, high = (mean + ndtri(level) * std for level in OUTER)
        return cls(mean=mean, std=std, low=low, high=high)

    def starting(self, start: float) -> "Law":
        """The same changes from another start: problems that are read differ from those that were foretold of."""
        by = start - self.mean[..., :1]
        return Law(mean=self.mean + by, std=self.std, low=self.low + by, high=self.high + by)

    def until(self, phase: int) -> "Law":
        """The first `phase` phases of it."""
        return Law(**{name: getattr(self, name)[..., : phase + 1] for name in ("mean", "std", "low", "high")})


def nothing_happens(start: float, phases: int) -> Law:
    return Law.normal(np.full(phases + 1, start), np.zeros(phases + 1))


def driftless_walk(start: float, spread: float, correlation: float, phases: int) -> Law:
    """N(x₀, σ²(t + 2(t − 1)ρ)): σ and ρ a random-reward pilot's spread of a phase's change and the correlation of
    neighbouring changes."""
    t = np.arange(phases + 1)
    variance = spread**2 * (t + 2 * correlation * np.maximum(t - 1, 0))
    return Law.normal(np.full(phases + 1, start), np.sqrt(np.maximum(variance, 0.0)))


def watched(phases: int, fraction: float) -> int:
    """The phase by which this fraction of a run is over."""
    return max(1, round(fraction * phases))


def phases_read(measured: Array) -> NDArray[np.int64]:
    """The phases after which every seed was read; measured [S, T + 1], NaN where one was not."""
    return np.flatnonzero(~np.isnan(measured).any(axis=0))


def kept_value(measured: Array, fraction: float = WATCHED) -> Law:
    """Each seed's own value when `fraction` of the run is over, or the last one read by then, kept; before, what was
    measured. measured [S, T + 1], NaN where it was not read."""
    read = phases_read(measured)
    phase = int(read[read <= watched(measured.shape[1] - 1, fraction)].max())
    mean = np.where(np.arange(measured.shape[1]) < phase, measured, measured[:, phase : phase + 1])
    return Law.normal(mean, np.zeros_like(mean))


def saturating(measured: Array, fraction: float = FITTED) -> Law:
    """The best x₀ + a(1 − e^{−t/τ}) of each seed's own first phases, carried on; measured [S, T + 1], NaN where it was
    not read.

    Least squares; a is linear, and solved for each of many τ from half a phase to `SLOWEST` runs. At least two phases
    are watched.
    """
    phases, read = measured.shape[1] - 1, phases_read(measured)
    check(len(read) > 2, "measured", "read after at least two phases", len(read) - 1)
    seen = read[(read > 0) & (read <= max(read[2], watched(phases, fraction)))]
    tau = np.geomspace(0.5, SLOWEST * phases, CURVES)
    shape = -np.expm1(-np.arange(phases + 1) / tau[:, None])  # [CURVES, T + 1]
    basis, change = shape[:, seen], measured[:, seen] - measured[:, :1]
    height = change @ basis.T / (basis**2).sum(axis=1)  # [S, CURVES]
    best = ((height[..., None] * basis - change[:, None]) ** 2).sum(axis=-1).argmin(axis=1)
    mean = measured[:, :1] + height[np.arange(len(measured)), best, None] * shape[best]
    return Law.normal(mean, np.zeros_like(mean))


def outlook_law(outlook: Outlook) -> Law:
    """A forecast's, with its own error."""
    std = np.hypot(outlook.std, outlook.stderr)
    return Law(mean=outlook.mean, std=std, low=outlook.low, high=outlook.high)


def toy_law(band: Band, levels: tuple[float, ...]) -> Law:
    """Of the two-outcome toy, as it was written; its quantiles have the start's counting error twice."""
    low, high = (band.log_odds_quantiles[:, levels.index(level)] for level in OUTER)
    return Law(mean=band.log_odds_mean, std=np.hypot(band.log_odds_std, band.start_stderr), low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """Mean x₀ + shrink·(μ − x₀) and variance σ² + added²·t/T: what a law's errors elsewhere say of it."""

    shrink: float
    added: float

    def of(self, law: Law) -> Law:
        start = law.mean[..., :1]
        phases = law.mean.shape[-1] - 1
        grown = self.added * np.sqrt(np.arange(phases + 1) / phases)
        return Law.normal(start + self.shrink * (law.mean - start), np.hypot(law.std, grown))


# Of the toy under rewards that look, from the ends of 38 arms on four organisms:
# `python docs/results/after_the_fact/rivals_of_a_forecast.py`. It is for organisms that came later.
TOY_ON_THE_FIRST_FOUR = Recalibration(shrink=0.628, added=1.402)


def recalibration(laws: Sequence[Law], measured: Sequence[Array]) -> Recalibration:
    """The two numbers with the least mean CRPS over all seeds' ends. measured: [S, T + 1] of each law."""
    start, mean, std = (
        np.concatenate([np.full(len(y), value) for value, y in zip(values, measured, strict=True)])
        for values in ([law.mean[0] for law in laws], [law.mean[-1] for law in laws], [law.std[-1] for law in laws])
    )
    end = np.concatenate([y[:, -1] for y in measured])

    def cost(at: Array) -> float:
        shrunk = start + at[0] * (mean - start)
        return float(crps_normal(end, shrunk, np.hypot(std, np.exp(at[1]))).mean())

    found = minimize(cost, [0.6, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    return Recalibration(shrink=float(found.x[0]), added=float(np.exp(found.x[1])))


def recalibrated_elsewhere(laws: Sequence[Law], measured: Sequence[Array], groups: Sequence[str]) -> list[Law]:
    """Every law recalibrated on the others: those of no group (an organism, say) that it is of itself."""
    found = {}
    for group in dict.fromkeys(groups):
        others = [i for i, name in enumerate(groups) if name != group]
        check(bool(others), "groups", "more than one: there is nothing else to learn from", group)
        found[group] = recalibration([laws[i] for i in others], [measured[i] for i in others])
    return [found[group].of(law) for group, law in zip(groups, laws, strict=True)]
