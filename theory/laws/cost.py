"""What a law costs, told from the sizes of its calculation before anything is calculated.

Work is counted in nanoseconds of one core of a machine of 2024. The constants below are measured, and on the large side
(`benchmarks/cost.py` compares them with what commands took). Where the size of a calculation comes out only while it is
done (how many values a sum of advantages has, how often a lattice is widened) the ordinary case is counted.
"""

import math

import numpy as np
from scipy.special import expit, logit

from clipbias.common.arrays import Array
from clipbias.theory.formulas.reward import reward_law
from clipbias.theory.setup import PhaseConfig

from .atoms import LARGEST_ATOMIC_GROUP, LARGEST_PRODUCT, LARGEST_SUPPORT, PAIRS_A_STEP
from .evolve import APART, MAX_LOG_ODDS, MOST_WORK, SIGMAS, STANDS_STILL, START_SPACING
from .lattice import WIDEST_SPACING, StepLaw, lattice_of
from .lattice_kernel import LARGEST_EXACT_GROUP, LARGEST_EXACT_GROUPS, LONG_TRANSFORM
from .paths import SCRAMBLINGS
from .phase import LATTICE_RESOLUTION, first_step_std, is_few
from .two_outcome_step import largest_jump, step_geometry, step_moments

NANOSECOND = 1e-9
_START = 1e6  # of any law
_REWARD = 450.0  # of the moments of a group's advantages, a sample
_CELL = 80.0  # of a kernel's entry, made and placed
_PRODUCT = 1.3  # of an entry of a matrix times a vector, beyond a core's cache
_PATTERN = 10.0  # of a group's pattern in one piece of the lattice
_TRANSFORMED = 6.0  # of a number of a Fourier transform, for each halving of its length
_POWER = 40.0  # of a complex power
_ROW = 300.0  # of a value found among others
_PAIR = 22.0  # of an atom of the law times one of a mini-batch
_MOVE = 1.5  # of an entry of an increment's law applied
_SOBOL = 1.2e6  # of a step of 1,024 paths
_SOBOL_OUTCOME = 180e3  # and of an outcome in it
_MANY_OUTCOMES = 5000
_RARE = 4.0  # groups that speak in a mini-batch: with more of them the sums' values are too many
_TRIMMED = 4.0  # by so much are values fewer when the least likely are left out
_STRIDES = 32  # of a phase's mean path
_MOST_SAMPLES = 1_000_000  # of the groups whose moments are looked at, so that telling stays short
_VISITED_SIGMAS = 3.7  # a ten-thousandth of the probability lies farther out
_LONGEST_WALK = 1000  # phases after which a policy is where it goes
_FOLLOWED = 64  # groups whose sums are counted one by one


def paths_work(outcomes: int, config: PhaseConfig, phases: int, points: int = 1024) -> float:
    """Of `paths`. Rewards that look at outcomes need the advantages at up to 49 rates."""
    rates = 49 if isinstance(config.success_prob, tuple) else 1
    step = _SOBOL + _SOBOL_OUTCOME * outcomes * (1 + outcomes / _MANY_OUTCOMES)
    phase = config.minibatches * step * points / 1024 + rates * _REWARD * config.group_size
    return _START + SCRAMBLINGS * phases * phase


def phase_work(
    prob: float, config: PhaseConfig, method: StepLaw = "exact", resolution: float = LATTICE_RESOLUTION
) -> float:
    """Of `phase`. Raises its ValueError where a step is too large."""
    std = first_step_std(prob, config)
    if std == 0.0:
        return _START
    work = _START + _REWARD * config.group_size
    if method == "exact":
        sums, values = _sums_work(prob, config)
        work += sums
        if values is not None:
            return work + _atoms_work(prob, config, values, std)
        resolution *= 4 if is_few(config) else 1
    jump, spread = largest_jump(prob, config), std * math.sqrt(config.minibatches)
    width = max(7.0 * spread, 2.5 * jump)
    while True:
        lattice = lattice_of(width, std, resolution)
        work += propagate_work(prob, config, lattice.half, lattice.spacing, method)
        if width >= _drift(prob, config) + 3 * spread:
            return work
        width *= 2


def evolve_work(
    prob: float, config: PhaseConfig, phases: int, method: StepLaw = "exact", resolution: float = 8.0
) -> float:
    """Of `evolve`: one phase, its law from every start, and the phases themselves."""
    std = first_step_std(prob, config)
    if std < STANDS_STILL or phases < 1:
        return _START
    widest = max(std, first_step_std(0.5, config))
    spacing = min(max(std, widest / 2) / resolution, WIDEST_SPACING)
    drift = 1.5 * _drift(prob, config)
    width = SIGMAS * widest * math.sqrt(config.minibatches)
    span = 2 * min(width * math.sqrt(phases) + drift * phases, MAX_LOG_ODDS)
    width += drift
    points = span / spacing
    half = math.ceil(min(width, span) / spacing)
    starts = _starts(prob, config, phases, span, half, spacing)
    one = propagate_work(0.5, config, half, spacing, method)
    if one == 0.0:
        return phase_work(prob, config, method)
    return phase_work(prob, config, method) + starts * one + phases * points * 2 * half * _MOVE


def _starts(prob: float, config: PhaseConfig, phases: int, span: float, half: int, spacing: float) -> float:
    """Of `evolve`: equally spaced ones, and closer ones besides where rewards select.

    How far increments lie apart is told from first steps, and where phases begin from the mean path and the spread
    around it, linearised.
    """
    starts = max(4, math.ceil(span / START_SPACING) + 1)
    at = float(logit(prob))
    if not isinstance(config.success_prob, tuple) or abs(at) >= MAX_LOG_ODDS:  # the latter is refused
        return starts
    asked = min(starts, max(4, _MOST_SAMPLES // config.group_size))
    x = np.linspace(max(at - span / 2, -MAX_LOG_ODDS), min(at + span / 2, MAX_LOG_ODDS), asked)
    mean, variance = config.minibatches * np.array([_step(float(expit(start)), config) for start in x]).T + 1e-300
    slope, variance_at, low, high = np.gradient(mean, x), 0.0, at, at
    for _ in range(min(phases, _LONGEST_WALK)):
        reach = _VISITED_SIGMAS * math.sqrt(variance_at)
        low, high = min(low, at - reach), max(high, at + reach)
        kept = max(1.0 + float(np.interp(at, x, slope)), 0.0)
        variance_at = min(kept**2 * variance_at + float(np.interp(at, x, variance)), MAX_LOG_ODDS**2)
        at = float(np.clip(at + np.interp(at, x, mean), x[0], x[-1]))
    apart_at = START_SPACING * np.abs(np.diff(mean) / np.diff(x)) / np.sqrt(np.minimum(variance[1:], variance[:-1]))
    apart = float(apart_at[(x[1:] >= low - START_SPACING) & (x[:-1] <= high + START_SPACING)].max())
    if apart <= APART:
        return starts
    between = min(high - low + 3 * START_SPACING, span)  # `evolve` takes an interval more on either side
    closer = min(between / START_SPACING * 2 * apart / APART, MOST_WORK / (2 * half + 1) ** 2, between / spacing)
    return starts + (closer if closer > between / START_SPACING else 0.0)


def propagate_work(prob: float, config: PhaseConfig, half: int, spacing: float, method: StepLaw) -> float:
    """Of `propagate` on a lattice of 2·half + 1 points; of its refusal, which comes at once, nothing."""
    many = config.group_size > LARGEST_EXACT_GROUP or config.groups_per_minibatch > LARGEST_EXACT_GROUPS
    if method == "exact" and many:
        return 0.0
    size = 2 * half + 1
    work = size**2 * (_CELL + _PRODUCT * config.minibatches)
    if method == "gaussian":
        return work + _REWARD * config.group_size
    groups = config.groups_per_minibatch
    patterns = math.comb(config.group_size + 3, 3)
    work += size * patterns * _PATTERN
    if groups == 1:
        return work
    jump = config.group_size * largest_jump(prob, config) / spacing
    reach = max(half / groups, min(jump, 8 * math.sqrt(config.group_size) * jump / config.group_size, 2 * half) + 2)
    length = max(2 * reach * groups, 2.0)
    if size * length > LONG_TRANSFORM:  # only as long as is ever reached
        length = min(length, 4 * half + 16 * reach)
    return work + size * length * (_TRANSFORMED * math.log2(length) / 2 + _POWER / 2)


def _drift(prob: float, config: PhaseConfig) -> float:
    """How far the log-odds go in a phase on average where rewards look, along the mean path."""
    if not isinstance(config.success_prob, tuple):
        return 0.0
    strides, y = min(config.minibatches, _STRIDES, max(1, _MOST_SAMPLES // config.group_size)), 0.0
    for _ in range(strides):
        y += config.minibatches / strides * _step(prob, config, y)[0]
    return abs(y)


def _step(prob: float, config: PhaseConfig, y: float = 0.0) -> tuple[float, float]:
    """Mean and variance of what a step does to the log-odds, y from the phase's start."""
    geometry = step_geometry(np.array([y]), 1e-9, prob, config)
    mean, variance = step_moments(geometry, config)
    return float(mean[0]), float(variance[0])


def _sums_work(prob: float, config: PhaseConfig) -> tuple[float, int | None]:
    """Of `advantage_sums`, and how many values it is expected to find; None where too many."""
    size, groups = config.group_size, config.groups_per_minibatch
    if size > LARGEST_ATOMIC_GROUP:
        return 0.0, None
    rate = reward_law(np.array([prob, 1.0 - prob]), config.success_prob).success_prob
    speaks = 1.0 - rate**size - (1.0 - rate) ** size
    values = _values_of_sums(size, min(groups, _FOLLOWED))
    rows = np.minimum(values[:-1] * values[0], LARGEST_PRODUCT)
    common = groups * speaks < _RARE  # what is rare is left out of the sums as it gets too many
    if not common and (values[:-1] * values[0] > _TRIMMED * LARGEST_PRODUCT).any():
        heard = int(min(groups, _RARE / max(speaks, 1e-300)))
        followed = int(np.argmax(values * values[0] > LARGEST_PRODUCT)) + 1
        return (followed + max(heard - followed, 0) / 3) * LARGEST_PRODUCT * _ROW, None
    work = values[0] * _ROW + float(rows.sum()) * _ROW
    work += max(groups - _FOLLOWED, 0) * LARGEST_PRODUCT / 3 * _ROW
    if common or values[-1] < _TRIMMED * LARGEST_SUPPORT:
        return work, int(min(values[-1], LARGEST_SUPPORT))
    return work, None


def _values_of_sums(size: int, groups: int) -> Array:
    """How many values the sums over 1…`groups` groups have, none left out; [groups].

    They are told apart by how many groups had m rewards, for each m, and by the first outcome's counts among the
    rewarded and the rest of these: (n·m + 1)·(n·(G−m) + 1) for n groups. Silent groups add nothing.
    """
    counts = np.ones(groups + 1)
    n = np.arange(groups + 1)
    for m in range(1, size):
        counts = np.convolve(counts, (n * m + 1.0) * (n * (size - m) + 1.0))[: groups + 1]
        counts = np.minimum(counts, 1e12)
    return np.asarray(counts[1:])


def _atoms_work(prob: float, config: PhaseConfig, values: int, std: float) -> float:
    """Of `propagate_atoms`: its atoms lie two in a cell over nine standard deviations to each side."""
    affordable = PAIRS_A_STEP / (values * 16 * math.sqrt(config.minibatches))
    width = max(std / min(max(affordable, 8.0), 128.0), largest_jump(prob, config) / 128)
    atoms = 2 + 2 * 18 * std * math.sqrt(config.minibatches) / width
    return config.minibatches * values * atoms * _PAIR * 2 / 3
