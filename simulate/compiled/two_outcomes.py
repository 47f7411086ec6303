"""`kernel` for K = 2, PPO's clip and plain gradient ascent: the same law, an order of magnitude faster.

One number, the log-odds x = z₁ − z₂, is the policy: the mean logit does not move (Σ_j ∂J/∂z_j = 0), so that z₁, z₂
shift by ±half of x. LANES replicates advance together: a row of `state` or `words` holds one quantity of all of them,
and loops over a row that look nothing up become vector instructions. Draws are particular to two outcomes: in the first
phase one alias lookup gives a whole group (`tables.pattern_rows`); later, a word of coins gives the outcomes of 64
samples.
"""

import math

import numpy as np

from clipbias.common.arrays import Array
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip
from clipbias.theory.update_rule import PLAIN, UpdateRule

from .groups import Groups
from .record import Setup, Sums, add_powers, record_clipping, record_place
from .stream import (
    ALL,
    LOW_BITS,
    NOTHING,
    ONE,
    SIXTEEN,
    TOP,
    Hat,
    Words,
    binomial,
    compiled,
    from_hat,
    hat_of,
    mix,
    open_stream,
    picked,
    popcount,
)
from .tables import Patterns, from_row, pattern_rows

LANES = 64
# Rows of `state`: log-odds; π of both; 1/b of both; R of both; ΣÂ₊k, ΣÂ₋n of both; b of the first.
X, P, Q, OVER_P, OVER_Q, RATIO_P, RATIO_Q, PRAISE_P, PRAISE_Q, BLAME_P, BLAME_Q, B = range(0, 12 * LANES, LANES)
# Rows of `words`: stream position and increment; a toss of coins; k₁, k₂, n₁, n₂ in 16 bits each.
POSITION, INCREMENT, BITS, UNDECIDED, THRESHOLD, COUNTS = range(0, 6 * LANES, LANES)
MOST = int(SIXTEEN)  # samples that 16 bits count
NO_HAT = Hat(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def covers(config: PhaseConfig, groups: Groups, update: UpdateRule) -> bool:
    clip = config.surrogate
    return (
        len(groups.success) == 2
        and groups.tabled
        and isinstance(clip, PpoClip)
        and clip.dual is None
        and update == PLAIN
        and config.group_size * config.groups_per_minibatch <= MOST
    )


def patterns_of(groups: Groups, probs: Array) -> Patterns:
    return pattern_rows(float(probs[0]), groups.success, groups.plus, groups.minus)


@compiled
def exp_down(x: float) -> float:
    """exp(x) for x ≤ 0, 0 taken for what is below exp(−700); within 2 units in the last place.

    exp(k·ln 2 + r) = 2^k·exp(r) with |r| ≤ ½ ln 2, ln 2 in two parts (Cody & Waite 1980), Taylor's series to r¹³ (the
    rest is below 1e-17). math.exp would do, but no compiler runs it on eight numbers at a time.
    """
    x = max(x, -700.0)
    k = np.int64(x * 1.4426950408889634 - 0.5)
    r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10
    y = 1.0 / 6227020800.0
    y = y * r + 1.0 / 479001600.0
    y = y * r + 1.0 / 39916800.0
    y = y * r + 1.0 / 3628800.0
    y = y * r + 1.0 / 362880.0
    y = y * r + 1.0 / 40320.0
    y = y * r + 1.0 / 5040.0
    y = y * r + 1.0 / 720.0
    y = y * r + 1.0 / 120.0
    y = y * r + 1.0 / 24.0
    y = y * r + 1.0 / 6.0
    y = y * r + 0.5
    y = y * r + 1.0
    y = y * r + 1.0
    return float(y * np.int64((k + 1023) << 52).view(np.float64))


@compiled
def add_patterns(patterns: Patterns, groups: Groups, state: Array, words: Words) -> None:
    """The groups of a mini-batch of the first phase, a word each."""
    mask = np.uint64(len(patterns.row) - 1)
    for _ in range(groups.groups):
        for i in range(LANES):
            position = words[POSITION + i] + words[INCREMENT + i]
            words[POSITION + i], words[BITS + i] = position, mix(position)
        for i in range(LANES):
            pick = picked(patterns.row, NOTHING, mask, words[BITS + i])
            state[PRAISE_P + i] += patterns.values[pick, 0]
            state[PRAISE_Q + i] += patterns.values[pick, 1]
            state[BLAME_P + i] += patterns.values[pick, 2]
            words[COUNTS + i] += patterns.counts[pick]
    for i in range(LANES):
        state[BLAME_Q + i] = -(state[PRAISE_P + i] + state[PRAISE_Q + i] + state[BLAME_P + i])


@compiled
def toss(coins: int, state: Array, words: Words) -> None:
    """Into the lowest `coins` ≤ 64 bits of every lane's BITS: ones of probability b, as `stream.coins` does it."""
    whole = ALL >> np.uint64(64 - coins)
    for i in range(LANES):
        certain = state[B + i] >= 1.0
        words[BITS + i] = whole if certain else NOTHING
        words[UNDECIDED + i] = NOTHING if certain else whole
        words[THRESHOLD + i] = np.uint64(state[B + i] * 2.0**53) << LOW_BITS
    left = ONE
    while left != NOTHING:
        left = NOTHING
        for i in range(LANES):
            threshold = words[THRESHOLD + i]
            open_ = words[UNDECIDED + i] if threshold != NOTHING else NOTHING
            position = words[POSITION + i] + (words[INCREMENT + i] if open_ != NOTHING else NOTHING)
            heads = NOTHING - (threshold >> TOP)  # all ones where this bit of b is 1
            decided = mix(position) ^ heads  # ones where the coin's bit is not b's
            words[POSITION + i] = position
            words[BITS + i] |= open_ & decided & heads
            remaining = open_ & ~decided
            words[UNDECIDED + i] = remaining
            words[THRESHOLD + i] = threshold << ONE
            left |= remaining if threshold << ONE != NOTHING else NOTHING


@compiled
def add_given(patterns: Patterns, groups: Groups, taken: int, state: Array, words: Words) -> None:
    """`taken` groups of a later phase: their first outcomes from BITS, a word each for the rest."""
    whole = ALL >> np.uint64(64 - groups.size)
    for i in range(LANES):
        position, increment, bits = words[POSITION + i], words[INCREMENT + i], words[BITS + i]
        praise_p, praise_q, blame_p, counts = 0.0, 0.0, 0.0, NOTHING
        for _ in range(taken):
            position += increment
            pick = from_row(patterns.rows, patterns.heads[popcount(bits & whole)], position)
            bits >>= np.uint64(groups.size)
            praise_p += patterns.values[pick, 0]
            praise_q += patterns.values[pick, 1]
            blame_p += patterns.values[pick, 2]
            counts += patterns.counts[pick]
        words[POSITION + i] = position
        words[COUNTS + i] += counts
        state[PRAISE_P + i] += praise_p
        state[PRAISE_Q + i] += praise_q
        state[BLAME_P + i] += blame_p
        state[BLAME_Q + i] -= praise_p + praise_q + blame_p


@compiled
def add_groups(groups: Groups, taken: int, shared: bool, state: Array, words: Words) -> None:
    """`taken` groups: their first outcomes from a table (shared), BITS (G ≤ 64) or one by one; rewards from tables."""
    size, outcomes, rewards = groups.size, groups.outcomes, groups.rewards
    heads1, heads2 = rewards.heads[groups.level_of[0]], rewards.heads[groups.level_of[1]]
    whole = ALL >> np.uint64(64 - min(size, 64))
    for i in range(LANES):
        position, increment, bits = words[POSITION + i], words[INCREMENT + i], words[BITS + i]
        praise_p, praise_q, blame_p, counts = 0.0, 0.0, 0.0, NOTHING
        rarer = min(state[B + i], 1.0 - state[B + i])
        often = size > 64 and not shared and size * rarer > 10.0
        hat = hat_of(size, rarer) if often else NO_HAT
        for _ in range(taken):
            if shared:
                position += increment
                first = from_row(outcomes.table, outcomes.heads[0, size], position)
            elif size <= 64:
                first = popcount(bits & whole)
                bits >>= np.uint64(size & 63)
            elif often:
                first, position = from_hat(hat, position, increment)
                first = first if state[B + i] <= 0.5 else size - first
            else:
                first, position = binomial(size, state[B + i], position, increment)
            position += increment
            k1 = from_row(rewards.table, heads1[first], position)
            position += increment
            k2 = from_row(rewards.table, heads2[size - first], position)
            m = k1 + k2
            praise_p += groups.plus[m] * k1
            praise_q += groups.plus[m] * k2
            blame_p += groups.minus[m] * (first - k1)
            if 0 < m < size:
                counts += np.uint64(k1 + (k2 << 16) + ((first - k1) << 32) + ((size - first - k2) << 48))
        words[POSITION + i] = position
        words[COUNTS + i] += counts
        state[PRAISE_P + i] += praise_p
        state[PRAISE_Q + i] += praise_q
        state[BLAME_P + i] += blame_p
        state[BLAME_Q + i] -= praise_p + praise_q + blame_p


@compiled
def draw_minibatch(groups: Groups, patterns: Patterns, shared: bool, state: Array, words: Words) -> None:
    state[PRAISE_P : BLAME_Q + LANES] = 0.0
    words[COUNTS : COUNTS + LANES] = NOTHING
    if shared and len(patterns.row) > 0:
        add_patterns(patterns, groups, state, words)
        return
    together = 64 // groups.size if groups.size <= 64 else groups.groups
    for done in range(0, groups.groups, together):
        taken = min(together, groups.groups - done)
        if groups.size <= 64 and not shared:
            toss(taken * groups.size, state, words)
        if len(patterns.rows) > 0:
            add_given(patterns, groups, taken, state, words)
        else:
            add_groups(groups, taken, shared, state, words)


@compiled
def take_step(run: Setup, state: Array, words: Words, low: Array, high: Array) -> None:
    """One optimizer step of every lane; clipped samples are added to low, high [LANES]."""
    lower, upper, rate = run.gate.first, run.gate.second, 2.0 * run.update.rate * run.inverse_samples
    for i in range(LANES):
        ratio_p, ratio_q = state[RATIO_P + i], state[RATIO_Q + i]
        praise_p, praise_q = state[PRAISE_P + i], state[PRAISE_Q + i]
        blame_p, blame_q = state[BLAME_P + i], state[BLAME_Q + i]
        k1, k2 = words[COUNTS + i] & SIXTEEN, words[COUNTS + i] >> np.uint64(16) & SIXTEEN
        n1, n2 = words[COUNTS + i] >> np.uint64(32) & SIXTEEN, words[COUNTS + i] >> np.uint64(48)
        high[i] += (k1 if ratio_p > upper else NOTHING) + (k2 if ratio_q > upper else NOTHING)
        low[i] += (n1 if ratio_p < lower else NOTHING) + (n2 if ratio_q < lower else NOTHING)
        pull_p = (praise_p if ratio_p <= upper else 0.0) + (blame_p if ratio_p >= lower else 0.0)
        pull_q = (praise_q if ratio_q <= upper else 0.0) + (blame_q if ratio_q >= lower else 0.0)
        x = state[X + i] + rate * (ratio_p * pull_p * state[Q + i] - ratio_q * pull_q * state[P + i])
        tail = exp_down(-abs(x))
        large = 1.0 / (1.0 + tail)
        small = tail * large
        p, q = (large if x >= 0.0 else small), (small if x >= 0.0 else large)
        state[X + i], state[P + i], state[Q + i] = x, p, q
        state[RATIO_P + i], state[RATIO_Q + i] = p * state[OVER_P + i], q * state[OVER_Q + i]


@compiled
def run_chunk_two(run: Setup, groups: Groups, patterns: Patterns, first: int, count: int, sums: Sums) -> None:
    """Replicates first … first + count − 1, added to `sums`; len(run.logits) = 2."""
    for start in range(first, first + count, LANES):
        run_lanes(run, groups, patterns, start, min(LANES, first + count - start), sums)


@compiled
def run_lanes(run: Setup, groups: Groups, patterns: Patterns, first: int, count: int, sums: Sums) -> None:
    """`run_chunk_two` for count ≤ LANES; lanes beyond `count` run along and are not recorded."""
    start = run.logits[0] - run.logits[1]
    start_prob, start_rest = 1.0 / (1.0 + math.exp(-start)), 1.0 / (1.0 + math.exp(start))
    state, words = np.empty(12 * LANES), np.empty(6 * LANES, np.uint64)
    events = np.zeros((2, groups.minibatches, LANES))
    state[X : X + LANES], state[P : P + LANES], state[Q : Q + LANES] = start, start_prob, start_rest
    for i in range(LANES):
        words[POSITION + i], words[INCREMENT + i] = open_stream(run.key, first + i)
    for phase in range(run.phases):
        for i in range(LANES):
            state[B + i] = state[P + i]
            state[OVER_P + i], state[OVER_Q + i] = 1.0 / state[P + i], 1.0 / state[Q + i]
        state[RATIO_P : RATIO_Q + LANES] = 1.0
        keep_paths(sums, phase, first, count, state)
        for step in range(groups.minibatches):
            draw_minibatch(groups, patterns, phase == 0, state, words)
            take_step(run, state, words, events[0, step], events[1, step])
    keep_paths(sums, run.phases, first, count, state)
    for i in range(count):
        x, p, q = state[X + i], state[P + i], state[Q + i]
        record_clipping(sums.clipped, events[:, :, i], run.inverse_samples / run.phases)
        add_powers(sums.powers[0], 0.5 * (x - start))
        add_powers(sums.powers[1], -0.5 * (x - start))
        add_powers(sums.powers[2], p - start_prob)
        add_powers(sums.powers[3], start_prob - p)
        add_powers(sums.powers[4], _entropy(x, p, q) - _entropy(start, start_prob, start_rest))
        add_powers(sums.powers[5], x - start)
        record_place(sums, 0, x, p, run.thresholds)
        record_place(sums, 1, -x, q, run.thresholds)


@compiled
def keep_paths(sums: Sums, phase: int, first: int, count: int, state: Array) -> None:
    for i in range(min(count, len(sums.paths) - first)):
        sums.paths[first + i, phase, 0], sums.paths[first + i, phase, 1] = state[P + i], state[Q + i]


@compiled
def _entropy(x: float, p: float, q: float) -> float:
    """−p log p − q log q = |x|·min(p, q) − log max(p, q) for x = log(p/q)."""
    return abs(x) * min(p, q) - math.log(max(p, q))
