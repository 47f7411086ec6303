"""Seeds that follow from a few whole numbers, and from nothing else."""

import numpy as np


def seed_of(*key: int) -> int:
    """One seed in [0, 2⁶³) for a generator of torch: the first word of NumPy's seed sequence of `key`, halved.

    Other keys have unrelated seeds, as (seed, phase) and (seed, phase + 1) must.
    """
    return int(np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0] >> 1)


def seeds_of_hash(digest: str, count: int, start: int) -> list[int]:
    """`count` distinct seeds in [start, 2·start) that a hexadecimal hash decides."""
    words = np.random.SeedSequence(int(digest, 16)).generate_state(2 * count)
    return list(dict.fromkeys(int(word) % start + start for word in words))[:count]
