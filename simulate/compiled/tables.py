"""Alias tables of the counts in a group, where their law is the same for all replicates."""

from typing import NamedTuple

import numpy as np

from clipbias.common.arrays import Array
from clipbias.theory.formulas.binomial import binomial_pmf

from .stream import MAX_TABLE, SIXTEEN, Words, alias_row, compiled, draw


@compiled
def binomial_rows(trials: int, prob: float) -> tuple[Words, Words]:
    """Alias rows of Bin(n, prob) for n = 0…trials, one after another, and their heads [trials + 1]; see `from_row`.

    A row covers the values of probability above 1e-20 of the mode's; what is left out is below a double's resolution.
    """
    heads = np.zeros(trials + 1, np.uint64)
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
        heads[n] = np.uint64((filled << 32) + (first << 16) + size - 1)
        filled += size
    return joined(pieces, filled), heads


@compiled
def binomial_tables(trials: int, probs: Array) -> tuple[Words, Words]:
    """`binomial_rows` for every probability, one after another: (table, heads [len(probs), trials + 1])."""
    heads = np.empty((len(probs), trials + 1), np.uint64)
    tables = [np.empty(0, np.uint64) for _ in probs]
    filled = 0
    for level, prob in enumerate(probs):
        tables[level], row_heads = binomial_rows(trials, prob)
        heads[level] = row_heads + np.uint64(filled << 32)
        filled += len(tables[level])
    return joined(tables, filled), heads


@compiled
def joined(pieces: list[Words], length: int) -> Words:
    whole = np.empty(length, np.uint64)
    filled = 0
    for piece in pieces:
        whole[filled : filled + len(piece)] = piece
        filled += len(piece)
    return whole


@compiled
def from_row(table: Words, head: np.uint64, position: np.uint64) -> int:
    """The word at `position` as a draw from a row; head: where it begins in 32 bits, its first value and mask in 16."""
    return int(head >> np.uint64(16) & SIXTEEN) + draw(table, head >> np.uint64(32), head & SIXTEEN, position)


class Patterns(NamedTuple):
    """All that a group of two outcomes can be: k, n are outcomes among the rewarded and the rest, c = k₁ + n₁.

    row: alias row of the patterns in the first phase. rows, heads [G + 1]: alias rows of them given c, see `from_row`.
    values [L, 3]: Â₊k₁, Â₊k₂, Â₋n₁ (Â₋n₂ follows, since a group's advantages add to 0). counts [L]: k₁, k₂, n₁, n₂ in
    16 bits each; all 0 for a group that is rewarded wholly or not at all. Empty where there are too many, C(G+3, 3).
    """

    row: Words
    rows: Words
    heads: Words
    values: Array
    counts: Words


def pattern_rows(prob: float, success: Array, plus: Array, minus: Array) -> Patterns:
    """prob: of the first outcome in the first phase; success [2]: γ of both; plus, minus [G + 1]: Â₊, Â₋ by m."""
    size = len(plus) - 1
    if (size + 1) * (size + 2) * (size + 3) // 6 > 2 * MAX_TABLE:
        none = np.empty(0, np.uint64)
        return Patterns(none, none, none, np.empty((0, 3)), none)
    first, k1, k2 = np.indices((size + 1,) * 3).reshape(3, -1)
    first, k1, k2 = (of[(k1 <= first) & (k2 <= size - first)] for of in (first, k1, k2))
    given = binomial_pmf(k1, first, success[0]) * binomial_pmf(k2, size - first, success[1])
    likely = np.lexsort((-given, first))  # what is drawn often shares cache lines
    first, k1, k2, given = first[likely], k1[likely], k2[likely], given[likely]
    m = k1 + k2
    speaks = (m > 0) & (m < size)
    row = np.empty(1 << (len(m) - 1).bit_length(), np.uint64)
    alias_row(binomial_pmf(first, size, prob) * given, row)
    values, counts = np.zeros((len(row), 3)), np.zeros(len(row), np.uint64)
    values[: len(m)] = np.stack([plus[m] * k1, plus[m] * k2, minus[m] * (first - k1)], axis=1)
    counts[: len(m)] = speaks * (k1 + (k2 << 16) + (first - k1 << 32) + (size - first - k2 << 48)).astype(np.uint64)
    pieces, heads, filled = [], np.zeros(size + 1, np.uint64), 0
    for c in range(size + 1):
        law = given[first == c]
        pieces.append(np.empty(1 << (len(law) - 1).bit_length(), np.uint64))
        alias_row(law, pieces[c])
        heads[c] = (filled << 32) + (int(np.searchsorted(first, c)) << 16) + len(pieces[c]) - 1
        filled += len(pieces[c])
    return Patterns(row, np.concatenate(pieces), heads, values, counts)
