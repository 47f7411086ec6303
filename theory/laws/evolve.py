"""T10: many phases with two outcomes: the law of the log-odds after 0…T phases.

A phase that starts at x is an increment whose law (T4) varies smoothly with x. It is computed at a few dozen starts,
interpolated between them (cubically) on a lattice of log-odds, and applied T times.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, expit, logit

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check
from clipbias.theory.setup import PhaseConfig

from .lattice import WIDEST_SPACING, Lattice, StepLaw, propagate
from .phase import check_two_outcomes, first_step_std, phase
from .two_outcome_step import PhaseLaw, clip_thresholds, largest_jump

MAX_LOG_ODDS = 14.0  # p = 1 − 8e-7; what would go beyond stays at the edge
LEAST_PROB = 1e-4  # |x| = 9.2: farther out the edge would be felt
START_SPACING = 0.25
STANDS_STILL = 1e-9  # log-odds per step: lost in the rounding of x
SIGMAS = 6.0
_LARGE_STEP = 0.3
APART = 0.2  # neighbouring starts whose mean increments differ by more standard deviations than this are too far apart
_VISITED = 1e-4  # a start with less probability around it is not looked at
MOST_WORK = 2e8  # entries of the kernels of all finer starts: some ten seconds
_LARGEST_TABLE = 100_000_000  # numbers: 0.8 GB


@dataclass(frozen=True, slots=True)
class LogOddsLaw:
    """A distribution of x = logit p on the ascending values `grid` [X]; `mass` [X] adds to 1 (tiny negatives possible).

    atomic: all mass sits on the values themselves; otherwise they are points of a lattice, between which quantiles and
    probabilities are interpolated.
    """

    grid: Array
    mass: Array
    atomic: bool = False

    @property
    def mean(self) -> float:
        return float(self.mass @ self.grid)

    @property
    def std(self) -> float:
        return math.sqrt(max(float(self.mass @ (self.grid - self.mean) ** 2), 0.0))

    @property
    def prob_mean(self) -> float:
        """E[p]."""
        return float(self.mass @ expit(self.grid))

    @property
    def entropy_mean(self) -> float:
        """E[H(p)] in nats."""
        return float(self.mass @ (entr(expit(self.grid)) + entr(expit(-self.grid))))

    def cumulative(self) -> Array:
        """P(x ≤ grid) with half of each point's mass below it, made monotone; [X]."""
        return np.clip(np.maximum.accumulate(np.cumsum(self.mass) - 0.5 * self.mass), 0.0, 1.0)

    def quantile(self, level: float) -> float:
        """Log-odds at which the distribution function reaches `level` in (0, 1); expit of it is the quantile of p."""
        check(0.0 < level < 1.0, "level", "in (0, 1)", level)
        if self.atomic:
            reached = int(np.searchsorted(np.cumsum(self.mass), level))
            return float(self.grid[min(reached, len(self.grid) - 1)])
        if self.mass.max() > 1.0 - 1e-12:
            return float(self.grid[self.mass.argmax()])
        return float(np.interp(level, self.cumulative(), self.grid))

    def prob_above(self, prob: float) -> float:
        """P(p > prob)."""
        check(0.0 < prob < 1.0, "prob", "in (0, 1)", prob)
        place = float(logit(prob))
        if self.atomic:
            return float(self.mass[self.grid > place].sum())
        return float(1.0 - np.interp(place, self.grid, self.cumulative(), left=0.0, right=1.0))

    def prob_below(self, prob: float) -> float:
        """P(p < prob)."""
        if self.atomic:
            return float(self.mass[self.grid < float(logit(prob))].sum())
        return 1.0 - self.prob_above(prob)


@dataclass(frozen=True, slots=True)
class EvolveResult:
    """laws[t]: the law after t phases, t = 0…T. clip_low_fraction, clip_high_fraction [T, M]: expected share of the
    samples of mini-batch m of phase t whose gradient the bound removes. warnings: doubts about the accuracy here."""

    laws: tuple[LogOddsLaw, ...]
    clip_low_fraction: Array
    clip_high_fraction: Array
    warnings: tuple[str, ...] = ()


def evolve(
    prob: float, config: PhaseConfig, phases: int, method: StepLaw = "exact", resolution: float = 8.0
) -> EvolveResult:
    """Compose T4 `phases` times from p₀ = prob (T10).

    resolution: lattice points per standard deviation of a step, the start's or half the widest there is. The lattice
    spans what six standard deviations and the first phase's drift can reach in T phases, at most |x| ≤ 14. Domain:
    vanilla gradient ascent with two outcomes. The mean errs by less than 1 % of the standard deviation where a step
    from p₀ or ½ is below 0.3 and one sample cannot cross the nearest bound alone: by at most 0.92 % in the 141 of 200
    set-ups without a warning of `benchmarks/phase_accuracy.py --phases 8 --configurations 200 --replicates 200000
    --largest-group 16`; and of 200 others (8 phases, 234 drawn) none was outside the larger of 2 % of the shift and 4
    standard errors (z-scores: root mean square 1.07, largest 2.6). The result's `warnings` say where that is not so:
    there by 2 % at a step of 0.6, and for p = 0.9, G = 8, N = 2, η = 2, T = 30 (see `atoms`; 0.4 % at resolution 24);
    by 4 % with few samples and rare failures (G = 5, N = 6, γ = 0.98). The standard deviation itself is 3 % low for
    p = 0.9, G = 4, N = 1, η = 3, T = 25. All this is for one γ. Rewards that select make increments narrow and their
    means change fast with the start: where neighbouring means differ by more than 0.2 of a standard deviation starts
    are laid closer, within bounds, beyond which there is a warning. In 16 drawn set-ups with |γ₁ − γ₂| > 0.4 (T = 2,
    10⁵ replicates) means without a warning then erred by up to 0.8 %, and in one by 2.3 % of the spread (p = 0.169, G =
    4, N = 3, M = 4, η = 0.893, γ = (0.831, 0.373): no matter of starts); with starts 0.25 apart by up to 7 %, and by
    23 % in the worst case known.
    """
    check_two_outcomes(prob, method)
    check(phases >= 1, "phases", "at least 1", phases)
    inside = f"in [{LEAST_PROB:g}, 1 - {LEAST_PROB:g}] over many phases"
    check(LEAST_PROB <= prob <= 1.0 - LEAST_PROB, "prob", inside, prob)
    x0, std = float(logit(prob)), first_step_std(prob, config)
    steps = config.minibatches
    if std < STANDS_STILL:
        zeros = np.zeros((phases, steps))
        return EvolveResult((LogOddsLaw(np.array([x0]), np.ones(1)),) * (phases + 1), zeros, zeros)
    widest = max(std, first_step_std(0.5, config))
    # A rare outcome's steps are small until it is rare no more; the lattice keeps their mean and variance all the same.
    spacing = min(max(std, widest / 2) / resolution, WIDEST_SPACING)
    cells = 2 * SIGMAS * widest * math.sqrt(steps) / spacing  # of one phase
    if cells * min(cells * math.sqrt(phases), 2 * MAX_LOG_ODDS / spacing) > _LARGEST_TABLE:
        raise InputError("minibatches", f"fewer over {phases} phases (simulate run takes any)", steps)
    drift = abs(phase(prob, config, method).log_odds_shift)
    reach = SIGMAS * widest * math.sqrt(steps * phases) + 1.5 * drift * phases + 10 * spacing
    below = min(math.ceil(reach / spacing), max(1, math.floor((MAX_LOG_ODDS + x0) / spacing)))
    above = min(math.ceil(reach / spacing), max(1, math.floor((MAX_LOG_ODDS - x0) / spacing)))
    grid = np.asarray(x0 + spacing * np.arange(-below, above + 1), dtype=np.float64)
    half = min(math.ceil((SIGMAS * widest * math.sqrt(steps) + 1.5 * drift) / spacing), len(grid))
    if len(grid) * (phases + 1) > _LARGEST_TABLE:
        raise InputError("phases", f"at most {_LARGEST_TABLE // len(grid) - 1} here", phases)
    starts = np.linspace(grid[0], grid[-1], max(4, math.ceil((grid[-1] - grid[0]) / START_SPACING) + 1))
    lattice = Lattice(spacing, half)

    def propagated(starts: Array) -> list[PhaseLaw]:
        return [propagate(float(expit(x)), config, lattice, method) for x in starts]

    laws, selects = propagated(starts), isinstance(config.success_prob, tuple)
    found = _composed(grid, below, starts, laws, phases)
    apart, reached = _apart(grid, starts, laws, found.masses)
    if selects and apart > APART:
        low, high = starts[max(int(reached.min()) - 1, 0)], starts[min(int(reached.max()) + 2, len(starts) - 1)]
        wanted = (
            (high - low) / (starts[1] - starts[0]) * 2 * apart / APART
        )  # twice as fine: spreads in between may be narrower
        most = min(MOST_WORK / (2 * half + 1) ** 2, (high - low) / spacing)
        finer = np.linspace(low, high, max(4, math.ceil(min(wanted, most)) + 1))
        if finer[1] - finer[0] < starts[1] - starts[0]:
            starts, laws = finer, propagated(finer)
            found = _composed(grid, below, starts, laws, phases)
            apart, _ = _apart(grid, starts, laws, found.masses)
    return EvolveResult(
        tuple(LogOddsLaw(grid, mass) for mass in found.masses),
        np.stack(found.clip_low),
        np.stack(found.clip_high),
        _doubts(prob, config, apart if selects else 0.0),
    )


@dataclass(frozen=True, slots=True)
class _Composed:
    """Masses on the grid [X] after 0…T phases, and clip fractions [M] of phases 1…T."""

    masses: list[Array]
    clip_low: list[Array]
    clip_high: list[Array]


def _composed(grid: Array, at: int, starts: Array, laws: list[PhaseLaw], phases: int) -> _Composed:
    """T phases from grid[at], their increments interpolated between equally spaced starts.

    Where starts do not span the grid, hardly any mass is beyond them: there the outermost law serves.
    """
    position = (grid - starts[0]) / (starts[1] - starts[0])
    if grid[0] < starts[0] or grid[-1] > starts[-1]:
        position = np.clip(position, 0.0, len(starts) - 1.0)
    first, weights = _cubic(position, len(starts))

    def interpolated(values: list[Array]) -> Array:
        table = np.stack(values)
        return np.asarray(sum(weights[:, i, None] * table[first + i] for i in range(4)))

    columns = np.ascontiguousarray(interpolated([law.mass for law in laws]).T)
    low, high = interpolated([law.clip_low for law in laws]), interpolated([law.clip_high for law in laws])
    mass = np.zeros(len(grid))
    mass[at] = 1.0
    found = _Composed([mass], [], [])
    for _ in range(phases):
        found.clip_low.append(mass @ low)
        found.clip_high.append(mass @ high)
        mass = _applied(mass, columns, len(columns) // 2)
        found.masses.append(mass)
    return found


def _apart(grid: Array, starts: Array, laws: list[PhaseLaw], masses: list[Array]) -> tuple[float, NDArray[np.int64]]:
    """By how many of their standard deviations the mean increments of neighbouring starts differ at most, and the
    intervals between starts in which a phase begins with some probability, for which that is asked."""
    interval = np.clip(((grid - starts[0]) / (starts[1] - starts[0])).astype(np.int64), 0, len(starts) - 2)
    weight = np.max([np.bincount(interval, np.abs(mass), len(starts) - 1) for mass in masses[:-1]], axis=0)
    reached = np.flatnonzero(weight > _VISITED)
    mean = np.array([law.mass @ law.offset for law in laws])
    std = np.sqrt(np.maximum([law.mass @ law.offset**2 for law in laws] - mean**2, 1e-300))
    return float((np.abs(np.diff(mean)) / np.minimum(std[1:], std[:-1]))[reached].max()), reached


def large_steps(prob: float, config: PhaseConfig) -> str | None:
    """The doubt of `evolve` that is known beforehand: steps are large, or one sample alone can cross a bound."""
    widest = max(first_step_std(prob, config), first_step_std(0.5, config))
    distances = (abs(x - float(logit(prob))) for x in clip_thresholds(prob, config))
    nearest, jump = min(distances, default=math.inf), largest_jump(prob, config)
    if widest <= _LARGE_STEP and jump <= nearest:
        return None
    moves = f"one step moves the log-odds by {widest:.2g}, one sample by up to {jump:.2g}"
    return f"{moves}: means may err by up to 4 % of the spread"


def _doubts(prob: float, config: PhaseConfig, apart: float) -> tuple[str, ...]:
    """apart: by how much the mean increments of neighbouring starts differ; 0 where rewards do not select."""
    found, large = [], large_steps(prob, config)
    if large is not None:
        found.append(large)
    if apart > APART:
        narrow = f"rewards select so strongly that a phase's mean changes by {apart:.2g} of its spread between starts"
        found.append(f"{narrow}: means and spreads may err by a quarter of the spread")
    return tuple(found)


def _cubic(position: Array, size: int) -> tuple[NDArray[np.int64], Array]:
    """First of the four nodes 0…size−1 around each position [X], and their Lagrange weights [X, 4]."""
    first = np.clip(position.astype(np.int64) - 1, 0, size - 4)
    t = (position - first)[:, None]
    nodes = np.arange(4)
    others = [np.delete(nodes, i) for i in nodes]
    return first, np.concatenate(
        [np.prod((t - other) / (i - other), axis=1, keepdims=True) for i, other in zip(nodes, others, strict=True)],
        axis=1,
    )


def _applied(mass: Array, columns: Array, half: int) -> Array:
    """Σ_i mass_i·(increment j of i) shifted to i + j, columns [2·half + 1, X]; what would leave stays at the ends."""
    size = len(mass)
    wide = np.zeros(size + 2 * half)
    for column, increment in enumerate(columns):
        wide[column : column + size] += mass * increment
    kept = wide[half : half + size]
    kept[0] += wide[:half].sum()
    kept[-1] += wide[half + size :].sum()
    return kept
