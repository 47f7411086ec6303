"""T5 and T10 for K outcomes: the logits followed along quasi-random paths of mini-batches.

A mini-batch enters through V₊, V₋ [K], the sums over its samples of the positive and of the negative advantages by
outcome (`minibatch`). Given the behaviour policy they do not depend on the logits, and
    z ← z + (η/n)·(W − π·ΣW),  W_a = R_a·(f₊′(R_a)·V₊_a + f₋′(R_a)·V₋_a):
gates, softmax, new behaviour policies are as they are. The 2K + 1 numbers behind the V of a step are a scrambled Sobol
sequence in random order (Latin supercube sampling, Owen 1998), which needs several times fewer points than random
ones; independent scramblings give the error.

Moment closure (a normal law of the logits) is not used: what piles up at a clip bound is not normal, and
mean shifts came out 8 to 70 % wrong (ε_l = 0.2 alone at η = 0.5: −0.0037 for −0.0021).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, log_softmax, softmax

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check, check_whole
from clipbias.theory.estimate import Estimate, share_estimate
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.setup import PhaseConfig

from .minibatch import Advantages, rewarded_laws
from .sobol import scrambled_points

SCRAMBLINGS = 16
LARGEST_OUTCOMES = 10_600  # 2K + 1 of the 21,201 dimensions of SciPy's Sobol sequence
_LEAST = 2.0**-54  # a point of the sequence may be 0
_FEWEST_SAMPLES = 5.0
_SHORT_JUMP = 0.5  # of the way to a bound
_LONG_JUMP = 0.5  # log-odds, whatever the bounds
_AT_ONCE = 2**16  # logits followed together: what fits into a core's cache, and many enough that calls cost little
_MOMENTS = (
    *("logit_shift", "logit_std", "prob_shift", "prob_mean", "prob_std", "log_odds_shift", "log_odds_std"),
    *("entropy_shift", "entropy_mean", "clip_low_fraction", "clip_high_fraction"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsResult:
    """The policy after the last phase. logit_*, prob_*, log_odds_*: [K], the log-odds of each outcome against all
    others. entropy_*: nats. clip_low_fraction, clip_high_fraction [M]: share of mini-batch m's samples whose gradient
    the gate removes, averaged over phases. Errors are those of SCRAMBLINGS independent sets of points. ends: the
    policies at which the paths of each set end, [points, K]. warnings: doubts about the accuracy here."""

    logit_shift: Estimate
    logit_std: Estimate
    prob_shift: Estimate
    prob_mean: Estimate
    prob_std: Estimate
    log_odds_shift: Estimate
    log_odds_std: Estimate
    entropy_shift: Estimate
    entropy_mean: Estimate
    clip_low_fraction: Estimate
    clip_high_fraction: Estimate
    ends: tuple[Array, ...]
    warnings: tuple[str, ...]

    def quantile(self, level: float) -> Estimate:
        """Of each outcome's probability, level in (0, 1); [K]."""
        return _over_sets([np.quantile(of, level, axis=0) for of in self.ends])

    def prob_above(self, prob: float) -> Estimate:
        """P(p > prob) of each outcome; [K]. Where none or all of the paths end above it, sets do not differ: the error
        is then that of as many independent paths."""
        hits = np.stack([(of > prob).sum(axis=0) for of in self.ends])
        found = _over_sets(list(hits / len(self.ends[0])))
        counted = share_estimate(hits.sum(axis=0), SCRAMBLINGS * len(self.ends[0]))
        return Estimate(found.value, np.where((found.value == 0) | (found.value == 1), counted.stderr, found.stderr))


def _over_sets(found: Sequence[Array]) -> Estimate:
    """Mean and error of what each of the sets of points found."""
    table = np.stack(found)
    return Estimate(table.mean(axis=0), table.std(axis=0, ddof=1) / math.sqrt(SCRAMBLINGS))


def paths(
    probs: ArrayLike,
    config: PhaseConfig,
    phases: int = 1,
    points: int = 1024,
    seed: int = 0,
) -> PathsResult:
    """T phases from probs [K]; 16 × `points` paths (a power of 2).

    Domain: V is drawn with the right mean and covariance, and noise of the right third cumulants around b·T; its own
    skewness is not right (`minibatch`). Where an outcome is expected fewer than 5 times in a mini-batch and one of
    its samples moves its logit by more than half of the log-ratio to the nearest bound or by more than 0.5, its jumps
    matter one by one: the result's `warnings` say so (`simulate` has no such limit). Elsewhere means err beyond the
    sampling error by less than 1 % of the spread where rewards are blind (250 drawn set-ups of 2 to 10 outcomes
    against 10⁶ simulated phases each, and 1,568 of two outcomes against T4; with a warning by up to 10 %), and
    besides by up to 5 % of the shift where they select in mini-batches of few samples (20,000 enumerated set-ups of
    at most 8; p = 0.516, G = 4, N = 1, M = 2, γ = (1/16, ¾), η = 0.75: −0.400 for −0.407, 3.8 % of the spread). With
    a warning and rewards that select they may be wrong by far more: p = 0.608, G = 2, N = 1, M = 2, γ = (0.086,
    0.868), η = 2.63 and DPPO's 0.1/0.1 give −1.149 for −1.566; p = 0.693, G = 2, N = 1, M = 3, γ = (0.99, 0.631), η =
    1.911 and SAPO(1, 2) give 0.687 for 0.766.
    The share of points beyond the level of a rare count is right to one point in `points`, which the standard error
    does not show where all 16 sets round alike: means may be off by that share of a single sample's jump.
    Where a kind of sample is expected less than 0.05 times in a mini-batch, spreads come out low with few points (p =
    (0.95, 0.05), G = 2, γ = 0.05, η = 0.15, one step: 0.01425; 0.01403 on average over seeds with 256 points, single
    runs by several per cent, 0.01341 in one; 0.01421 with 1,024).
    Cost: 16·points·K·M·T, about 1e7 a second.
    """
    start = check_probs("probs", probs)
    if len(start) > LARGEST_OUTCOMES:
        raise InputError("probs", f"at most {LARGEST_OUTCOMES} entries (Sobol's sequence)", len(start), verb="have")
    check_whole(phases, "phases", 1)
    check_whole(points, "points", 1)
    check_whole(seed, "seed", 0)
    check(points >= 2 and not points & (points - 1), "points", "a power of 2 and at least 2", points)
    generators = [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(SCRAMBLINGS)]
    sets = min(max(1, _AT_ONCE // (points * len(start))), SCRAMBLINGS)
    parts = [generators[first : first + sets] for first in range(0, SCRAMBLINGS, sets)]
    found = zip(*(_followed(start, config, phases, points, part) for part in parts), strict=True)
    *moments, ends = (list(np.concatenate(values)) for values in found)
    plain = dict(zip(_MOMENTS, map(_over_sets, moments), strict=True))
    return PathsResult(**plain, ends=tuple(ends), warnings=_doubts(start, config))


def single_jump(old_probs: Array, config: PhaseConfig) -> Array:
    """How far one sample of each outcome can move its own logit in the first step, (η/n)·max|Â|·f′(1)·(1−b); [K]."""
    plus, minus = group_advantages(config.group_size, config.scale)
    samples = config.group_size * config.groups_per_minibatch
    above, below = config.surrogate.slopes(np.ones_like(old_probs), old_probs)
    slope = np.maximum(above, below)
    largest = max(float(plus.max()), float(-minus.min()))
    return np.asarray(config.learning_rate / samples * largest * slope * (1 - old_probs))


def _doubts(old: Array, config: PhaseConfig) -> tuple[str, ...]:
    """Where a rare outcome's jumps matter one by one."""
    samples = config.group_size * config.groups_per_minibatch
    jump = single_jump(old, config)
    for b, move in zip(old, jump, strict=True):
        bounds = [abs(math.log(r)) for r in config.surrogate.jumps(float(b)) if 0 < r < math.inf]
        if samples * b < _FEWEST_SAMPLES and move > min([_LONG_JUMP, *(_SHORT_JUMP * bound for bound in bounds)]):
            expected = f"an outcome of probability {b:.3g} is expected {samples * b:.2g} times in a mini-batch"
            moves = f"one sample moves its logit by up to {move:.2g}"
            return (f"{expected} and {moves}: means may err by some per cent of the spread",)
    return ()


def _followed(
    start: Array, config: PhaseConfig, phases: int, points: int, generators: Sequence[np.random.Generator]
) -> tuple[Array, ...]:
    """What each generator's set of points finds, as in `_MOMENTS`, and its ends; [sets, …] each."""
    sets, outcomes, steps = len(generators), len(start), config.minibatches
    z = np.broadcast_to(np.log(start), (sets * points, outcomes))
    low, high = np.zeros((sets, steps)), np.zeros((sets, steps))

    def by_set(values: Array) -> Array:
        return values.reshape(sets, points, *values.shape[1:])

    for _ in range(phases):
        log_old = log_softmax(z, axis=1)
        old = np.exp(log_old)
        rewarded, rest, rate = rewarded_laws(old, config)
        table = Advantages.at(rate, config)
        for step in range(steps):
            log_policy = log_softmax(z, axis=1)
            policy, ratio = np.exp(log_policy), np.exp(log_policy - log_old)
            above, below = config.surrogate.slopes(ratio, old)
            low[:, step] += by_set(table.negative * ((below == 0) * rest).sum(axis=1)).mean(axis=1) / phases
            high[:, step] += by_set(table.positive * ((above == 0) * rewarded).sum(axis=1)).mean(axis=1) / phases
            levels = scrambled_points(2 * outcomes + 1, points, generators)
            mixed = np.concatenate([rng.permutation(own) for rng, own in zip(generators, levels, strict=True)])
            praise, blame = table.sums(np.maximum(mixed, _LEAST), rewarded, rest, config)
            pull = ratio * (above * praise + below * blame)
            move = pull - policy * pull.sum(axis=1, keepdims=True)
            z = z + config.learning_rate / (config.group_size * config.groups_per_minibatch) * move
    policy = by_set(softmax(z, axis=1))
    log_odds = by_set(z - _log_rest(z))
    at_start = np.log(start) - np.log1p(-start)
    entropy = entr(policy).sum(axis=2).mean(axis=1)
    return (
        by_set(z).mean(axis=1) - np.log(start),
        by_set(z).std(axis=1),
        policy.mean(axis=1) - start,
        policy.mean(axis=1),
        policy.std(axis=1),
        log_odds.mean(axis=1) - at_start,
        log_odds.std(axis=1),
        entropy - entr(start).sum(),
        entropy,
        low,
        high,
        policy,
    )


def _log_rest(z: Array) -> Array:
    """log Σ_{j≠a} exp z_j for every a, [S, K]; without cancellation where a has nearly all the mass."""
    top = np.argmax(z, axis=1)[:, None]
    others = z.copy()
    np.put_along_axis(others, top, -np.inf, axis=1)
    second = others.max(axis=1, keepdims=True)
    tail = np.exp(others - second).sum(axis=1, keepdims=True)  # Σ over all but the largest, in units of the second
    largest = np.take_along_axis(z, top, axis=1)
    whole = largest + np.log1p(np.exp(second - largest) * tail)
    share = np.exp(z - whole)
    rest = whole + np.log1p(-np.minimum(share, 0.9))
    np.put_along_axis(rest, top, second + np.log(tail), axis=1)
    return np.asarray(rest)
