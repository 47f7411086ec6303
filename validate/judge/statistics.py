"""The statistics behind a verdict: intervals and tests over seeds, and a proper score of a predicted band.

Tests of a prediction take it as a normal law whose spread σ is itself uncertain: σ_z = σ·exp(δz − δ²), z ~ N(0, 1), the
same z for every seed, where δ is the relative error of the pilot's spread. The written σ is that of the mixture,
E[σ_z²] = σ². Averages over z are Gauss–Hermite sums.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, chdtr, ndtr, stdtr, stdtrit

from clipbias.common.arrays import Array
from clipbias.validate.predict.prediction import Band

LEVEL = 0.95
NUMERICAL = 1e-3  # of log-odds or of a share: as far as the toy itself may be from its own law
_ROUNDING = 64 * float(np.finfo(np.float64).eps)  # log-odds lie within ±30: an ulp of their differences, with room
_Z, _WEIGHT = np.polynomial.hermite_e.hermegauss(64)
_WEIGHT = _WEIGHT / _WEIGHT.sum()


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Mean over seeds with its standard error and t interval; n seeds."""

    mean: float
    stderr: float
    low: float
    high: float
    n: int


def in_band(values: Array, low: Array, high: Array) -> NDArray[np.bool_]:
    """Where values [seeds, …] lie in a band [… or seeds, …], its bounds included."""
    return np.asarray((low <= values) & (values <= high))


def interval(values: Array, lowest: float = -math.inf, highest: float = math.inf) -> Interval:
    """x̄ ± t·s/√n, cut at the values that are possible at all."""
    n = len(values)
    mean, stderr = float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(n))
    half = float(stdtrit(n - 1, 0.5 + LEVEL / 2)) * stderr
    return Interval(mean=mean, stderr=stderr, low=max(mean - half, lowest), high=min(mean + half, highest), n=n)


def _spreads(relative_stderr: float) -> Array:
    """σ_z/σ = exp(δz − δ²) at the nodes."""
    return np.asarray(np.exp(relative_stderr * _Z - relative_stderr**2))


def spread_pvalue(ratio: float, n: int, relative_stderr: float) -> float:
    """Two-sided p-value of the measured spread, ratio = s/σ with s² the sample variance over n seeds.

    P(s² ≤ x) = E_z[F((n−1) x / σ_z²)], F the distribution function of χ² with n−1 degrees of freedom: exact if the
    seeds are independent and, given z, normal. p = 2·min(P(s² ≤ x), 1 − P(s² ≤ x)).
    """
    below = float(_WEIGHT @ chdtr(n - 1, (n - 1) * (ratio / _spreads(relative_stderr)) ** 2))
    return min(1.0, 2.0 * min(below, 1.0 - below))


def count_pvalue(inside: int, n: int, reach: float, relative_stderr: float) -> float:
    """P(at most `inside` of n seeds lie in the band) = E_z[F(inside; n, 2Φ(reach·σ/σ_z) − 1)], F binomial.

    reach: half the band's width over σ. Normal seeds as in `spread_pvalue`; a binomial with the band's own 90 % would
    forget that all seeds share the error of σ, and reject a true prediction too often.
    """
    coverage = 2.0 * ndtr(reach / _spreads(relative_stderr)) - 1.0
    return float(_WEIGHT @ bdtr(inside, n, coverage))


def rounding(of: Interval, claim: float = 0.0) -> float:
    """What floating point alone may make of a distance: 64 units in the last place of the largest of x̄, claim and 1.
    All that is judged is of order one; a difference of two such numbers has the rounding of both."""
    return _ROUNDING * max(1.0, abs(of.mean), abs(claim))


def _error(of: Interval, claim_stderr: float) -> float:
    """√(s²/n + e²), and exactly 0 within rounding: three seeds of 0.2 have a mean of 0.2 and s/√n = 2·10⁻¹⁷."""
    stderr = math.hypot(of.stderr, claim_stderr)
    return stderr if stderr > rounding(of) else 0.0


def half_width(of: Interval, claim_stderr: float = 0.0) -> float:
    """t·√(s²/n + e²): how far the interval of mean − claim reaches to either side, e the claim's own error."""
    return float(stdtrit(of.n - 1, 0.5 + LEVEL / 2)) * _error(of, claim_stderr)


def mean_pvalue(of: Interval, claim: float = 0.0, *, margin: float = 0.0, claim_stderr: float = 0.0) -> float:
    """Two-sided t test that a mean over seeds lies within the margin of a claim: |μ − claim| ≤ margin.

    p = 2·F_t(−(|x̄ − claim| − margin)/√(s²/n + e²); n−1), at the nearer edge of the margin, and 1 inside it. So p < 5 %
    exactly where the 95 % interval of μ − claim misses the whole margin; of normal seeds a claim that is true within
    it is rejected in at most 5 % of cases (`verdict` has others). claim_stderr = e: an error of the claim that all
    seeds share (the degrees of freedom stay n − 1). Without a margin this is Student's test, on paired differences the
    paired one.

    Without any error (seeds that end alike but for rounding) it is 1 where the claim is met to NUMERICAL, else 0.
    """
    stderr, distance = _error(of, claim_stderr), abs(of.mean - claim)
    if stderr == 0.0:
        return float(distance <= max(margin, NUMERICAL) + rounding(of, claim))
    return float(2.0 * stdtr(of.n - 1, -max(distance - margin, 0.0) / stderr))


def holm(pvalues: list[float]) -> list[float]:
    """Holm's step-down adjustment for m tests, p̃₍ᵢ₎ = max_{j ≤ i} min(1, (m − j + 1)·p₍ⱼ₎).

    It keeps the chance of any false rejection at the level, however the tests depend on each other (Holm 1979,
    Scand. J. Statist. 6, 65–70).
    """
    order = np.argsort(pvalues, kind="stable")
    factors = np.arange(len(pvalues), 0, -1)
    adjusted = np.empty(len(pvalues))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * np.asarray(pvalues)[order]))
    return [float(p) for p in adjusted]


def quantile_score(log_odds: Array, quantiles: Array, levels: tuple[float, ...]) -> Array:
    """Pinball loss of each seed, (1/(T·L)) Σ_t Σ_τ (y_t − q_τt)(τ − 1{y_t < q_τt}) over phases 1…T and L levels τ.

    Lower is better, and a true prediction scores best on average: a band pays for being too wide as for being too
    narrow (Gneiting & Raftery 2007, section 6, doi:10.1198/016214506000001437). log_odds [seeds, T + 1] = y, quantiles
    [T + 1, L] = q.
    """
    error = log_odds[:, 1:, None] - quantiles[None, 1:]
    loss = error * (np.asarray(levels) - (error < 0))
    return np.asarray(loss.mean(axis=(1, 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileScores:
    """Mean over seeds of the quantile score of the prediction and of two rivals, and the paired differences to them.

    nothing: “nothing happens”, every quantile at the start. Negative differences favour the prediction.
    """

    prediction: Interval
    without_momentum: Interval
    nothing: Interval
    against_without_momentum: Interval
    against_nothing: Interval


def quantile_scores(log_odds: Array, predicted: Band, walk: Band, levels: tuple[float, ...]) -> QuantileScores:
    """walk: the prediction without momentum."""
    quantiles = predicted.log_odds_quantiles
    claim = quantile_score(log_odds, quantiles, levels)
    without = quantile_score(log_odds, walk.log_odds_quantiles, levels)
    nothing = quantile_score(log_odds, np.full_like(quantiles, predicted.log_odds_mean[0]), levels)
    return QuantileScores(
        prediction=interval(claim),
        without_momentum=interval(without),
        nothing=interval(nothing),
        against_without_momentum=interval(claim - without),
        against_nothing=interval(claim - nothing),
    )


def correlations(ends: list[Array]) -> list[float] | None:
    """Smallest and largest correlation over seeds between any two arms; None with one arm, under three seeds (of two
    points the correlation is always ±1), or where all seeds of an arm end alike."""
    if len(ends) < 2 or len(ends[0]) < 3 or any(np.ptp(end) == 0.0 for end in ends):
        return None
    pairs = np.asarray(np.corrcoef(ends))[np.triu_indices(len(ends), k=1)]
    return [float(pairs.min()), float(pairs.max())]
