"""How far a placebo may move what is measured: the law of a measured change when the reward is a coin (T8, T10, T11).

Three things move it, and are stated apart: the clip (drift), the policy's own random walk (noise, whose mean is not 0
for what is not linear in the log-odds), and the counting of answers. Without a measured spread the first two are
unknown, and what counting leaves is less than the whole band.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import entr, ndtri

from clipbias.common.arrays import Array
from clipbias.common.errors import check, check_whole
from clipbias.theory.formulas.evaluation_noise import Evaluation, evaluation_variance

from .placebo import Ends, Possible, Walk, placebo_ends

LEVEL = 0.9
MOST_SEEDS = 1000
_CELLS = 4000  # of the lattice on which changes are added up
_ATOMS = 200_000
_FIRST = 401  # equally likely results of counting before training


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """The change of one measure; share and accuracy as fractions, entropy in nats.

    clip_drift: what the bounds add to the expected change; noise_drift: the expected change without bounds (T8);
    policy_std: over seeds; all three of the policies themselves, and None without a walk. evaluation_std: of one seed's
    change where the policy stands still. seed_std: over seeds, of what is measured after training. one_seed,
    mean_of_seeds: the ranges that hold 90 % of measured changes, of a seed and of the mean over all.
    """

    clip_drift: float | None
    noise_drift: float | None
    policy_std: float | None
    evaluation_std: float
    seed_std: float
    one_seed: tuple[float, float]
    mean_of_seeds: tuple[float, float]

    @property
    def whole(self) -> bool:
        """Whether the policy's own walk is in it."""
        return self.policy_std is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class NullBands:
    """None for what was not given at the start (entropy: the two-way entropy of the share)."""

    accuracy: Band | None
    share: Band | None
    entropy: Band | None


@dataclass(frozen=True, slots=True)
class _Measure:
    """A rate r = level + (p − start)·slope, and what is made of it: itself, or its two-way entropy."""

    start: float
    level: float
    slope: float = 1.0
    entropy: bool = False

    def rate(self, prob: Array) -> Array:
        return np.clip(self.level + (prob - self.start) * self.slope, 0.0, 1.0)

    def value(self, rate: Array) -> Array:
        return np.asarray(entr(rate) + entr(1 - rate)) if self.entropy else rate


@dataclass(frozen=True, slots=True, eq=False)
class _Law:
    """values with weights, which add to 1."""

    values: Array
    weights: Array

    @property
    def mean(self) -> float:
        return float(self.weights @ self.values)

    @property
    def variance(self) -> float:
        return max(float(self.weights @ (self.values - self.mean) ** 2), 0.0)


def null_bands(
    *,
    share: float | None = None,
    accuracy: float | None = None,
    contrast: float | None = None,
    counted: Evaluation | None = None,
    seeds: int = 1,
    walk: Walk | None = None,
) -> NullBands:
    """Bands of whatever is given of the untrained model: its share of a strategy, its accuracy.

    contrast: accuracy with the strategy less accuracy without, by which the share moves accuracy (T11); where it or
    the walk is unknown, accuracy's band is by counting alone. counted: how answers are counted, before training once
    for all seeds and after it in each; None where rates are read without counting.

    Domain: counts are taken as normal (n·k·r(1 − r) of ten or more). Strategies keep their accuracies: a training that
    loses skill goes beyond. Seeds are independent but for what is unknown of the spread.
    """
    check_whole(seeds, "seeds", 1)
    check(seeds <= MOST_SEEDS, "seeds", f"at most {MOST_SEEDS}", seeds)
    for field, value in (("share", share), ("accuracy", accuracy)):
        check(value is None or 0.0 < value < 1.0, field, "in (0, 1)", value)
    check(walk is None or share is not None, "share", "given with a spread, which is of its log-odds", share)
    walked = placebo_ends(share, walk) if walk is not None and share is not None else None
    of_share = of_entropy = of_accuracy = None
    if share is not None:
        # the agreement is of right and wrong answers: strategies of different problems are taken to be alike
        plain = None if counted is None else Evaluation(problems=counted.problems, samples=counted.samples)
        of_share = _band(_Measure(share, share), walked, plain, seeds)
        of_entropy = _band(_Measure(share, share, entropy=True), walked, plain, seeds)
    if accuracy is not None and share is not None and contrast is not None:
        least, most = (
            -min(accuracy / (1 - share), (1 - accuracy) / share),
            min(accuracy / share, (1 - accuracy) / (1 - share)),
        )
        allowed = f"in [{least:.4g}, {most:.4g}] at this accuracy and share"
        check(least <= contrast <= most, "contrast", allowed, contrast)
        of_accuracy = _band(_Measure(share, accuracy, contrast), walked, counted, seeds)
    elif accuracy is not None:
        check(contrast is None, "share", "given with a contrast", share)
        of_accuracy = _band(_Measure(accuracy, accuracy), None, counted, seeds)
    return NullBands(accuracy=of_accuracy, share=of_share, entropy=of_entropy)


def _band(measure: _Measure, walked: Sequence[Possible] | None, counted: Evaluation | None, seeds: int) -> Band:
    still = Ends.still(measure.start)
    possible = [Possible(1.0, still, still)] if walked is None else walked
    weights = [node.weight for node in possible]
    after = [_counted(measure, node.ends, counted) for node in possible]
    before = _counted(measure, still, counted, _FIRST)
    start = float(measure.value(np.array(measure.level)))
    drift = free = std = None
    if walked is not None:
        bound = _mixed([_exact(measure, node.ends) for node in walked], weights)
        unbound = _mixed([_exact(measure, node.free) for node in walked], weights)
        drift, free, std = bound.mean - unbound.mean, unbound.mean - start, bound.variance**0.5
    return Band(
        clip_drift=drift,
        noise_drift=free,
        policy_std=std,
        evaluation_std=(2 * before.variance) ** 0.5,
        seed_std=_mixed(after, weights).variance ** 0.5,
        one_seed=_range(after, weights, before.values, 1),
        mean_of_seeds=_range(after, weights, before.values, seeds),
    )


def _exact(measure: _Measure, ends: Ends) -> _Law:
    return _Law(measure.value(measure.rate(ends.prob)), ends.mass)


def _counted(measure: _Measure, ends: Ends, counted: Evaluation | None, count: int | None = None) -> _Law:
    """What counting shows of ends: a normal draw around each, in equally likely values scaled to its variance."""
    if counted is None:
        return _exact(measure, ends)
    rate = measure.rate(ends.prob)
    many = count or int(np.clip(_ATOMS // len(rate), 51, 2001))
    z = ndtri((np.arange(many) + 0.5) / many)
    std = np.sqrt(evaluation_variance(rate, counted, measure.level))
    drawn = np.clip(rate[:, None] + std[:, None] * z / z.std(), 0.0, 1.0)
    return _Law(measure.value(drawn).ravel(), np.repeat(ends.mass / many, many))


def _mixed(laws: Sequence[_Law], weights: Sequence[float]) -> _Law:
    parts = zip(laws, weights, strict=True)
    return _Law(np.concatenate([law.values for law in laws]), np.concatenate([w * law.weights for law, w in parts]))


def _mean_law(law: _Law, low: float, spacing: float, seeds: int) -> Array:
    """Law of the mean of `seeds` independent values, on low + k·spacing/seeds for k = 0…seeds·_CELLS: values are split
    between the two nearest points of a lattice, which keeps their mean, and added up by a power of the Fourier sum."""
    place = np.clip((law.values - low) / spacing, 0.0, _CELLS)
    cell = np.minimum(place.astype(np.int64), _CELLS - 1)
    right = law.weights * (place - cell)
    one = np.bincount(cell, law.weights - right, _CELLS + 1) + np.bincount(cell + 1, right, _CELLS + 1)
    size = seeds * _CELLS + 1
    return np.asarray(np.fft.irfft(np.fft.rfft(one, size) ** seeds, size))


def _range(after: Sequence[_Law], weights: Sequence[float], before: Array, seeds: int) -> tuple[float, float]:
    """The central 90 % of mean over seeds − before, `before` equally likely. What is unknown (weights) is common to
    seeds, and so is the measurement before training."""
    low, high = min(float(law.values.min()) for law in after), max(float(law.values.max()) for law in after)
    if low == high:
        return low - float(before.max()), high - float(before.min())
    spacing = (high - low) / _CELLS
    mass = sum(w * _mean_law(law, low, spacing, seeds) for law, w in zip(after, weights, strict=True))
    below = np.maximum.accumulate(np.cumsum(mass) - 0.5 * np.asarray(mass))
    means = low + spacing / seeds * np.arange(len(below))
    changes = np.linspace(low - before.max(), high - before.min(), _CELLS + 1)
    chance = np.interp(changes[:, None] + before, means, below, left=0.0, right=1.0).mean(axis=1)
    tail = (1 - LEVEL) / 2
    return float(np.interp(tail, chance, changes)), float(np.interp(1 - tail, chance, changes))
