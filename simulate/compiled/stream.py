"""Random streams and exact draws for the compiled engine.

Every replicate owns a SplitMix64 stream (Steele, Lea & Flood, OOPSLA 2014): a 64-bit position that advances by the
stream's own odd increment, hashed into a word. Position and increment come from (key, replicate) alone, so results
do not depend on threads or chunks. Draws are exact up to the 2⁻⁵³ resolution of a double.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from clipbias.common.arrays import Array

P = ParamSpec("P")
R = TypeVar("R")
Words = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
NOTHING = np.uint64(0)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
ONE = np.uint64(1)
TOP = np.uint64(63)
LOW_BITS = np.uint64(11)
LOW_MASK = np.uint64(2047)
SIXTEEN = np.uint64((1 << 16) - 1)
LOG_FACTORIALS = gammaln(np.arange(1.0, 2049.0))
MAX_TABLE = 1024  # rows of an alias table hold their index in 11 bits


class Hat(NamedTuple):
    """What Hörmann's BTRS needs to know of a binomial law, his letters a and b; see `binomial`."""

    trials: float
    a: float
    b: float
    centre: float
    accept: float
    scale: float
    log_odds: float
    peak: float


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """numba's njit, releasing the GIL, cached on disk, with the types of `function` kept; x/0 is as in NumPy."""
    return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, error_model="numpy")(function))


@compiled
def mix(position: np.uint64) -> np.uint64:
    """The word at a stream position (variant 13 of Stafford's mixers)."""
    z = (position ^ (position >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def popcount(word: np.uint64) -> int:
    """Number of ones; LLVM turns this into the machine's instruction."""
    w = word - ((word >> ONE) & np.uint64(0x5555555555555555))
    w = (w & np.uint64(0x3333333333333333)) + ((w >> np.uint64(2)) & np.uint64(0x3333333333333333))
    w = (w + (w >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int(np.int64((w * np.uint64(0x0101010101010101)) >> np.uint64(56)))


@compiled
def open_stream(key: np.uint64, replicate: int) -> tuple[np.uint64, np.uint64]:
    """(position, increment) of a replicate's stream; the increment is odd and has no long runs of equal bits."""
    base = key + np.uint64(2) * np.uint64(replicate) * GOLDEN
    increment = mix(mix(base + GOLDEN) ^ GOLDEN) | ONE
    if popcount(increment ^ (increment >> ONE)) < 24:
        increment ^= np.uint64(0xAAAAAAAAAAAAAAAA)
    return mix(base), increment


@compiled
def uniform(position: np.uint64) -> float:
    """A double in (0, 1) from the word at `position`."""
    return (np.float64(mix(position) >> np.uint64(12)) + 0.5) * 2.0**-52


@compiled
def binomial(trials: int, prob: float, position: np.uint64, increment: np.uint64) -> tuple[int, np.uint64]:
    """(one draw from Bin(trials, prob), the new stream position).

    Up to 64 trials: 64 coins in the lanes of a word, each lane comparing a uniform number with `prob` bit by bit until
    all are decided (about 1 + log2(trials) words). More: Hörmann's BTRS rejection (J. Stat. Comput. Simul. 46, 1993)
    where trials·min(p, 1−p) ≥ 10, else inversion by the gaps between successes (Devroye 1986, X.4).
    """
    if trials == 0 or prob <= 0.0:
        return 0, position
    if prob >= 1.0:
        return trials, position
    if trials <= 64:
        word, position = coins(trials, prob, position, increment)
        return popcount(word), position
    p = min(prob, 1.0 - prob)
    if trials * p < 10.0:
        count, position = _gaps(trials, p, position, increment)
    else:
        count, position = from_hat(hat_of(trials, p), position, increment)
    return (count if prob <= 0.5 else trials - count), position


@compiled
def coins(lanes: int, prob: float, position: np.uint64, increment: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(a word whose lowest 1 ≤ `lanes` ≤ 64 bits are 1 with probability `prob` < 1 each, the new stream position)."""
    undecided = ALL >> np.uint64(64 - lanes)
    threshold = (np.uint64(prob * 2.0**53)) << LOW_BITS
    below = np.uint64(0)
    while undecided != np.uint64(0) and threshold != np.uint64(0):
        position += increment
        word = mix(position)
        if threshold >> TOP == ONE:
            below |= undecided & ~word
            undecided &= word
        else:
            undecided &= ~word
        threshold <<= ONE
    return below, position


@compiled
def _gaps(trials: int, prob: float, position: np.uint64, increment: np.uint64) -> tuple[int, np.uint64]:
    scale = 1.0 / math.log1p(-prob)
    used, count = 0.0, -1
    while used <= trials:
        position += increment
        used += math.floor(math.log(uniform(position)) * scale) + 1.0
        count += 1
    return count, position


@compiled
def hat_of(trials: int, prob: float) -> Hat:
    """For trials·prob ≥ 10 and prob ≤ ½."""
    spread = math.sqrt(trials * prob * (1.0 - prob))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * prob
    mode = math.floor((trials + 1) * prob)
    peak = log_factorial(mode) + log_factorial(trials - mode) - mode * math.log(prob / (1.0 - prob))
    centre, scale = trials * prob + 0.5, (2.83 + 5.1 / b) * spread
    return Hat(float(trials), a, b, centre, 0.92 - 4.2 / b, scale, math.log(prob / (1.0 - prob)), peak)


@compiled
def from_hat(hat: Hat, position: np.uint64, increment: np.uint64) -> tuple[int, np.uint64]:
    while True:
        position += increment
        u = uniform(position) - 0.5
        position += increment
        v = uniform(position)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * hat.a / us + hat.b) * u + hat.centre)
        if us >= 0.07 and v <= hat.accept:
            return int(k), position
        if k < 0.0 or k > hat.trials:
            continue
        bound = hat.peak + k * hat.log_odds - log_factorial(k) - log_factorial(hat.trials - k)
        if math.log(v * hat.scale / (hat.a / (us * us) + hat.b)) <= bound:
            return int(k), position


@compiled
def log_factorial(n: float) -> float:
    """log n! for a whole number n ≥ 0."""
    return float(LOG_FACTORIALS[int(n)] if n < len(LOG_FACTORIALS) else math.lgamma(n + 1.0))


@compiled
def alias_row(law: Array, row: Words) -> None:
    """Walker's alias table (Vose 1991) of law [L] into row [power of two ≥ L].

    An entry holds the threshold (upper 53 bits) and the alias (lower 11).
    """
    size = len(row)
    share = np.zeros(size)
    share[: len(law)] = law * (size / law.sum())
    small, large = np.empty(size, np.int64), np.empty(size, np.int64)
    smalls, larges = 0, 0
    for i in range(size):
        row[i] = (ALL >> LOW_BITS << LOW_BITS) | np.uint64(i)
        if share[i] < 1.0:
            small[smalls] = i
            smalls += 1
        else:
            large[larges] = i
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        s, g = small[smalls], large[larges - 1]
        row[s] = (np.uint64(share[s] * 2.0**53) << LOW_BITS) | np.uint64(g)
        share[g] -= 1.0 - share[s]
        if share[g] < 1.0:
            larges -= 1
            small[smalls] = g
            smalls += 1


@compiled
def draw(table: Words, offset: np.uint64, mask: np.uint64, position: np.uint64) -> int:
    """An index from the alias row at `offset` of length mask + 1, by the word at `position`."""
    return picked(table, offset, mask, mix(position))


@compiled
def picked(table: Words, offset: np.uint64, mask: np.uint64, word: np.uint64) -> int:
    """`draw` by this word."""
    index = word & mask
    entry = table[offset + index]
    own = NOTHING - np.uint64(word >> LOW_BITS < entry >> LOW_BITS)  # all ones or none: a branch would be mispredicted
    return int(np.int64((index & own) | (entry & LOW_MASK & ~own)))
