"""What the toy of two outcomes (T4, T10) says of the share of code over a training, and the mixture (T11) of accuracy.

Its one unknown is how far a phase moves the log-odds. No published run measured that, so it is set by the share of
samples that the clip cuts off (the activation), which one work reports for one of the models; all of the activation's
range is carried into the band. Momentum carries noise and drift on (`formulas.momentum`). Adam's division by the root
of its second moment is taken as constant.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from clipbias.common.arrays import Array
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.theory.laws.calibrate import learning_rate_for_spread
from clipbias.theory.laws.evolve import LogOddsLaw, evolve
from clipbias.theory.laws.phase import phase
from clipbias.theory.laws.placebo import with_momentum
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

from .mixture import REACH, Strategies, counted
from .verdict import LEVEL, Direction, Number, Prediction

RESOLUTION = 3.0  # lattice points per standard deviation of a step: means within 0.001 of those at 8 (tested)
_LOG_RATES = (-4.0, 3.0)  # of the toy, between which the activation runs from nothing to most samples
HORIZONS = (150, 300)  # steps of the published runs: shorter ones are read off them
_TRIED = 8  # activations
_FAR = 9.0  # a share of 0.9999
_NORMAL = np.linspace(-5, 5, 201)  # of a standard normal law
_NORMAL_MASS = np.exp(-(_NORMAL**2) / 2) / np.exp(-(_NORMAL**2) / 2).sum()
_FEW = 0.1  # success probabilities below it leave most groups silent, where a step is not normal

_COIN = 0.5

Success = float | tuple[float, float]  # of every answer, or of those with code and those without


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Of a phase: groups of so many answers, so many of them to a mini-batch, so many mini-batches.

    clip_low, clip_high: increments of the bounds, None where a side is off. momentum: β of Adam."""

    group_size: float
    groups_per_minibatch: float
    minibatches: float
    clip_low: float | None
    clip_high: float | None
    momentum: float

    @property
    def sizes(self) -> tuple[float, float, float]:
        return self.group_size, self.groups_per_minibatch, self.minibatches

    @property
    def free(self) -> "Geometry":
        """The same without a clip."""
        return replace(self, clip_low=None, clip_high=None)

    def config(self, rate: float, success: Success) -> PhaseConfig:
        return PhaseConfig(
            learning_rate=rate,
            group_size=int(self.group_size),
            groups_per_minibatch=int(self.groups_per_minibatch),
            minibatches=int(self.minibatches),
            success_prob=success,
            surrogate=PpoClip(self.clip_low, self.clip_high),
            scale="std-unbiased",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How large a step is: the activation that was reported, with what is not known of it, for a policy of this share
    under a fair coin in this geometry. factor: a learning rate against that of these runs."""

    activation: float
    half_width: float
    share: float
    geometry: Geometry
    factor: float = 1.0


@cache
def rate_in(step: Step, of: int, geometry: Geometry, success: float, rescaled: bool) -> float:
    """The toy's learning rate in another geometry at the lowest (of = −1), the reported or the highest activation.

    An optimizer that divides by the root of its second moment makes updates of one size whatever the mini-batch and
    whatever the rewards. So the spread over a phase of M updates is in the ratio of the roots of S(M) (`summed_noise`).
    rescaled=False: at this success rate nothing restores the size of the advantages.
    """
    rate = rate_of(step.activation + of * step.half_width, step.share, step.geometry)
    if not rescaled or (geometry.sizes == step.geometry.sizes and success == _COIN):
        return step.factor * rate
    ratio = summed_noise(geometry.momentum, int(geometry.minibatches))
    ratio /= summed_noise(step.geometry.momentum, int(step.geometry.minibatches))
    spread = phase(step.share, step.geometry.free.config(rate, _COIN), "gaussian", RESOLUTION).log_odds_std
    wanted = spread * math.sqrt(ratio)
    return step.factor * learning_rate_for_spread(step.share, geometry.config(1.0, success), wanted)


@cache
def rate_of(activation: float, share: float, geometry: Geometry) -> float:
    """The toy's learning rate at which the clip cuts off this part of the samples of a phase's optimizer steps."""

    def excess(log_rate: float) -> float:
        return math.log(max(activation_of(math.exp(log_rate), share, geometry), 1e-12) / activation)

    return math.exp(brentq(excess, *_LOG_RATES, xtol=1e-3))


def activation_of(rate: float, share: float, geometry: Geometry) -> float:
    """The part of a phase's samples that the clip cuts off, the mean over its optimizer steps."""
    found = phase(share, geometry.config(rate, _COIN), "gaussian", RESOLUTION)
    return float(np.mean(found.clip_low_fraction) + np.mean(found.clip_high_fraction))


@cache
def _laws(share: float, rate: float, geometry: Geometry, success: Success, steps: int) -> tuple[LogOddsLaw, ...]:
    config = geometry.config(rate, success)
    if isinstance(success, tuple):
        return mean_path(share, config, steps)
    few = not _FEW < success < 1 - _FEW
    return evolve(share, config, steps, "exact" if few else "gaussian", RESOLUTION).laws


def mean_path(share: float, config: PhaseConfig, steps: int) -> tuple[LogOddsLaw, ...]:
    """Laws of the log-odds after 0…steps phases where a reward selects: normal around x ← x + E[Δx | x].

    Variances of phases (T4) are added as if each seed moved along the mean, which holds while selection is the same for
    all of them; T10 would follow each seed, and takes minutes where increments change as fast as under the python
    reward. Beyond log-odds of _FAR nothing moves that could be seen.
    """
    x, variance = float(logit(share)), 0.0
    laws = [LogOddsLaw(np.array([x]), np.ones(1))]
    for _ in range(steps):
        if abs(x) < _FAR:
            found = phase(float(expit(x)), config, "gaussian", RESOLUTION)
            x, variance = x + found.log_odds_shift, variance + found.log_odds_std**2
        laws.append(LogOddsLaw(x + math.sqrt(variance) * _NORMAL, _NORMAL_MASS))
    return tuple(laws)


def law_after(share: float, rate: float, geometry: Geometry, success: Success, steps: int) -> LogOddsLaw:
    """The law of the log-odds of code after so many phases, momentum included."""
    asked = [h for h in HORIZONS if steps <= h]
    # A mean path is the same however far it is followed; a lattice is laid out for its horizon.
    laws = _laws(share, rate, geometry, success, asked[-1] if isinstance(success, tuple) else asked[0])
    minibatches = int(geometry.minibatches)
    return with_momentum(laws[steps], float(logit(share)), geometry.momentum, minibatches, steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A training in which an answer with code is rewarded with chance success_code, one without with success_language.

    strategies, accuracy: measured before training. reads: what is asked for after `steps` phases: the share of code,
    the accuracy, its gain; "direction" of the log-odds of code, "token": of the mean probability of what is sampled.
    rescaled: whether advantages keep their size at success rates near 0 (Adam and whitening both see to it).
    """

    step: Step
    geometry: Geometry
    strategies: Strategies
    accuracy: float
    success_code: float = 0.5
    success_language: float = 0.5
    steps: float
    reads: Literal["share", "accuracy", "gain", "direction", "token"]
    rescaled: bool = True

    def law(self, of: int) -> LogOddsLaw:
        """At the lowest (−1), the reported (0) or the highest activation (1)."""
        equal = self.success_code == self.success_language
        success: Success = self.success_code if equal else (self.success_code, self.success_language)
        coin = self.success_code if equal else _COIN
        rate = rate_in(self.step, of, self.geometry, coin, self.rescaled)
        return law_after(self.strategies.share, rate, self.geometry, success, int(self.steps))

    def predict(self) -> Prediction:
        if self.reads == "direction":
            law = self.law(0)
            return Direction(size=law.mean - float(logit(self.strategies.share)), spread=law.std)
        if self.reads == "token":
            return _of_token(self.strategies.share, self.law(0))
        read = [self._band(self.law(of)) for of in (-1, 0, 1)]
        return Number(value=read[1].value, low=min(r.low for r in read), high=max(r.high for r in read))

    def _band(self, law: LogOddsLaw) -> Number:
        """Quantiles over seeds, widened by the normal noise of counting and of the accuracies that were measured."""
        known, tails = self.strategies, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        shares = np.array([law.prob_mean, *(expit(law.quantile(q)) for q in tails)])
        if self.reads == "share":
            values, noise = shares, [counted(s, known.problems) for s in shares]
        else:
            values = self.accuracy + (shares - known.share) * known.contrast
            noise = [
                counted(v, known.problems)
                + counted(self.accuracy, known.problems)
                + (s - known.share) ** 2 * known.contrast_variance
                for s, v in zip(shares, values, strict=True)
            ]
            values = values - self.accuracy if self.reads == "gain" else values
        middle = float(values[0])
        reach = [(float(v) - middle, REACH**2 * n) for v, n in zip(values[1:], noise[1:], strict=True)]
        down = max(max(-by, 0.0) ** 2 + n for by, n in reach if by <= 0)
        up = max(max(by, 0.0) ** 2 + n for by, n in reach if by >= 0)
        return Number(value=middle, low=middle - math.sqrt(down), high=middle + math.sqrt(up))


def _of_token(share: float, law: LogOddsLaw) -> Direction:
    """The mean probability of a sampled token of two, E[p² + (1 − p)²], less what it was."""

    def sampled(prob: Array) -> Array:
        return np.asarray(prob**2 + (1 - prob) ** 2)

    values = sampled(np.asarray(expit(law.grid)))
    mean = float(law.mass @ values)
    spread = math.sqrt(max(float(law.mass @ (values - mean) ** 2), 0.0))
    return Direction(size=mean - float(sampled(np.asarray(share))), spread=spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faster:
    """The drift of a policy of share `this` under a coin and a clip in one phase, less that of one of share `other`."""

    step: Step
    this: float
    other: float

    def predict(self) -> Direction:
        geometry = self.step.geometry
        rate = rate_in(self.step, 0, geometry, _COIN, True)
        this, other = (
            phase(p, geometry.config(rate, _COIN), "gaussian", RESOLUTION).log_odds_shift
            for p in (self.this, self.other)
        )
        return Direction(size=this - other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wilder:
    """The spread of the log-odds over seeds without a clip, less that with it."""

    step: Step
    share: float
    steps: float

    def predict(self) -> Direction:
        geometry = self.step.geometry
        rate = rate_in(self.step, 0, geometry, _COIN, True)
        free, bound = (law_after(self.share, rate, g, _COIN, int(self.steps)).std for g in (geometry.free, geometry))
        return Direction(size=free - bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpliedActivation:
    """The activation at which the expected share goes where it was seen to go: `share_after` after `steps` phases.

    The band is that of the reading of the share. An activation of `most` stands for all that are larger.
    """

    share: float
    share_after: float
    half_width: float
    steps: float
    geometry: Geometry
    least: float
    most: float

    def predict(self) -> Number:
        tried = np.geomspace(self.least, self.most, _TRIED)
        means = np.array([self.mean_share(float(a)) for a in tried])
        rising = np.maximum.accumulate(means)  # beyond its peak a larger step only spreads seeds further

        def at(share: float) -> float:
            return float(np.exp(np.interp(share, rising, np.log(tried))))

        target = self.share_after
        return Number(value=at(target), low=at(target - self.half_width), high=at(target + self.half_width))

    def mean_share(self, activation: float) -> float:
        rate = rate_of(activation, self.share, self.geometry)
        return law_after(self.share, rate, self.geometry, _COIN, int(self.steps)).prob_mean
