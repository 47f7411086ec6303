"""Scrambled Sobol sequences, many at a time: SciPy's numbers from the same generators.

A point is an XOR of a random shift and of the scrambled direction numbers S_j [d] at the bits of its index's Gray code,
so that 2^k points need k of the 30 numbers. With V_j the bits of a direction number, most significant first, and L a
random lower triangular matrix of 0 and 1 with a diagonal of 1, S_j = L·V_j mod 2 (Matoušek 1998).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array

_BITS = 30
_PLACES = 2 ** np.arange(_BITS, dtype=np.uint32)


def scrambled_points(dimensions: int, points: int, generators: Sequence[np.random.Generator]) -> Array:
    """`points` (a power of 2) of a sequence for each generator, in [0, 1); [generators, points, dimensions].

    Each is `scipy.stats.qmc.Sobol(dimensions, rng=generator).random(points)`, which spawns from its generator.
    """
    directions = _direction_bits(dimensions, points)
    found = []
    for rng in generators:
        (own,) = rng.spawn(1)
        shift = own.integers(2, size=(dimensions, _BITS), dtype=np.uint32) @ _PLACES
        matrix = np.tril(own.integers(2, size=(dimensions, _BITS, _BITS), dtype=np.uint32), -1).astype(np.float32)
        bits = (matrix @ directions + directions).astype(np.uint32) & 1  # sums below 31 are exact
        scrambled = np.tensordot(_PLACES[::-1], bits, (0, 1))
        table = shift[None, :]
        for number in scrambled.T:
            table = np.concatenate([table, table[::-1] ^ number])
        found.append(table)
    return np.asarray(np.stack(found) * (1.0 / 2**_BITS))


@lru_cache(maxsize=2)
def _direction_bits(dimensions: int, points: int) -> NDArray[np.float32]:
    """V_j for the first log₂ points j, [dimensions, 30, j], out of the plain sequence: point 2^(j+1) − 1 is V_j."""
    from scipy.stats import qmc  # a second to load, which laws of two outcomes need not wait for

    plain = qmc.Sobol(dimensions, scramble=False).random(points)
    numbers = (plain[2 ** np.arange(1, points.bit_length()) - 1] * 2**_BITS).astype(np.uint32)  # [j, dimensions]
    bits = (numbers.T[:, None, :] >> np.arange(_BITS, dtype=np.uint32)[::-1, None]) & 1
    return np.asarray(bits, dtype=np.float32)
