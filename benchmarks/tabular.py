"""Speed of the tabular Monte Carlo, in million groups per second, beside NumPy and the random numbers alone.

Every contender does the whole of one phase (K = 2, N = 4, M = 8, γ = ½, clip 0.2/0.2); ratios are within one run.

    python benchmarks/tabular.py [--json] [--threads N]
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from clipbias.simulate.stream import compiled, mix, open_stream
from clipbias.simulate.tabular import simulate
from clipbias.theory.advantage import group_advantages
from clipbias.theory.config import PhaseConfig
from clipbias.theory.surrogate import PpoClip

GROUPS, MINIBATCHES, PROB, CLIP = 4, 8, 0.65, 0.2


def config(group_size: int) -> PhaseConfig:
    return PhaseConfig(0.5 * (group_size / 16) ** 0.5, group_size, GROUPS, MINIBATCHES, 0.5, PpoClip(CLIP, CLIP))


def numpy_phase(group_size: int, replicates: int, rng: np.random.Generator) -> float:
    """Vectorised over replicates; mean change of the log-odds."""
    setting = config(group_size)
    plus, minus = group_advantages(group_size, "std")
    rate = setting.learning_rate / (GROUPS * group_size)
    x = start = np.full(replicates, np.log(PROB / (1 - PROB)))
    for _ in range(MINIBATCHES):
        p = 1 / (1 + np.exp(-x))
        first, second = p / PROB, (1 - p) / (1 - PROB)
        m = rng.binomial(group_size, 0.5, (GROUPS, replicates))
        k, n = rng.binomial(m, PROB), rng.binomial(group_size - m, PROB)
        praise, blame = plus[m], minus[m]
        up = (praise * k).sum(0) * (first <= 1 + CLIP) + (blame * n).sum(0) * (first >= 1 - CLIP)
        down = (praise * (m - k)).sum(0) * (second <= 1 + CLIP)
        down += (blame * (group_size - m - n)).sum(0) * (second >= 1 - CLIP)
        x = x + 2 * rate * ((1 - p) * first * up - p * second * down)
    return float((x - start).mean())


@compiled
def words_alone(first: int, replicates: int, words: int) -> np.uint64:
    """The engine's streams, `words` a replicate, and nothing else."""
    total = np.uint64(0)
    for replicate in range(first, first + replicates):
        position, increment = open_stream(np.uint64(1), replicate)
        for _ in range(words):
            position += increment
            total ^= mix(position)
    return total


def rate(work: Callable[[], object], groups: int, repeats: int = 5) -> float:
    """Best of `repeats`, million groups per second, after a warm-up."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return groups / min(seconds) / 1e6


def random_words(replicates: int, threads: int) -> None:
    share = replicates // threads
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda i: words_alone(i * share, share, 3 * GROUPS * MINIBATCHES), range(threads)))


def measure(threads: int) -> dict[str, float]:
    per_replicate = GROUPS * MINIBATCHES
    result = {}
    for size in (16, 64, 256, 1024):
        result[f"engine, G = {size}"] = rate(
            lambda size=size: simulate(config(size), (PROB, 1 - PROB), 1, 400_000, 0, threads=threads),
            400_000 * per_replicate,
        )
    for size in (16, 1024):
        result[f"engine, 20 phases, G = {size}"] = rate(
            lambda size=size: simulate(config(size), (PROB, 1 - PROB), 20, 10_000, 0, threads=threads),
            200_000 * per_replicate,
        )
    result["three random words a group"] = rate(lambda: random_words(400_000, threads), 400_000 * per_replicate)
    rng = np.random.default_rng(0)
    result["NumPy, G = 16 (one thread)"] = rate(lambda: numpy_phase(16, 20_000, rng), 20_000 * per_replicate, 3)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    measured = measure(arguments.threads)
    engine = measured["engine, G = 16"]
    ratios = {
        "engine / NumPy": engine / measured["NumPy, G = 16 (one thread)"],
        "random words alone / engine": measured["three random words a group"] / engine,
        "G = 16 / G = 1024": engine / measured["engine, G = 1024"],
        "20 phases, G = 16 / G = 1024": measured["engine, 20 phases, G = 16"] / measured["engine, 20 phases, G = 1024"],
    }
    if arguments.json:
        print(json.dumps({"threads": arguments.threads, "million_groups_per_second": measured, "ratios": ratios}))
        return
    for title, rows in (
        (f"million groups per second, {arguments.threads} threads", measured),
        ("ratios", ratios),
    ):
        print(title)
        for name, value in rows.items():
            print(f"  {name:32s}{value:10.2f}")


if __name__ == "__main__":
    main()
