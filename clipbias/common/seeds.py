"""Seeds that follow from a few whole numbers, and from nothing else."""

import numpy as np

SHA256_SEEDS_FROM = 2**30


def seed_of(*key: int) -> int:
    """One seed in [0, 2⁶³) for a generator of torch: the first word of NumPy's seed sequence of `key`, halved.

    Other keys have unrelated seeds, as (seed, phase) and (seed, phase + 1) must.
    """
    return int(np.random.SeedSequence(list(key)).generate_state(1, np.uint64)[0] >> 1)


def seeds_of_hash(digest: str, count: int) -> list[int]:
    """`count` distinct seeds in [2³⁰, 2³¹) that the hexadecimal SHA-256 decides."""
    words = np.random.SeedSequence(int(digest, 16)).generate_state(2 * count)
    return list(dict.fromkeys(int(word) % SHA256_SEEDS_FROM + SHA256_SEEDS_FROM for word in words))[:count]
