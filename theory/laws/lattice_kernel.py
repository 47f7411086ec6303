"""The law of one optimizer step for two outcomes as weights on a lattice of log-odds: normal, or exact.

`two_outcome_step` says what a step does at each point; here its law becomes a kernel [X, 2·half + 1].
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.setup import PhaseConfig

from .two_outcome_step import StepGeometry, group_patterns, step_moments

LARGEST_EXACT_GROUP = 128
LARGEST_EXACT_GROUPS = 500
_ATOMS_AT_ONCE = 40_000  # pieces × atoms: what fits into a core's cache
LONG_TRANSFORM = 2**24  # numbers in a transform: a second's work, and 128 MB
_NEVER = 45.0  # e^−45 = 3e-20


def gaussian_kernel(geometry: StepGeometry, config: PhaseConfig, spacing: float, half: int) -> Array:
    """[X, 2·half + 1] lattice weights of N(mean, variance) increments; mass beyond ±half sits on the ends.

    Cells hold Φ differences with the variance lowered by the h²/12 that the lattice adds; where the standard deviation
    is below h, three points with the exact mean and variance are used instead.
    """
    mean, variance = step_moments(geometry, config)
    offsets = np.arange(-half, half + 1)
    std = np.sqrt(np.maximum(variance - spacing**2 / 12, 1e-300))
    edges = ((offsets[:-1] + 0.5) * spacing - mean[:, None]) / std[:, None]
    cumulative = np.concatenate([np.zeros((len(mean), 1)), ndtr(edges), np.ones((len(mean), 1))], axis=1)
    weights = np.diff(cumulative, axis=1)
    narrow = variance < spacing**2
    if narrow.any():
        atoms = mean[narrow, None] / spacing
        spread = variance[narrow, None] / spacing**2
        weights[narrow] = _on_lattice(atoms, np.ones_like(atoms), half, extra_variance=spread)
    return geometry.averaged(weights)


def _on_lattice(position: Array, mass: Array, half: int, extra_variance: Array | float = 0.0) -> Array:
    """Sum of atoms [P, A] (positions in cells) as lattice weights [P, 2·half+1] with the atoms' mean and variance.

    Each atom goes to its nearest point and the two beside it with the weights f(f∓1)/2, 1−f² of quadratic
    interpolation (f = offset in cells), which keep mass, mean and variance; extra_variance (cells²) is added.
    """
    position = np.clip(position, 1 - half, half - 1)
    nearest = np.rint(position)
    offset = np.subtract(position, nearest, out=position)
    nearest += np.arange(len(position))[:, None] * (2 * half + 1) + half
    index = nearest.astype(np.int64).ravel()
    lean = mass * offset
    square = np.multiply(lean, offset, out=offset)
    if np.any(extra_variance):
        square += mass * extra_variance
    shape = len(position), 2 * half + 1
    zeroth, first, second = (
        np.asarray(np.bincount(index, values.ravel(), shape[0] * shape[1]), dtype=np.float64).reshape(shape)
        for values in (mass, lean, square)
    )
    weights = zeroth - second
    weights[:, :-1] += (second[:, 1:] - first[:, 1:]) / 2
    weights[:, 1:] += (second[:, :-1] + first[:, :-1]) / 2
    return weights


def exact_kernel(geometry: StepGeometry, config: PhaseConfig, spacing: float, half: int) -> Array:
    """[X, 2·half + 1] lattice weights of the exact increments of one mini-batch.

    One group's increment is an atom for each (m, k, l): m ~ Bin(G, γ̄) rewarded samples, k ~ Bin(m, b⁺₁) of which chose
    outcome 1, l ~ Bin(G−m, b⁻₁) of the rest: about G³/6 atoms. Their lattice law is convolved N times by FFT.
    """
    size, groups = config.group_size, config.groups_per_minibatch
    affordable = f"at most {LARGEST_EXACT_GROUP} for the exact method, whose work grows as its cube"
    check(size <= LARGEST_EXACT_GROUP, "group_size", f"{affordable} (method gaussian takes any)", size)
    needed = f"at most {LARGEST_EXACT_GROUPS} for the exact method"
    normal = "so many add up to a normal step: use the gaussian one"
    check(groups <= LARGEST_EXACT_GROUPS, "groups_per_minibatch", f"{needed} ({normal})", groups)
    plus, minus = group_advantages(size, config.scale)
    m, k, rest, mass = group_patterns(size, geometry.reward)
    praised = plus[m] * np.stack([k, m - k])
    blamed = minus[m] * np.stack([rest, size - m - rest])
    rate = config.learning_rate / (groups * size * spacing)
    at_once = max(1, _ATOMS_AT_ONCE // len(mass))
    rows = []
    for first in range(0, len(geometry.cell), at_once):
        part = slice(first, first + at_once)
        d = rate * geometry.displacement[part]
        position = (d * geometry.above[part]) @ praised + (d * geometry.below[part]) @ blamed
        rows.append(_resized(_repeated(position, mass, groups, half), half))
    return geometry.averaged(np.concatenate(rows))


def _repeated(position: Array, mass: Array, times: int, half: int) -> Array:
    """The law [P, …] of the sum of `times` independent draws of atoms [P, A].

    Unclipped ratios of rare outcomes can be astronomical: what moves by more than 2·half leaves the lattice anyway.
    """
    reach = max(half // times, int(np.minimum(np.abs(position).max(), 2 * half)) + 2)
    one = _on_lattice(position, np.broadcast_to(mass, position.shape), reach)
    if times == 1:
        return one
    length = 2 * reach * times + 1
    padded = 1 << (length - 1).bit_length()
    if len(one) * padded > LONG_TRANSFORM:
        return _repeated_rarely(one, times, half, padded)
    return np.asarray(np.fft.irfft(np.fft.rfft(one, padded, axis=1) ** times, padded, axis=1)[:, :length])


def _repeated_rarely(one: Array, times: int, half: int, longest: int) -> Array:
    """The same where long jumps are so rare that hardly any of the lattice that `times` of them span is ever reached.

    one [P, 2·reach + 1]. The transform is as long as Bennett's inequality asks for, P(S − E S ≥ t) ≤
    exp(−(v/b²)·h(bt/v)) with h(u) = (1+u)·ln(1+u) − u, v the sum's variance and b the longest jump from its mean: what
    would come round its end is below 3e-20. Rows go through it few at a time.
    """
    reach = (one.shape[1] - 1) // 2
    cells = np.arange(-reach, reach + 1)
    mean = one @ cells
    variance = times * np.maximum(one @ cells**2 - mean**2, 1e-300)
    jump = reach + np.abs(mean)
    padded = 1 << (2 * max(half, reach)).bit_length()
    while padded < longest:
        u = jump * np.maximum(padded / 2 - 1 - times * np.abs(mean), 0.0) / variance
        if (variance / jump**2 * ((1 + u) * np.log1p(u) - u) > _NEVER).all():
            break
        padded *= 2
    window = (reach * times + np.arange(1 - padded // 2, padded // 2)) % padded
    at_once = max(1, LONG_TRANSFORM // 16 // padded)
    rows = []
    for first in range(0, len(one), at_once):
        transform = np.fft.rfft(one[first : first + at_once], padded, axis=1)
        rows.append(_resized(np.fft.irfft(_power(transform, times), padded, axis=1)[:, window], half))
    return np.concatenate(rows)


def _power(base: NDArray[np.complex128], times: int) -> NDArray[np.complex128]:
    """base^times by squaring, ten times faster than NumPy's for exponents above 100."""
    result = base if times & 1 else np.ones_like(base)
    while times := times >> 1:
        base = base * base
        if times & 1:
            result = result * base
    return result


def _resized(weights: Array, half: int) -> Array:
    """Cut or pad to ±half; what lies beyond goes to the ends."""
    reach = (weights.shape[1] - 1) // 2
    if reach <= half:
        return np.pad(weights, ((0, 0), (half - reach, half - reach)))
    kept = weights[:, reach - half : reach + half + 1].copy()
    kept[:, 0] += weights[:, : reach - half].sum(axis=1)
    kept[:, -1] += weights[:, reach + half + 1 :].sum(axis=1)
    return kept
