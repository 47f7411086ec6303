"""The simulator's methods for `theory.law.law`: Monte Carlo, autograd, enumeration."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from clipbias.common.errors import check
from clipbias.theory.estimate import Estimate
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.law import Law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.update_rule import UpdateRule

from .compiled.tabular import simulate
from .estimate import WeightedEnds
from .exact.enumeration import enumerate_phase


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarlo:
    """Any number of outcomes and any update rule: `replicates` simulated trainings (`compiled.tabular`).

    seed: same seed, same numbers, whatever threads (all cores by default). progress: called with the replicates done.
    """

    replicates: int = 100_000
    seed: int = 0
    threads: int | None = None
    progress: Callable[[int], None] | None = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        return "monte-carlo"

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        run = (probs, config, phases, self.replicates, self.seed, update)
        return simulate(*run, threads=self.threads, progress=self.progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Autograd:
    """Any number of outcomes and any update rule, with torch's gradients and optimizers (`autograd.engine`).

    features: Φ [K, d] of outcomes that share parameters, logits = log p + Φθ. device: the GPU where there is one.
    """

    replicates: int = 10_000
    seed: int = 0
    features: ArrayLike | None = field(default=None, compare=False)
    device: str | None = None

    @property
    def name(self) -> str:
        return "autograd"

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        from .autograd.engine import simulate_torch  # torch is an extra: the other methods do without

        run = (probs, config, phases, self.replicates, self.seed, update)
        return simulate_torch(*run, features=self.features, device=self.device)


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The referee: one phase summed over all that samples and rewards can be, for small cases (`exact.enumeration`).

    Plain gradient ascent, several epochs and split groups included.
    """

    @property
    def name(self) -> str:
        return "enumeration"

    def solve(self, probs: ArrayLike, config: PhaseConfig, phases: int, update: UpdateRule) -> Law:
        start = check_probs("probs", probs)
        check(phases == 1, "phases", "1 for enumeration (MonteCarlo takes any)", phases)
        known = UpdateRule(epochs=update.epochs, split=update.split)
        allowed = "plain gradient ascent, but for epochs and split, for enumeration (MonteCarlo takes any)"
        check(update == known, "update", allowed, update)
        found = enumerate_phase(probs, config, update.epochs, update.split)
        log_odds, entropy = Estimate.exact(found.log_odds_shift), Estimate.exact(found.entropy_shift)
        return Law(
            method=self.name,
            phases=1,
            logit_shift=Estimate.exact(found.logit_shift),
            logit_std=Estimate.exact(np.sqrt(found.logit_variance)),
            prob_shift=Estimate.exact(found.prob_shift),
            prob_mean=Estimate.exact(start + found.prob_shift),
            prob_std=Estimate.exact(found.prob_std),
            log_odds_shift=log_odds,
            log_odds_mean=log_odds.shifted(np.log(start[0] / start[1:].sum())),
            log_odds_std=Estimate.exact(np.sqrt(found.log_odds_variance)),
            entropy_shift=entropy,
            entropy_mean=entropy.shifted(entr(start).sum()),
            clip_low_fraction=Estimate.exact(found.clip_low_fraction),
            clip_high_fraction=Estimate.exact(found.clip_high_fraction),
            marginals=WeightedEnds(found.ends, found.weight),
        )
