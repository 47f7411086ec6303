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
from ..theory.config import PROB_THRESHOLDS, QUANTILE_LEVELS, PhaseConfig
from ..theory.drift import check_probs
from ..theory.surrogate import PpoClip
from .estimate import Array, Estimate, mean_estimate, quantile_estimate, share_estimate, std_estimate
from .kernel import run_chunk
from .record import BINS, EDGE, Setup, Sums, entropy, own_log_odds
from .stream import MAX_TABLE, Words, alias_row
from .tables import conditional_rows, pattern_rows
from .two_outcomes import run_chunk_two

CHUNK = 2048  # replicates; fixed, so that sums are added in one order whatever the number of threads
CHUNKS_PER_ROUND = 128


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
    run = _setup(config, start, phases, seed)
    run_some = run_chunk_two if outcomes == 2 else run_chunk
    chunks = -(-replicates // CHUNK)
    slots = min(CHUNKS_PER_ROUND, chunks)
    total_powers, powers = np.zeros((2 * outcomes + 2, 4)), np.zeros((slots, 2 * outcomes + 2, 4))
    total_clipped, clipped = np.zeros((2, config.minibatches, 2)), np.zeros((slots, 2, config.minibatches, 2))
    above = np.zeros((workers, len(PROB_THRESHOLDS), outcomes), np.int64)
    histogram = np.zeros((workers, outcomes, BINS), np.int64)

    def work(worker: int, first_chunk: int) -> None:
        for chunk in range(first_chunk + worker, min(first_chunk + slots, chunks), workers):
            slot, first = chunk - first_chunk, chunk * CHUNK
            sums = Sums(powers[slot], clipped[slot], above[worker], histogram[worker])
            run_some(run, first, min(CHUNK, replicates - first), sums)

    with ThreadPoolExecutor(workers) as pool:
        for first_chunk in range(0, chunks, slots):
            powers[:] = 0.0
            clipped[:] = 0.0
            list(pool.map(work, range(workers), [first_chunk] * workers))
            total_powers += powers.sum(axis=0)
            total_clipped += clipped.sum(axis=0)
            if progress is not None:
                progress(min((first_chunk + slots) * CHUNK, replicates))
    if not np.isfinite(total_powers).all():
        raise ValueError(f"learning_rate must keep the logits finite, got {config.learning_rate}")
    return _result(start, replicates, total_powers, total_clipped, above.sum(axis=0), histogram.sum(axis=0))


def _setup(config: PhaseConfig, start: Array, phases: int, seed: int) -> Setup:
    size, clip, success_prob = config.group_size, config.surrogate, config.success_prob
    if not isinstance(clip, PpoClip) or clip.dual is not None:
        raise ValueError(f"surrogate must be a PpoClip without dual here (enumeration takes any), got {clip}")
    if isinstance(success_prob, tuple):
        raise ValueError(f"success_prob must be one number here (enumeration takes one an outcome), got {success_prob}")
    plus, minus = group_advantages(size, config.scale)
    tabled = size <= MAX_TABLE
    reward_row: Words = np.zeros(1 << size.bit_length() if tabled else 1, np.uint64)
    pattern_row, patterns = np.empty(0, np.uint64), np.empty((0, 8))
    if tabled:
        reward_law = rewarded_law(size, success_prob)
        alias_row(reward_law, reward_row)
        if len(start) == 2:
            pattern_row, patterns = pattern_rows(reward_law, plus, minus, float(start[0]))
    table, offsets, masks, starts = conditional_rows(size if tabled else 0, start)
    return Setup(
        key=np.random.SeedSequence(seed).generate_state(1, np.uint64)[0],
        logits=np.log(start),
        rate=config.learning_rate / (size * config.groups_per_minibatch),
        group_size=size,
        groups=config.groups_per_minibatch,
        minibatches=config.minibatches,
        phases=phases,
        success_prob=float(success_prob),
        lower=clip.lower_bound,
        upper=clip.upper_bound,
        plus=plus,
        minus=minus,
        tabled=tabled,
        reward_row=reward_row,
        table=table,
        offsets=offsets,
        masks=masks,
        starts=starts,
        pattern_row=pattern_row,
        patterns=patterns,
        thresholds=np.array(PROB_THRESHOLDS),
    )


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
