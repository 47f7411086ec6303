"""The compiled inner loop: phases of GRPO on a softmax over K outcomes, one replicate after another.

A group whose rewards ignore the outcome is summarised exactly by counts: m ~ Bin(G, γ) rewarded samples, then
multinomial counts k_a and n_a of outcomes (under b) among the rewarded and among the rest. One step is
z ← z + (η/n)·(W − π·ΣW), W_a = R_a·(f₊′(R_a)·Σ_groups Â₊k_a + f₋′(R_a)·Σ_groups Â₋n_a), R = π/b (`theory.config`, T2).
"""

import numpy as np

from .record import Setup, Sums, add_powers, entropy, own_log_odds, record_clipping, record_place, softmax
from .stream import Array, binomial, compiled, draw, open_stream


@compiled
def add_group(
    run: Setup,
    shared: bool,
    b: Array,
    position: np.uint64,
    increment: np.uint64,
    total: Array,
) -> np.uint64:
    """Draw one group and add Â₊k, Â₋n, k, n to the rows of total [4, K]; the new stream position.

    shared: b is the policy that the tables were made for.
    """
    outcomes = len(b)
    if run.tabled:
        position += increment
        m = draw(run.reward_row, 0, np.uint64(len(run.reward_row) - 1), position)
    else:
        m, position = binomial(run.group_size, run.success_prob, position, increment)
    if m == 0 or m == run.group_size:
        return position
    plus, minus = run.plus[m], run.minus[m]
    rewarded, rest = m, run.group_size - m
    remaining = 1.0
    for a in range(outcomes):
        k, n = rewarded, rest
        if a < outcomes - 1 and shared and run.tabled:
            position += increment
            k = draw(run.table, run.offsets[a, rewarded], run.masks[a, rewarded], position)
            k += run.starts[a, rewarded]
            position += increment
            n = draw(run.table, run.offsets[a, rest], run.masks[a, rest], position) + run.starts[a, rest]
        elif a < outcomes - 1:
            share = b[a] / remaining if remaining > 0.0 else 1.0
            k, position = binomial(rewarded, share, position, increment)
            n, position = binomial(rest, share, position, increment)
            remaining -= b[a]
        total[0, a] += plus * k
        total[1, a] += minus * n
        total[2, a] += k
        total[3, a] += n
        rewarded -= k
        rest -= n
    return position


@compiled
def run_chunk(run: Setup, first: int, count: int, sums: Sums) -> None:
    """Replicates first … first + count − 1, added to `sums`."""
    outcomes = len(run.logits)
    z, pi, b, ratio = np.empty(outcomes), np.empty(outcomes), np.empty(outcomes), np.empty(outcomes)
    start, pull = np.empty(outcomes), np.empty(outcomes)
    total = np.empty((4, outcomes))
    events = np.empty((2, run.minibatches))
    softmax(run.logits, start)
    start_entropy, start_log_odds = entropy(start), own_log_odds(run.logits, 0)
    for replicate in range(first, first + count):
        position, increment = open_stream(run.key, replicate)
        z[:] = run.logits
        pi[:] = start
        events[:] = 0.0
        for phase in range(run.phases):
            b[:] = pi
            ratio[:] = 1.0
            for step in range(run.minibatches):
                total[:] = 0.0
                for _ in range(run.groups):
                    position = add_group(run, phase == 0, b, position, increment, total)
                whole = 0.0
                for a in range(outcomes):
                    pull[a] = 0.0
                    if ratio[a] > run.upper:
                        events[1, step] += total[2, a]
                    else:
                        pull[a] += ratio[a] * total[0, a]
                    if ratio[a] < run.lower:
                        events[0, step] += total[3, a]
                    else:
                        pull[a] += ratio[a] * total[1, a]
                    whole += pull[a]
                for a in range(outcomes):
                    z[a] += run.rate * (pull[a] - pi[a] * whole)
                softmax(z, pi)
                for a in range(outcomes):
                    ratio[a] = pi[a] / b[a] if b[a] > 0.0 else 1.0
        record_clipping(sums.clipped, events, run.group_size * run.groups * run.phases)
        for a in range(outcomes):
            add_powers(sums.powers[a], z[a] - run.logits[a])
            add_powers(sums.powers[outcomes + a], pi[a] - start[a])
            record_place(sums, a, own_log_odds(z, a), pi[a], run.thresholds)
        add_powers(sums.powers[2 * outcomes], entropy(pi) - start_entropy)
        add_powers(sums.powers[2 * outcomes + 1], own_log_odds(z, 0) - start_log_odds)
