"""Monte Carlo of GRPO on a softmax over K outcomes: the compiled engine, its streams and its estimates.

What it leaves out, `autograd.engine` has: policies that share features between outcomes, and any torch optimizer.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check, check_whole
from clipbias.common.processes import cores
from clipbias.simulate.estimate import Histogram, mean_estimate, std_estimate
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.formulas.reward import check_rewards
from clipbias.theory.law import Law
from clipbias.theory.setup import MOST_PHASES, PROB_THRESHOLDS, PhaseConfig
from clipbias.theory.update_rule import PLAIN, UpdateRule

from .gate import gate_of
from .groups import groups_of
from .kernel import run_chunk
from .record import BINS, EDGE, Setup, Sums, entropy, own_log_odds
from .two_outcomes import covers, patterns_of, run_chunk_two
from .update import update_of

NAME = "monte-carlo"
CHUNK = 2048  # replicates; fixed, so that sums are added in one order whatever the number of threads
CHUNKS_PER_ROUND = 128
MOST_REPLICATES = 1_000_000_000
MOST_NUMBERS = 2**28  # of the paths that are kept, 2 GiB


def simulate(
    probs: ArrayLike,
    config: PhaseConfig,
    phases: int,
    replicates: int,
    seed: int,
    update: UpdateRule = PLAIN,
    *,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Law:
    """`replicates` independent policies, each trained for `phases` phases from probs [K].

    The result depends on the arguments but not on `threads` (all cores by default). Memory depends on neither phases
    nor replicates. progress is called with the number of replicates done. One step is the one in `theory.setup`, with
    the changes that `update` names.
    """
    return _simulate(probs, config, phases, replicates, seed, update, 0, threads, progress)[0]


def trajectories(
    probs: ArrayLike,
    config: PhaseConfig,
    phases: int,
    replicates: int,
    seed: int,
    update: UpdateRule = PLAIN,
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[Law, Array]:
    """What `simulate` gives, and its policies before, between and after the phases: [replicates, phases + 1, K]."""
    size = replicates * (phases + 1) * np.size(probs)
    if size > MOST_NUMBERS:
        raise InputError("trajectories", f"at most {MOST_NUMBERS} numbers", size, verb="have")
    return _simulate(probs, config, phases, replicates, seed, update, replicates, None, progress)


def check_run(start: Array, config: PhaseConfig, phases: int, replicates: int, seed: int) -> None:
    """Raise InputError naming what cannot be simulated from start [K]."""
    for name, value, least, most in (
        ("phases", phases, 1, MOST_PHASES),
        ("replicates", replicates, 2, MOST_REPLICATES),
    ):
        check_whole(value, name)
        check(least <= value <= most, name, f"in [{least}, {most}]", value)
    check(0 <= seed < 2**63, "seed", f"in [0, {2**63 - 1}]", seed)
    check_rewards(config.success_prob, len(start))


def _simulate(
    probs: ArrayLike,
    config: PhaseConfig,
    phases: int,
    replicates: int,
    seed: int,
    update: UpdateRule,
    kept: int,
    threads: int | None,
    progress: Callable[[int], None] | None,
) -> tuple[Law, Array]:
    """The result, and the paths of the first `kept` replicates."""
    start = check_probs("probs", probs)
    check_run(start, config, phases, replicates, seed)
    check(threads is None or threads >= 1, "threads", "at least 1", threads)
    workers = threads or cores()
    outcomes, steps = len(start), update.epochs * config.minibatches
    run = Setup(
        key=np.random.SeedSequence(seed).generate_state(1, np.uint64)[0],
        logits=np.log(start),
        gate=gate_of(config.surrogate),
        update=update_of(config.learning_rate, update),
        kl_coefficient=update.kl_coefficient,
        inverse_samples=1.0 / (config.group_size * config.groups_per_minibatch),
        epochs=update.epochs,
        phases=phases,
        thresholds=np.array(PROB_THRESHOLDS),
    )
    groups = groups_of(config, start, update)
    patterns = patterns_of(groups, start) if covers(config, groups, update) else None
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
        allowed = "logits finite, with all other settings"
        raise InputError("learning_rate", allowed, config.learning_rate, verb="keep")
    result = _law(start, phases, replicates, total_powers, total_clipped, above.sum(axis=0), histogram.sum(axis=0))
    return result, paths


def _law(
    start: Array,
    phases: int,
    replicates: int,
    powers: Array,
    clipped: Array,
    above: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> Law:
    outcomes = len(start)
    means, spreads = mean_estimate(powers, replicates), std_estimate(powers, replicates)
    logits, probs, entropy_at, log_odds = slice(0, outcomes), slice(outcomes, 2 * outcomes), 2 * outcomes, -1
    low, high = (mean_estimate(clipped[side], replicates) for side in range(2))
    edges = np.linspace(-EDGE, EDGE, BINS + 1)
    return Law(
        method=NAME,
        phases=phases,
        logit_shift=means[logits],
        logit_std=spreads[logits],
        prob_shift=means[probs],
        prob_mean=means[probs].shifted(start),
        prob_std=spreads[probs],
        log_odds_shift=means[log_odds],
        log_odds_mean=means[log_odds].shifted(own_log_odds(np.log(start), 0)),
        log_odds_std=spreads[log_odds],
        entropy_shift=means[entropy_at],
        entropy_mean=means[entropy_at].shifted(entropy(start)),
        clip_low_fraction=low,
        clip_high_fraction=high,
        marginals=Histogram(counts, 1.0 / (1.0 + np.exp(-edges)), dict(zip(PROB_THRESHOLDS, above, strict=True))),
    )
