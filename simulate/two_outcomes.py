"""`kernel` for K = 2, where one number, the log-odds x = z₁ − z₂, is the policy: the same law, several times faster.

The mean logit does not move (Σ_j ∂J/∂z_j = 0), so z₁, z₂ shift by ±half of x. Two draws are particular to it: in the
first phase one alias lookup gives a whole group (`tables.pattern_rows`); later, a word of coins gives the outcomes of
64 samples, of which the first m of a group are its rewarded ones (the samples are exchangeable).
"""

import math

import numpy as np

from .kernel import add_group
from .record import Setup, Sums, add_powers, record_clipping, record_place
from .stream import ALL, Array, coins, compiled, draw, open_stream, popcount


@compiled
def add_patterns(run: Setup, position: np.uint64, increment: np.uint64, total: Array) -> np.uint64:
    """`kernel.add_group` for all groups of a mini-batch of the first phase, a word each."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    mask = np.uint64(len(run.pattern_row) - 1)
    for _ in range(run.groups):
        position += increment
        value = run.patterns[draw(run.pattern_row, 0, mask, position)]
        a += value[0]
        b += value[1]
        c += value[2]
        d += value[3]
        e += value[4]
        f += value[5]
        g += value[6]
        h += value[7]
    total[0, 0], total[0, 1], total[1, 0], total[1, 1] = a, b, c, d
    total[2, 0], total[2, 1], total[3, 0], total[3, 1] = e, f, g, h
    return position


@compiled
def add_coins(run: Setup, prob: float, position: np.uint64, increment: np.uint64, total: Array) -> np.uint64:
    """`kernel.add_group` for all groups of a mini-batch, G ≤ 64: as many groups as fit share a word of coins."""
    size = run.group_size
    together = 64 // size
    whole = ALL >> np.uint64(64 - size)
    reward_mask = np.uint64(len(run.reward_row) - 1)
    up, down, rewarded, rest, first_up, first_down = 0.0, 0.0, 0, 0, 0, 0
    done = 0
    while done < run.groups:
        take = min(together, run.groups - done)
        done += take
        word = ALL
        if prob < 1.0:
            word, position = coins(take * size, prob, position, increment)
        for i in range(take):
            bits = (word >> np.uint64(i * size)) & whole
            position += increment
            m = draw(run.reward_row, 0, reward_mask, position)
            if m == 0 or m == size:
                continue
            k = popcount(bits & (ALL >> np.uint64(64 - m)))
            n = popcount(bits) - k
            plus, minus = run.plus[m], run.minus[m]
            up += plus * k
            down += minus * n
            total[0, 1] += plus * (m - k)
            total[1, 1] += minus * (size - m - n)
            first_up += k
            first_down += n
            rewarded += m
            rest += size - m
    total[0, 0], total[1, 0] = up, down
    total[2, 0], total[2, 1] = first_up, rewarded - first_up
    total[3, 0], total[3, 1] = first_down, rest - first_down
    return position


@compiled
def run_chunk_two(run: Setup, first: int, count: int, sums: Sums) -> None:
    """Replicates first … first + count − 1, added to `sums`; len(run.logits) = 2."""
    start = run.logits[0] - run.logits[1]
    start_prob, start_rest = 1.0 / (1.0 + math.exp(-start)), 1.0 / (1.0 + math.exp(start))
    start_entropy = _entropy(start, start_prob, start_rest)
    b, total, events = np.empty(2), np.zeros((4, 2)), np.empty((2, run.minibatches))
    patterned, coined = len(run.pattern_row) > 0, run.tabled and run.group_size <= 64
    for replicate in range(first, first + count):
        position, increment = open_stream(run.key, replicate)
        x, p, q = start, start_prob, start_rest
        events[:] = 0.0
        for phase in range(run.phases):
            b[0], b[1] = p, q
            inverse_p = 1.0 / p if p > 0.0 else 0.0  # underflowed: never sampled again, so that its ratio is moot
            inverse_q = 1.0 / q if q > 0.0 else 0.0
            ratio_p, ratio_q = 1.0, 1.0
            for step in range(run.minibatches):
                total[:] = 0.0
                if phase == 0 and patterned:
                    position = add_patterns(run, position, increment, total)
                elif phase > 0 and coined:
                    position = add_coins(run, b[0], position, increment, total)
                else:
                    for _ in range(run.groups):
                        position = add_group(run, phase == 0, b, position, increment, total)
                pull_p, pull_q = 0.0, 0.0
                if ratio_p <= run.upper:
                    pull_p += total[0, 0]
                else:
                    events[1, step] += total[2, 0]
                if ratio_p >= run.lower:
                    pull_p += total[1, 0]
                else:
                    events[0, step] += total[3, 0]
                if ratio_q <= run.upper:
                    pull_q += total[0, 1]
                else:
                    events[1, step] += total[2, 1]
                if ratio_q >= run.lower:
                    pull_q += total[1, 1]
                else:
                    events[0, step] += total[3, 1]
                x += 2.0 * run.rate * (ratio_p * pull_p * q - ratio_q * pull_q * p)
                tail = math.exp(-abs(x))
                large = 1.0 / (1.0 + tail)
                small = tail * large
                p, q = (large, small) if x >= 0.0 else (small, large)
                ratio_p, ratio_q = p * inverse_p, q * inverse_q
        record_clipping(sums.clipped, events, run.group_size * run.groups * run.phases)
        shift, change = x - start, p - start_prob
        add_powers(sums.powers[0], 0.5 * shift)
        add_powers(sums.powers[1], -0.5 * shift)
        add_powers(sums.powers[2], change)
        add_powers(sums.powers[3], -change)
        add_powers(sums.powers[4], _entropy(x, p, q) - start_entropy)
        add_powers(sums.powers[5], shift)
        record_place(sums, 0, x, p, run.thresholds)
        record_place(sums, 1, -x, q, run.thresholds)


@compiled
def _entropy(x: float, p: float, q: float) -> float:
    """−p log p − q log q = |x|·min(p, q) − log max(p, q) for x = log(p/q)."""
    return abs(x) * min(p, q) - math.log(max(p, q))
