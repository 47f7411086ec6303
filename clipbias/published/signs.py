"""Directions that closed forms give: of rare outcomes, of entropy, of what a reward selects, of a bandit's mean."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import expit

from clipbias.check.check import check_documents
from clipbias.check.document import parse
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.formulas.entropy import entropy_gradient, step_entropy_shift
from clipbias.theory.formulas.immunity import immune_above
from clipbias.theory.formulas.momentum import lasting_persistence
from clipbias.theory.formulas.neutral import expected_push, neutral_clip_high
from clipbias.theory.formulas.reward import reward_drift
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

from .verdict import Direction, Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What a clip does to rare outcomes (T6), and so to the entropy, less what another does; None is no bound.

    ratio_std: of the log-ratio, in nats; no work reports it, and no sign below depends on it within [0.05, 0.15].
    """

    low: float | None
    high: float | None
    against_low: float | None
    against_high: float | None
    ratio_std: float

    def predict(self) -> Direction:
        clips = (PpoClip(self.low, self.high), PpoClip(self.against_low, self.against_high))
        this, other = (expected_push(clip, self.ratio_std) for clip in clips)
        return Direction(size=this - other)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeutralBound:
    """The upper increment that leaves rare outcomes alone (T6), for log-ratios that spread by low_std to high_std."""

    clip_low: float
    low_std: float
    high_std: float

    def predict(self) -> Number:
        low, high = (neutral_clip_high(self.clip_low, std) for std in (self.low_std, self.high_std))
        middle = neutral_clip_high(self.clip_low, (self.low_std + self.high_std) / 2)
        return Number(value=middle, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinGradient:
    """The expected gradient of the likelier of two outcomes under a coin (T2), without a clip, the policy having moved
    from `share` to `moved` since the samples were drawn."""

    share: float
    moved: float
    group_size: float

    def predict(self) -> Direction:
        mu = advantage_moments(int(self.group_size), 0.5).mu
        drift = expected_gradient([self.moved, 1 - self.moved], [self.share, 1 - self.share], UNCLIPPED, mu)
        return Direction(size=float(drift[0]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whether an outcome of this probability can rise to the upper bound at all (T7): 1, or 0."""

    prob: float
    clip_high: float

    def predict(self) -> Direction:
        return Direction(size=float(self.prob < immune_above(PpoClip(None, self.clip_high))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which way a reward moves the share of code at first, without a clip (T9). reads: the share itself, or what that
    does to the accuracy (T11, with_code and with_language being measured) or to the entropy of the choice."""

    share: float
    success_code: float
    success_language: float
    group_size: float
    reads: Literal["share", "accuracy", "entropy"]
    with_code: float = 1.0
    with_language: float = 0.0

    def predict(self) -> Direction:
        probs = np.array([self.share, 1 - self.share])
        success = (self.success_code, self.success_language)
        drift = reward_drift(probs, probs, _one_step(self.group_size, success)).selection
        if self.reads == "entropy":
            return Direction(size=float(entropy_gradient(probs) @ drift))
        contrast = self.with_code - self.with_language if self.reads == "accuracy" else 1.0
        return Direction(size=float(drift[0]) * contrast)


def _one_step(group_size: float, success: float | tuple[float, float]) -> PhaseConfig:
    return PhaseConfig(
        learning_rate=0.1,
        group_size=int(group_size),
        groups_per_minibatch=8,
        minibatches=1,
        success_prob=success,
        surrogate=UNCLIPPED,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseEntropy:
    """The entropy's change in a step without a clip under a coin (T8, T10): noise alone, at this share."""

    share: float
    group_size: float

    def predict(self) -> Direction:
        probs = [self.share, 1 - self.share]
        return Direction(size=step_entropy_shift(probs, probs, _one_step(self.group_size, 0.5)).noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariance:
    """The entropy's first change where advantages go up with log-probabilities, over outcomes of these chances."""

    likely: float
    others: float

    def predict(self) -> Direction:
        pi = np.array([self.likely, *[(1 - self.likely) / self.others] * int(self.others)])
        advantage = np.log(pi) - pi @ np.log(pi)
        return Direction(size=float(entropy_gradient(pi) @ (pi * advantage)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEntropy:
    """Whether praise of a token of this chance moves the entropy up or down by how the rest is spread: +1 where the
    signs differ between a rest that is one other token and a rest of many."""

    chance: float
    many: float

    def predict(self) -> Direction:
        few = np.array([self.chance, 1 - self.chance])
        rest = [(1 - self.chance) / self.many] * int(self.many)
        signs = [np.sign(entropy_gradient(pi)[0]) for pi in (few, np.array([self.chance, *rest]))]
        return Direction(size=float(signs[0] != signs[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inertia:
    """How much further a gradient goes after the phase that saw it, by momentum: κ_∞ − 1 (T8)."""

    momentum: float
    minibatches: float

    def predict(self) -> Direction:
        return Direction(size=lasting_persistence(self.momentum, int(self.minibatches)) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandit:
    """Two arms under a coin and a clip (T10): the change of E[p], of the median of p, or of their distance where
    `smaller` takes the clip's place. The work's own numbers are not known: these are ours."""

    share: float
    clip: float
    smaller: float
    learning_rate: float
    group_size: float
    groups_per_minibatch: float
    minibatches: float
    phases: float
    reads: Literal["mean", "median", "skew"]

    def predict(self) -> Direction:
        median, mean, spread = self._ends(self.clip)
        if self.reads == "mean":
            return Direction(size=mean - self.share, spread=spread)
        if self.reads == "median":
            return Direction(size=median - self.share, spread=spread)
        less_median, less_mean, _ = self._ends(self.smaller)
        return Direction(size=(less_median - less_mean) - (median - mean))

    def _ends(self, clip: float) -> tuple[float, float, float]:
        config = PhaseConfig(
            learning_rate=self.learning_rate,
            group_size=int(self.group_size),
            groups_per_minibatch=int(self.groups_per_minibatch),
            minibatches=int(self.minibatches),
            success_prob=0.5,
            surrogate=PpoClip(clip, clip),
        )
        return _bandit_ends(self.share, config, int(self.phases))


@cache
def _bandit_ends(share: float, config: PhaseConfig, phases: int) -> tuple[float, float, float]:
    """Median and mean of p after the phases, and its standard deviation."""
    law = evolve(share, config, phases).laws[-1]
    spread = float(np.sqrt(law.mass @ (expit(law.grid) - law.prob_mean) ** 2))
    return float(expit(law.quantile(0.5))), law.prob_mean, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Whether the clip of a configuration can cut anything off, as `clipbias check` reads it: 1, or 0."""

    framework: str
    suffix: str
    text: str

    def predict(self) -> Direction:
        document = parse(Path(f"recipe.{self.suffix}"), self.text)
        found = check_documents([document], framework=self.framework)
        return Direction(size=float(found.answer.clip_can_act is True))
