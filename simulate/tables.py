"""Tables for the counts of a group under a policy that all replicates share: that of the first phase."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from .stream import MAX_TABLE, Array, Words, alias_row, compiled


@compiled
def binomial_rows(trials: int, prob: float) -> tuple[Words, NDArray[np.int64], Words, NDArray[np.int64]]:
    """Alias rows of Bin(n, prob) for n = 0…trials: (table, offsets [n], masks [n], first values [n]).

    A row covers the values of probability above 1e-20 of the mode's; what is left out is below a double's resolution.
    """
    offsets, starts = np.zeros(trials + 1, np.int64), np.zeros(trials + 1, np.int64)
    masks = np.zeros(trials + 1, np.uint64)
    pieces = [np.empty(0, np.uint64) for _ in range(trials + 1)]
    filled = 0
    for n in range(trials + 1):
        law = np.zeros(n + 1)
        mode = min(n, int((n + 1) * prob)) if prob > 0.0 else 0
        law[mode] = 1.0
        first, last = mode, mode
        odds = prob / (1.0 - prob) if prob < 1.0 else 0.0
        while last < n and law[last] > 1e-20:
            last += 1
            law[last] = law[last - 1] * odds * (n - last + 1) / last
        while first > 0 and law[first] > 1e-20:
            first -= 1
            law[first] = law[first + 1] * (first + 1) / (odds * (n - first)) if odds > 0.0 else 0.0
        size = 1
        while size < last - first + 1:
            size *= 2
        pieces[n] = np.empty(size, np.uint64)
        alias_row(law[first : last + 1], pieces[n])
        offsets[n], starts[n], masks[n] = filled, first, np.uint64(size - 1)
        filled += size
    table = np.empty(filled, np.uint64)
    for n in range(trials + 1):
        table[offsets[n] : offsets[n] + len(pieces[n])] = pieces[n]
    return table, offsets, masks, starts


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


def pattern_rows(reward_law: Array, plus: Array, minus: Array, prob: float) -> tuple[Words, Array]:
    """One alias row for all that a group of two outcomes can be: (row, values [row length, 8]).

    values: Â₊k₁, Â₊k₂, Â₋n₁, Â₋n₂, then k₁, k₂, n₁, n₂ (k, n: outcomes among the rewarded and the rest); all 0 for a
    group that is rewarded wholly or not at all. reward_law, plus, minus [G + 1]: P(m), Â₊, Â₋. There are at most
    C(G+3, 3) patterns; both are empty where that is more than a row holds.
    """
    size = len(reward_law) - 1
    count = 1 + sum((m + 1) * (size - m + 1) for m in range(1, size))
    if count > 2 * MAX_TABLE:
        return np.empty(0, np.uint64), np.empty((0, 8))
    row = np.empty(1 << (count - 1).bit_length(), np.uint64)
    values = np.zeros((len(row), 8))
    law = np.zeros(count)
    law[0] = reward_law[0] + reward_law[size]
    at = 1
    for m in range(1, size):
        first, rest = (binom.pmf(np.arange(total + 1), total, prob) for total in (m, size - m))
        for k in range(m + 1):
            for n in range(size - m + 1):
                law[at] = reward_law[m] * first[k] * rest[n]
                values[at, 4:] = k, m - k, n, size - m - n
                values[at, :4] = values[at, 4:] * (plus[m], plus[m], minus[m], minus[m])
                at += 1
    alias_row(law, row)
    return row, values
