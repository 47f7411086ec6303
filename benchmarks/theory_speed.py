"""Seconds for T4, T5 and T10 after start-up, and what the same accuracy costs by Monte Carlo in the same process."""

import time
from collections.abc import Callable

import numpy as np

from clipbias.simulate.compiled.tabular import simulate
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.paths import paths
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

CONFIG = PhaseConfig(
    learning_rate=1.0,
    group_size=16,
    groups_per_minibatch=4,
    minibatches=8,
    success_prob=0.5,
    surrogate=PpoClip(0.2, 0.2),
)


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of several calls after one that warms up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def main() -> None:
    few = PhaseConfig(
        learning_rate=1.0,
        group_size=8,
        groups_per_minibatch=2,
        minibatches=8,
        success_prob=0.5,
        surrogate=PpoClip(0.2, 0.2),
    )
    print(f"T4, one phase, exact, two groups of 8 (atoms): {1e3 * best(lambda: phase(0.65, few)):.0f} ms")
    for method in ("exact", "gaussian"):
        print(f"T4, one phase, {method}: {1e3 * best(lambda m=method: phase(0.65, CONFIG, m)):.1f} ms")
        print(f"T10, 100 phases, {method}: {best(lambda m=method: evolve(0.65, CONFIG, 100, m), 2):.2f} s")
    zipf = 1 / np.arange(1, 11)
    zipf /= zipf.sum()
    found, sampled = paths(zipf, CONFIG), simulate(zipf, CONFIG, 1, 40_000, 0)
    quasi = best(lambda: paths(zipf, CONFIG), 3)
    random = best(lambda: simulate(zipf, CONFIG, 1, 40_000, 0), 3)
    ratio = float((sampled.entropy_shift.stderr / found.entropy_shift.stderr) ** 2)
    print(f"T5, one phase, 10 outcomes: {quasi:.2f} s; compiled Monte Carlo, same error: {random * ratio:.2f} s")


if __name__ == "__main__":
    main()
