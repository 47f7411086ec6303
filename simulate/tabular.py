"""Monte Carlo of GRPO on a softmax over K outcomes: the compiled engine, its streams and its estimates.

What it leaves out: optimizers other than vanilla gradient ascent, several epochs on the same samples, surrogates other
than the PPO clip, policies that share features between outcomes. Rewards ignore the outcome.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..theory.advantage import group_advantages, rewarded_law
from ..theory.config import PhaseConfig
from ..theory.drift import check_probs
from .estimate import Array, Estimate, mean_estimate, quantile_estimate, share_estimate, std_estimate
from .kernel import BINS, EDGE, conditional_rows, entropy, own_log_odds, run_chunk
from .stream import MAX_TABLE, alias_row

CHUNK = 2048  # replicates; fixed, so that sums are added in one order whatever the number of threads
CHUNKS_PER_ROUND = 128
QUANTILE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
PROB_THRESHOLDS = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The policy after the last phase, and its change since the start of the first; every entry an Estimate.

    logit_shift, prob_shift, prob_mean, prob_std: [K]. entropy_shift, entropy_mean: nats. log_odds_shift, log_odds_mean,
    log_odds_std: of the first outcome, log(p/(1 − p)). clip_low_fraction, clip_high_fraction [M]: share of the samples
    of mini-batch m whose gradient the bound removes (Â < 0 and R < 1−ε_l; Â > 0 and R > 1+ε_h), averaged over phases.
    prob_quantiles: by level, [K]; prob_above: P(p > threshold) by threshold, [K].
    """

    logit_shift: Estimate
    prob_shift: Estimate
    prob_mean: Estimate
    prob_std: Estimate
    entropy_shift: Estimate
    entropy_mean: Estimate
    log_odds_shift: Estimate
    log_odds_mean: Estimate
    log_odds_std: Estimate
    clip_low_fraction: Estimate
    clip_high_fraction: Estimate
    prob_quantiles: dict[float, Estimate]
    prob_above: dict[float, Estimate]


def simulate(
    config: PhaseConfig,
    probs: ArrayLike,
    phases: int,
    replicates: int,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> SimulationResult:
    """`replicates` independent policies, each trained for `phases` phases from probs [K].

    The result depends on the arguments but not on `threads` (all cores by default). Memory depends on neither phases
    nor replicates. progress is called with the number of replicates done. One step is the one in `theory.config`.
    """
    start = check_probs("probs", probs)
    for name, value, least in (("phases", phases, 1), ("replicates", replicates, 2), ("seed", seed, 0)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    workers = threads or os.cpu_count() or 1
    outcomes = len(start)
    run = _chunk_runner(config, start, phases, replicates, seed)
    chunks = -(-replicates // CHUNK)
    slots = min(CHUNKS_PER_ROUND, chunks)
    total_powers, powers = np.zeros((2 * outcomes + 2, 4)), np.zeros((slots, 2 * outcomes + 2, 4))
    total_clipped, clipped = np.zeros((2, config.minibatches, 2)), np.zeros((slots, 2, config.minibatches, 2))
    above = np.zeros((workers, len(PROB_THRESHOLDS), outcomes), np.int64)
    histogram = np.zeros((workers, outcomes, BINS), np.int64)

    def work(worker: int, first: int) -> None:
        for chunk in range(first + worker, min(first + slots, chunks), workers):
            run(chunk, powers[chunk - first], clipped[chunk - first], above[worker], histogram[worker])

    with ThreadPoolExecutor(workers) as pool:
        for first in range(0, chunks, slots):
            powers[:] = 0.0
            clipped[:] = 0.0
            list(pool.map(work, range(workers), [first] * workers))
            total_powers += powers.sum(axis=0)
            total_clipped += clipped.sum(axis=0)
            if progress is not None:
                progress(min((first + slots) * CHUNK, replicates))
    return _result(start, replicates, total_powers, total_clipped, above.sum(axis=0), histogram.sum(axis=0))


def _chunk_runner(
    config: PhaseConfig, start: Array, phases: int, replicates: int, seed: int
) -> Callable[[int, Array, Array, NDArray[np.int64], NDArray[np.int64]], None]:
    """A function of (chunk, accumulators…) with the tables built once."""
    size = config.group_size
    key = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    plus, minus = group_advantages(size, config.scale)
    rate = config.learning_rate / (size * config.groups_per_minibatch)
    bounds = np.array([config.clip.lower_bound, config.clip.upper_bound])
    tabled = size <= MAX_TABLE
    reward_row = np.empty(1 << (size.bit_length() if tabled else 0), np.uint64)
    if tabled:
        alias_row(rewarded_law(size, config.success_prob), reward_row)
        table, offsets, masks, starts = conditional_rows(size, start)
    else:
        table, offsets, masks, starts = conditional_rows(0, start)
    logits, thresholds = np.log(start), np.array(PROB_THRESHOLDS)

    def run(chunk: int, powers: Array, clipped: Array, above: NDArray[np.int64], histogram: NDArray[np.int64]) -> None:
        first = chunk * CHUNK
        run_chunk(
            key,
            first,
            min(CHUNK, replicates - first),
            logits,
            rate,
            size,
            config.groups_per_minibatch,
            config.minibatches,
            phases,
            config.success_prob,
            bounds,
            plus,
            minus,
            tabled,
            reward_row,
            table,
            offsets,
            masks,
            starts,
            thresholds,
            powers,
            clipped,
            above,
            histogram,
        )

    return run


def _result(
    start: Array,
    replicates: int,
    powers: Array,
    clipped: Array,
    above: NDArray[np.int64],
    histogram: NDArray[np.int64],
) -> SimulationResult:
    outcomes = len(start)
    means = mean_estimate(powers, replicates)

    def part(at: slice | int, base: Array | float = 0.0) -> Estimate:
        return Estimate(means.mean[at] + base, means.stderr[at])

    probs = slice(outcomes, 2 * outcomes)
    low, high = (mean_estimate(clipped[side], replicates) for side in range(2))
    edges = np.linspace(-EDGE, EDGE, BINS + 1)
    edge_probs = 1.0 / (1.0 + np.exp(-edges))
    return SimulationResult(
        logit_shift=part(slice(0, outcomes)),
        prob_shift=part(probs),
        prob_mean=part(probs, start),
        prob_std=std_estimate(powers[probs], replicates),
        entropy_shift=part(2 * outcomes),
        entropy_mean=part(2 * outcomes, entropy(start)),
        log_odds_shift=part(2 * outcomes + 1),
        log_odds_mean=part(2 * outcomes + 1, own_log_odds(np.log(start), 0)),
        log_odds_std=std_estimate(powers[2 * outcomes + 1], replicates),
        clip_low_fraction=low,
        clip_high_fraction=high,
        prob_quantiles={level: quantile_estimate(histogram, edge_probs, level) for level in QUANTILE_LEVELS},
        prob_above={t: share_estimate(above[j], replicates) for j, t in enumerate(PROB_THRESHOLDS)},
    )
