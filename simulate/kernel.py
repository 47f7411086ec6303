"""The compiled inner loop: phases of GRPO on a softmax over K outcomes, one replicate after another.

A group whose rewards ignore the outcome is summarised exactly by counts: m ~ Bin(G, γ) rewarded samples, then
multinomial counts k_a and l_a of outcomes (under b) among the rewarded and among the rest. One step is
z ← z + (η/n)·(W − π·ΣW), W_a = R_a·(f₊′(R_a)·Σ_groups Â₊k_a + f₋′(R_a)·Σ_groups Â₋l_a), R = π/b (design §3, T2).
"""

import math

import numpy as np
from numpy.typing import NDArray

from .stream import Array, Words, binomial, binomial_rows, compiled, draw, open_stream

BINS = 1 << 14  # of log-odds, over ±EDGE: 0.0037 wide
EDGE = 30.0


@compiled
def softmax(z: Array, probs: Array) -> None:
    """probs ← softmax(z); both [K]."""
    top = z.max()
    total = 0.0
    for a in range(len(z)):
        probs[a] = math.exp(z[a] - top)
        total += probs[a]
    for a in range(len(z)):
        probs[a] /= total


@compiled
def conditional_rows(
    trials: int, probs: Array
) -> tuple[Words, NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Alias rows of Bin(n, b_a/(b_a + … + b_{K−1})) for a = 0…K−2 and n = 0…trials.

    (table, offsets, masks, first values), the last three [K − 1, trials + 1].
    """
    levels = len(probs) - 1
    tables = [np.empty(0, np.uint64) for _ in range(levels)]
    offsets, starts = np.empty((levels, trials + 1), np.int64), np.empty((levels, trials + 1), np.int64)
    masks = np.empty((levels, trials + 1), np.uint64)
    filled = 0
    for a in range(levels):
        tables[a], row_offsets, masks[a], starts[a] = binomial_rows(trials, probs[a] / probs[a:].sum())
        offsets[a] = row_offsets + filled
        filled += len(tables[a])
    table = np.empty(filled, np.uint64)
    filled = 0
    for piece in tables:
        table[filled : filled + len(piece)] = piece
        filled += len(piece)
    return table, offsets, masks, starts


@compiled
def run_chunk(
    key: np.uint64,
    first: int,
    count: int,
    logits: Array,
    rate: float,
    group_size: int,
    groups: int,
    minibatches: int,
    phases: int,
    success_prob: float,
    bounds: Array,
    plus: Array,
    minus: Array,
    tabled: bool,
    reward_row: Words,
    table: Words,
    offsets: NDArray[np.int64],
    masks: NDArray[np.uint64],
    starts: NDArray[np.int64],
    thresholds: Array,
    powers: Array,
    clipped: Array,
    above: NDArray[np.int64],
    histogram: NDArray[np.int64],
) -> None:
    """Replicates first … first + count − 1, added to the accumulators.

    rate = η/n. bounds = (1−ε_l, 1+ε_h). plus, minus [G + 1]: Â₊, Â₋ by m. tabled: draw m, and in the first phase the
    counts, from the alias tables that follow (of Bin(G, γ), and `conditional_rows`), else by `binomial`. Accumulators:
    powers [2K + 2, 4], sums of x…x⁴ of the shift of every logit, every probability, the entropy, the first log-odds;
    clipped [2, M, 2], sums of x and x² of a replicate's clip-low and clip-high shares (over phases); above [J, K],
    replicates with p > thresholds[j]; histogram [K, BINS] of log-odds.
    """
    outcomes = len(logits)
    z, pi, b, ratio = np.empty(outcomes), np.empty(outcomes), np.empty(outcomes), np.empty(outcomes)
    praise, blame = np.empty(outcomes), np.empty(outcomes)
    praised, blamed = np.empty(outcomes, np.int64), np.empty(outcomes, np.int64)
    start = np.empty(outcomes)
    events = np.empty((2, minibatches))
    softmax(logits, start)
    start_entropy = entropy(start)
    reward_mask = np.uint64(len(reward_row) - 1)
    lower, upper = bounds[0], bounds[1]
    for replicate in range(first, first + count):
        position, increment = open_stream(key, replicate)
        z[:] = logits
        pi[:] = start
        events[:] = 0.0
        for phase in range(phases):
            b[:] = pi
            ratio[:] = 1.0
            use_table = tabled and phase == 0
            for step in range(minibatches):
                praise[:] = 0.0
                blame[:] = 0.0
                praised[:] = 0
                blamed[:] = 0
                for _ in range(groups):
                    if tabled:
                        position += increment
                        m = draw(reward_row, 0, reward_mask, position)
                    else:
                        m, position = binomial(group_size, success_prob, position, increment)
                    if m == 0 or m == group_size:
                        continue
                    up, down = plus[m], minus[m]
                    left_up, left_down = m, group_size - m
                    remaining = 1.0
                    for a in range(outcomes - 1):
                        if use_table:
                            position += increment
                            k = starts[a, left_up] + draw(table, offsets[a, left_up], masks[a, left_up], position)
                            position += increment
                            n = starts[a, left_down] + draw(table, offsets[a, left_down], masks[a, left_down], position)
                        else:
                            share = b[a] / remaining if remaining > 0.0 else 1.0
                            k, position = binomial(left_up, share, position, increment)
                            n, position = binomial(left_down, share, position, increment)
                            remaining -= b[a]
                        praise[a] += up * k
                        blame[a] += down * n
                        praised[a] += k
                        blamed[a] += n
                        left_up -= k
                        left_down -= n
                    praise[outcomes - 1] += up * left_up
                    blame[outcomes - 1] += down * left_down
                    praised[outcomes - 1] += left_up
                    blamed[outcomes - 1] += left_down
                total = 0.0
                for a in range(outcomes):
                    if ratio[a] > upper:
                        events[1, step] += praised[a]
                        praise[a] = 0.0
                    if ratio[a] < lower:
                        events[0, step] += blamed[a]
                        blame[a] = 0.0
                    praise[a] = ratio[a] * (praise[a] + blame[a])
                    total += praise[a]
                for a in range(outcomes):
                    z[a] += rate * (praise[a] - pi[a] * total)
                softmax(z, pi)
                for a in range(outcomes):
                    ratio[a] = pi[a] / b[a] if b[a] > 0.0 else 1.0
        scale = 1.0 / (group_size * groups * phases)
        for side in range(2):
            for step in range(minibatches):
                share = events[side, step] * scale
                clipped[side, step, 0] += share
                clipped[side, step, 1] += share * share
        for a in range(outcomes):
            add_powers(powers[a], z[a] - logits[a])
            add_powers(powers[outcomes + a], pi[a] - start[a])
            log_odds = own_log_odds(z, a)
            if a == 0:
                add_powers(powers[2 * outcomes + 1], log_odds - own_log_odds(logits, 0))
            histogram[a, min(max(int((log_odds + EDGE) * (BINS / (2.0 * EDGE))), 0), BINS - 1)] += 1
            for j in range(len(thresholds)):
                above[j, a] += pi[a] > thresholds[j]
        add_powers(powers[2 * outcomes], entropy(pi) - start_entropy)


@compiled
def entropy(probs: Array) -> float:
    """−Σ p log p in nats."""
    total = 0.0
    for p in probs:
        if p > 0.0:
            total -= p * math.log(p)
    return total


@compiled
def own_log_odds(z: Array, a: int) -> float:
    """log(p_a/(1 − p_a)) = z_a − log Σ_{j≠a} exp(z_j)."""
    top = -math.inf
    for j in range(len(z)):
        if j != a:
            top = max(top, z[j])
    total = 0.0
    for j in range(len(z)):
        if j != a:
            total += math.exp(z[j] - top)
    return float(z[a] - top - math.log(total))


@compiled
def add_powers(sums: Array, value: float) -> None:
    """sums[i] += value^(i+1), i = 0…3."""
    square = value * value
    sums[0] += value
    sums[1] += square
    sums[2] += square * value
    sums[3] += square * square
