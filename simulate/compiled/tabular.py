"""Monte Carlo of GRPO on a softmax over K outcomes: the compiled engine, its streams and its estimates.

What it leaves out, `torch_engine` has: policies that share features between outcomes, and any torch optimizer.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbias.simulate.estimate import Array, Estimate, mean_estimate, quantile_estimate, share_estimate, std_estimate
from clipbias.simulate.update_rule import Training
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.setup import PROB_THRESHOLDS, QUANTILE_LEVELS, PhaseConfig

from .gate import gate_of
from .groups import groups_of
from .kernel import run_chunk
from .record import BINS, EDGE, Setup, Sums, entropy, own_log_odds
from .two_outcomes import covers, patterns_of, run_chunk_two
from .update import update_of

CHUNK = 2048  # replicates; fixed, so that sums are added in one order whatever the number of threads
CHUNKS_PER_ROUND = 128
MOST_PHASES, MOST_REPLICATES = 1_000_000, 1_000_000_000
MOST_NUMBERS = 2**28  # of the paths that are kept, 2 GiB

PLAIN = Training()


@dataclass(frozen=True, slots=True)
class SimulationResult:
    """The policy after the last phase, and its change since the start of the first; every entry an Estimate.

    logit_shift, prob_shift, prob_mean, prob_std: [K]. entropy_shift, entropy_mean: nats. log_odds_shift, log_odds_mean,
    log_odds_std: of the first outcome, log(p/(1 − p)). clip_low_fraction, clip_high_fraction [E·M]: share of the
    samples of an optimizer step whose gradient the surrogate removes, by the sign of their advantage (for PPO's clip
    Â < 0 and R < 1−ε_l; Â > 0 and R > 1+ε_h), averaged over phases.
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
    training: Training = PLAIN,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> SimulationResult:
    """`replicates` independent policies, each trained for `phases` phases from probs [K].

    The result depends on the arguments but not on `threads` (all cores by default). Memory depends on neither phases
    nor replicates. progress is called with the number of replicates done. One step is the one in `theory.config`, with
    the changes that `training` names.
    """
    return _simulate(config, probs, phases, replicates, seed, training, 0, threads, progress)[0]


def trajectories(
    config: PhaseConfig,
    probs: ArrayLike,
    phases: int,
    replicates: int,
    seed: int,
    training: Training = PLAIN,
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[SimulationResult, Array]:
    """What `simulate` gives, and its policies before, between and after the phases: [replicates, phases + 1, K]."""
    size = replicates * (phases + 1) * np.size(probs)
    if size > MOST_NUMBERS:
        raise ValueError(f"trajectories must have at most {MOST_NUMBERS} numbers, got {size}")
    return _simulate(config, probs, phases, replicates, seed, training, replicates, None, progress)


def check_run(config: PhaseConfig, start: Array, phases: int, replicates: int, seed: int) -> None:
    """Raise ValueError naming what cannot be simulated from start [K]."""
    for name, value, least, most in (
        ("phases", phases, 1, MOST_PHASES),
        ("replicates", replicates, 2, MOST_REPLICATES),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name} must be in [{least}, {most}], got {value}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be in [0, {2**63 - 1}], got {seed}")
    if np.size(config.success_prob) not in (1, len(start)):
        raise ValueError(f"success_prob must be one number or {len(start)}, got {config.success_prob}")


def _simulate(
    config: PhaseConfig,
    probs: ArrayLike,
    phases: int,
    replicates: int,
    seed: int,
    training: Training,
    kept: int,
    threads: int | None,
    progress: Callable[[int], None] | None,
) -> tuple[SimulationResult, Array]:
    """The result, and the paths of the first `kept` replicates."""
    start = check_probs("probs", probs)
    check_run(config, start, phases, replicates, seed)
    if threads is not None and threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    workers = threads or os.cpu_count() or 1
    outcomes, steps = len(start), training.epochs * config.minibatches
    run = Setup(
        key=np.random.SeedSequence(seed).generate_state(1, np.uint64)[0],
        logits=np.log(start),
        gate=gate_of(config.surrogate),
        update=update_of(config.learning_rate, training),
        kl_coefficient=training.kl_coefficient,
        inverse_samples=1.0 / (config.group_size * config.groups_per_minibatch),
        epochs=training.epochs,
        phases=phases,
        thresholds=np.array(PROB_THRESHOLDS),
    )
    groups = groups_of(config, start, training)
    patterns = patterns_of(groups, start) if covers(config, groups, training) else None
    chunks = -(-replicates // CHUNK)
    slots = min(CHUNKS_PER_ROUND, chunks)
    total_powers, powers = np.zeros((2 * outcomes + 2, 4)), np.zeros((slots, 2 * outcomes + 2, 4))
    total_clipped, clipped = np.zeros((2, steps, 2)), np.zeros((slots, 2, steps, 2))
    above = np.zeros((workers, len(PROB_THRESHOLDS), outcomes), np.int64)
    histogram = np.zeros((workers, outcomes, BINS), np.int64)
    paths = np.empty((kept, phases + 1, outcomes))

    def work(worker: int, first_chunk: int) -> None:
        for chunk in range(first_chunk + worker, min(first_chunk + slots, chunks), workers):
            slot, first = chunk - first_chunk, chunk * CHUNK
            sums = Sums(powers[slot], clipped[slot], above[worker], histogram[worker], paths)
            if patterns is not None:
                run_chunk_two(run, groups, patterns, first, min(CHUNK, replicates - first), sums)
            else:
                run_chunk(run, groups, first, min(CHUNK, replicates - first), sums)

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
        raise ValueError(f"learning_rate must, with all other settings, keep logits finite, got {config.learning_rate}")
    result = _result(start, replicates, total_powers, total_clipped, above.sum(axis=0), histogram.sum(axis=0))
    return result, paths


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
