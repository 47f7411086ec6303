"""Where a policy may end when the reward is a coin: the two-outcome toy (T10), its learning rate set by a spread that
was measured, with what momentum adds and what is not known of the spread."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, roots_genlaguerre

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check, check_whole
from clipbias.theory.formulas.momentum import carried, lasting_persistence, persistence_from_rest
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Surrogate

from .calibrate import learning_rate_for_spread
from .evolve import LEAST_PROB, LogOddsLaw, evolve

LEAST_DEGREES = 3.0
_NODES = 7  # of the law of an uncertain spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What moves the policy. spread: standard deviation over seeds of the log-odds' change in one unclipped phase;
    degrees: of freedom of its measurement, None where it is known; phases: T; config: the phase, its learning rate
    aside; momentum: β of Adam, by which noise goes on from phase to phase (`formulas.momentum`)."""

    spread: float
    phases: int
    config: PhaseConfig
    momentum: float = 0.0
    degrees: float | None = None

    def __post_init__(self) -> None:
        check(0.0 < self.spread < math.inf, "spread", "positive and finite", self.spread)
        check_whole(self.phases, "phases", 1)
        certain = self.degrees is None or LEAST_DEGREES <= self.degrees < math.inf
        check(certain, "spread_degrees", f"at least {LEAST_DEGREES:g} and finite", self.degrees)
        check(0.0 <= self.momentum < 1.0, "momentum", "in [0, 1)", self.momentum)


@dataclass(frozen=True, slots=True, eq=False)
class Ends:
    """Probabilities of the first outcome at the end, prob [X] with mass [X] (tiny negatives possible)."""

    prob: Array
    mass: Array

    @classmethod
    def still(cls, prob: float) -> "Ends":
        return cls(np.array([prob]), np.ones(1))


@dataclass(frozen=True, slots=True, eq=False)
class Possible:
    """Ends at one value that the spread may have: with the training's bounds, and without any. weight: its chance."""

    weight: float
    ends: Ends
    free: Ends


def uncertain(spread: float, degrees: float | None) -> tuple[Array, Array]:
    """Values σ_j and weights of a spread s of ν degrees of freedom: σ² = ν·s²/χ²_ν (a flat prior in log σ), by
    Gauss–Laguerre quadrature. Without `degrees`, σ = s.

    The 90 % range of a normal walk is then that of Student's law of ν degrees, 1 % too narrow for ν = 4, 3 % for 3.
    """
    if degrees is None:
        return np.array([spread]), np.ones(1)
    half, weights = roots_genlaguerre(_NODES, degrees / 2 - 1)
    return np.asarray(spread * np.sqrt(degrees / 2 / half)), np.asarray(weights / weights.sum())


def with_momentum(law: LogOddsLaw, start: float, momentum: float, minibatches: int, phases: int) -> LogOddsLaw:
    """What momentum β makes of the law of `phases` phases without it, from log-odds `start` (`formulas.momentum`)."""
    lasting = lasting_persistence(momentum, minibatches)
    noise = persistence_from_rest(momentum, minibatches, phases)
    return replace(law, grid=carried(law.grid, start, law.mean, lasting, noise))


def placebo_ends(share: float, walk: Walk) -> list[Possible]:
    """The law of the share after T phases, from `share`.

    Gaussian T10: its docstring has the errors. Where no learning rate gives the spread: InputError. Domain: fresh
    samples, one strategy that is watched, no KL term (which holds the policy back: then ends spread less than this).
    """
    inside = f"in [{LEAST_PROB:g}, 1 - {LEAST_PROB:g}] for its walk"
    check(LEAST_PROB <= share <= 1 - LEAST_PROB, "share", inside, share)
    found = []
    for spread, weight in zip(*uncertain(walk.spread, walk.degrees), strict=True):
        free = _ends(share, walk, float(spread), UNCLIPPED)
        gate = walk.config.surrogate
        ends = free if gate == UNCLIPPED else _ends(share, walk, float(spread), gate)
        found.append(Possible(float(weight), ends, free))
    return found


def _ends(share: float, walk: Walk, spread: float, gate: Surrogate) -> Ends:
    try:
        rate = learning_rate_for_spread(share, walk.config, spread)
    except ValueError as error:
        raise InputError("spread", "small enough for the toy, a few log-odds a phase", walk.spread) from error
    config = replace(walk.config, learning_rate=rate, surrogate=gate)
    end = evolve(share, config, walk.phases, "gaussian").laws[-1]
    law = with_momentum(end, float(logit(share)), walk.momentum, config.minibatches, walk.phases)
    return Ends(np.asarray(expit(law.grid)), law.mass)
