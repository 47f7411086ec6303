"""One problem, several solvers, one result: `law` says where a policy is after some phases, whatever computes it.

A problem is a policy over K outcomes, the `PhaseConfig` of its phases, how many there are, and the `UpdateRule`. A
method is a small object that says how to solve it; what it cannot do, it says. Here are the methods of theory; those of
the simulator (`simulate.methods`: MonteCarlo, Autograd, Enumeration) are of the same kind.
"""

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, expit, logit

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check, check_whole

from .estimate import Estimate
from .formulas.drift import check_probs
from .laws.evolve import EvolveResult, LogOddsLaw, evolve
from .laws.lattice import StepLaw
from .laws.paths import paths
from .laws.phase import phase_law, summary
from .setup import PhaseConfig
from .update_rule import PLAIN, UpdateRule

_DIGITS = 12  # 1 − 0.05 is then the 0.95 that others ask for


class Marginals(Protocol):
    """The law of each outcome's probability at the end, as a method knows it."""

    def quantile(self, level: float) -> Estimate:
        """[K]."""
        ...

    def prob_above(self, prob: float) -> Estimate:
        """P(p > prob) of each outcome, [K]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The policy after the last phase, and its change since the start of the first. Every entry is an `Estimate`, whose
    standard error is 0 where the method has no sampling error.

    method: the name of what computed it. phases: T. `logit_*`, `prob_*`: [K]. `log_odds_*`: of the first outcome,
    log(p/(1 − p)). `*_shift`: mean change; `*_std`: standard deviation over trainings. `entropy_*`: nats.
    clip_low_fraction, clip_high_fraction: share of the samples of an optimizer step whose gradient the surrogate
    removes, by the sign of their advantage (for PPO's clip Â < 0 and R < 1−ε_l; Â > 0 and R > 1+ε_h), averaged over
    phases; one entry for each of the steps of a phase.

    marginals: the law of p itself, which `quantile` and `prob_above` ask; None where the method did not keep it.
    log_odds_laws: the laws of the first outcome's log-odds after 0…T phases, where the method has them. warnings: what
    the method doubts of its own accuracy here, a sentence each.
    """

    method: str
    phases: int
    logit_shift: Estimate
    logit_std: Estimate
    prob_shift: Estimate
    prob_mean: Estimate
    prob_std: Estimate
    log_odds_shift: Estimate
    log_odds_mean: Estimate
    log_odds_std: Estimate
    entropy_shift: Estimate
    entropy_mean: Estimate
    clip_low_fraction: Estimate
    clip_high_fraction: Estimate
    marginals: Marginals | None = field(repr=False)
    log_odds_laws: tuple[LogOddsLaw, ...] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()

    def quantile(self, level: float) -> Estimate:
        """The `level` quantile of each outcome's probability, level in (0, 1); [K]."""
        check(0.0 < level < 1.0, "level", "in (0, 1)", level)
        return self._kept().quantile(level)

    def prob_above(self, prob: float) -> Estimate:
        """P(p > prob) of each outcome, prob in (0, 1); [K].

        On a lattice (many phases, or many samples in one) the probability of having stayed at the start is spread over
        a lattice spacing: at a threshold that is the start itself, half of it counts as above.
        """
        check(0.0 < prob < 1.0, "prob", "in (0, 1)", prob)
        return self._kept().prob_above(prob)

    def _kept(self) -> Marginals:
        if self.marginals is None:
            raise InputError("replicates", "fewer for autograd to keep the law of the policy and not only its moments")
        return self.marginals


class Method(Protocol):
    """What solves the problem. `name` is how results call it."""

    @property
    def name(self) -> str: ...

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        """Raises InputError, naming the field and what it allows here, where the method cannot."""
        ...


def law(
    probs: ArrayLike,
    config: PhaseConfig,
    phases: int = 1,
    *,
    method: Method | None = None,
    update: UpdateRule = PLAIN,
) -> Law:
    """The law of the policy after `phases` phases from probs [K].

    method: by default `Exact` for two outcomes and `Paths` for more; both hold for plain gradient ascent on fresh
    samples, the default `update`. Raises InputError where the method cannot solve the problem.
    """
    start = check_probs("probs", probs)
    check_whole(phases, "phases", 1)
    check(isinstance(config, PhaseConfig), "config", "a PhaseConfig", config)
    solves = method is None or (hasattr(method, "solve") and not isinstance(method, type))
    check(
        solves, "method", "an object: Exact(), Gaussian(), Paths(), MonteCarlo(), Autograd() or Enumeration()", method
    )
    solver = method if method is not None else Exact() if len(start) == 2 else Paths()
    return solver.solve(probs, config, phases, update)  # as given: each solver normalises once


@dataclass(frozen=True, slots=True)
class Exact:
    """Two outcomes: T4 for one phase, T10 for many, by the exact law of a mini-batch.

    resolution: lattice points per standard deviation of one step; by default 12 for one phase and 8 for many. Groups of
    up to 128, up to 500 in a mini-batch. Accuracy: `laws.phase`, `laws.evolve`.
    """

    resolution: float | None = None

    @property
    def name(self) -> StepLaw:
        return "exact"

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        return _two_outcomes(probs, config, phases, update, self.name, self.resolution)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Two outcomes, as `Exact`, with a normal law of the right mean and variance for a mini-batch.

    Cheaper, for groups of any size, and wrong for rare outcomes in small batches (`laws.phase`).
    """

    resolution: float | None = None

    @property
    def name(self) -> StepLaw:
        return "gaussian"

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        return _two_outcomes(probs, config, phases, update, self.name, self.resolution)


@dataclass(frozen=True, slots=True)
class Paths:
    """Any number of outcomes: T5, the logits followed along 16 sets of `points` quasi-random paths (`laws.paths`).

    points: a power of 2. seed: same seed, same numbers.
    """

    points: int = 1024
    seed: int = 0

    @property
    def name(self) -> str:
        return "paths"

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        _check_plain(update, self.name)
        found = paths(probs, config, phases, self.points, self.seed)
        start = check_probs("probs", probs)[0]
        return Law(
            method=self.name,
            phases=phases,
            logit_shift=found.logit_shift,
            logit_std=found.logit_std,
            prob_shift=found.prob_shift,
            prob_mean=found.prob_mean,
            prob_std=found.prob_std,
            log_odds_shift=found.log_odds_shift[0],
            log_odds_mean=found.log_odds_shift[0].shifted(logit(start)),
            log_odds_std=found.log_odds_std[0],
            entropy_shift=found.entropy_shift,
            entropy_mean=found.entropy_mean,
            clip_low_fraction=found.clip_low_fraction,
            clip_high_fraction=found.clip_high_fraction,
            marginals=found,
            warnings=found.warnings,
        )


def _check_plain(update: UpdateRule, name: str) -> None:
    allowed = f"plain gradient ascent on fresh samples, UpdateRule(), for the {name} method (MonteCarlo takes any)"
    check(update == PLAIN, "update", allowed, update)


@dataclass(frozen=True, slots=True)
class _Pair:
    """Marginals of both outcomes from the law of the first one's log-odds."""

    law: LogOddsLaw

    def quantile(self, level: float) -> Estimate:
        first, other = (float(expit(self.law.quantile(q))) for q in (level, round(1 - level, _DIGITS)))
        return Estimate.exact([first, 1 - other])

    def prob_above(self, prob: float) -> Estimate:
        return Estimate.exact([self.law.prob_above(prob), self.law.prob_below(round(1 - prob, _DIGITS))])


def _two_outcomes(
    probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule, name: StepLaw, resolution: float | None
) -> Law:
    _check_plain(update, name)
    start = np.asarray(probs, dtype=np.float64)
    if len(start) != 2:
        raise InputError("method", "paths for more than two outcomes", name)
    fine = resolution is None or 0.0 < resolution < math.inf
    check(fine, "resolution", "positive and finite", resolution)
    check(phases >= 1, "phases", "at least 1", phases)
    prob = float(start[0])
    if phases == 1:
        return _of_one_phase(prob, config, name, 12.0 if resolution is None else resolution)
    return _of_phases(prob, evolve(prob, config, phases, name, 8.0 if resolution is None else resolution), name)


def _of_one_phase(prob: float, config: PhaseConfig, name: StepLaw, resolution: float) -> Law:
    end = phase_law(prob, config, name, resolution)
    found, x0 = summary(prob, end, name), float(logit(prob))
    shift, spread = Estimate.exact(found.log_odds_shift), Estimate.exact(found.log_odds_std)
    change, entropy = Estimate.exact(found.mean_prob_shift), Estimate.exact(found.entropy_shift)
    order = np.argsort(end.offset, kind="stable")
    final = LogOddsLaw(x0 + end.offset[order], end.mass[order], end.atomic)
    return Law(
        method=name,
        phases=1,
        logit_shift=Estimate.exact(found.mean_logit_shift),
        logit_std=Estimate.exact([found.log_odds_std / 2] * 2),
        prob_shift=change,
        prob_mean=change.shifted([prob, 1 - prob]),
        prob_std=Estimate.exact(found.prob_std),
        log_odds_shift=shift,
        log_odds_mean=shift.shifted(x0),
        log_odds_std=spread,
        entropy_shift=entropy,
        entropy_mean=entropy.shifted(_entropy(prob)),
        clip_low_fraction=Estimate.exact(found.clip_low_fraction),
        clip_high_fraction=Estimate.exact(found.clip_high_fraction),
        marginals=_Pair(final),
        log_odds_laws=(LogOddsLaw(np.array([x0]), np.ones(1)), final),
    )


def _of_phases(prob: float, found: EvolveResult, name: StepLaw) -> Law:
    end = found.laws[-1]
    shift, mean = end.mean - float(logit(prob)), end.prob_mean
    policy = expit(end.grid)
    spread = float(np.sqrt(max(float(end.mass @ (policy - mean) ** 2), 0.0)))
    return Law(
        method=name,
        phases=len(found.laws) - 1,
        logit_shift=Estimate.exact([shift / 2, -shift / 2]),
        logit_std=Estimate.exact([end.std / 2] * 2),
        prob_shift=Estimate.exact([mean - prob, prob - mean]),
        prob_mean=Estimate.exact([mean, 1 - mean]),
        prob_std=Estimate.exact([spread] * 2),
        log_odds_shift=Estimate.exact(shift),
        log_odds_mean=Estimate.exact(end.mean),
        log_odds_std=Estimate.exact(end.std),
        entropy_shift=Estimate.exact(end.entropy_mean - _entropy(prob)),
        entropy_mean=Estimate.exact(end.entropy_mean),
        clip_low_fraction=Estimate.exact(found.clip_low_fraction.mean(axis=0)),
        clip_high_fraction=Estimate.exact(found.clip_high_fraction.mean(axis=0)),
        marginals=_Pair(end),
        log_odds_laws=found.laws,
        warnings=found.warnings,
    )


def _entropy(prob: float) -> float:
    both: Array = entr(np.array([prob, 1 - prob]))
    return float(both.sum())
