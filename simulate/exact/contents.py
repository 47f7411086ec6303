"""Everything that the M mini-batches of one phase can hold, for small cases: the sequences that `enumeration` follows.

Samples enter through counts. A mini-batch's content is, for each outcome, the sum of the positive and of the negative
advantages of its samples and how many of each there are. Given m of G rewarded (Bin(G, γ̄)), the outcomes of the
rewarded have multinomial counts under b⁺ and those of the rest under b⁻ (`theory.reward`).
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.theory.formulas.advantage import group_advantages, rewarded_law
from clipbias.theory.formulas.reward import RewardLaw, reward_law
from clipbias.theory.setup import PhaseConfig

MAX_SEQUENCES = 2_000_000


@dataclass(frozen=True, slots=True)
class Contents:
    """sums [Q, 4, K]: what a mini-batch may hold, by outcome: Σ Â over Â > 0, Σ Â over Â < 0, and the numbers of both.
    sequence [P, M]: contents of the M mini-batches of a phase, with probability weight [P]."""

    sums: Array
    sequence: NDArray[np.int64]
    weight: Array


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _multinomial(counts: tuple[int, ...], probs: Array) -> float:
    ways = math.factorial(sum(counts)) / math.prod(math.factorial(c) for c in counts)
    return ways * math.exp(float(xlogy(counts, probs).sum()))


def _orders(members: tuple[int, ...]) -> float:
    """In how many orders a multiset can be drawn."""
    return math.factorial(len(members)) / math.prod(math.factorial(c) for c in Counter(members).values())


def _refuse(sequences: float) -> None:
    if sequences > MAX_SEQUENCES:
        sizes = "group_size, groups_per_minibatch, minibatches and the number of probs"
        most = f"at most {MAX_SEQUENCES} sequences of mini-batches, got {sequences:.3g}"
        raise InputError(sizes, most, verb="give")


def whole_groups(old: Array, config: PhaseConfig) -> Contents:
    """Groups stay whole: a mini-batch is one of C(P + N − 1, N) multisets of the P patterns of a group."""
    size, groups = config.group_size, config.groups_per_minibatch
    law = reward_law(old, config.success_prob)
    rewarded_prob = rewarded_law(size, law.success_prob)
    plus, minus = group_advantages(size, config.scale)
    ways = [math.comb(m + len(old) - 1, len(old) - 1) for m in range(size + 1)]
    patterns = 1 + sum(ways[m] * ways[size - m] for m in range(1, size))
    _refuse(float(math.comb(patterns + groups - 1, groups)) ** config.minibatches)
    weight, sums = [float(rewarded_prob[0] + rewarded_prob[-1])], [np.zeros((4, len(old)))]  # all alike: no gradient
    for m in range(1, size):
        for rewarded in _compositions(m, len(old)):
            for rest in _compositions(size - m, len(old)):
                chance = _multinomial(rewarded, law.rewarded) * _multinomial(rest, law.rest)
                weight.append(float(rewarded_prob[m]) * chance)
                k, n = np.array(rewarded, float), np.array(rest, float)
                sums.append(np.stack([plus[m] * k, minus[m] * n, k, n]))
    members = list(combinations_with_replacement(range(len(weight)), groups))
    one = np.array([_orders(row) for row in members]) * np.array(weight)[np.array(members)].prod(axis=1)
    grid = np.indices((len(one),) * config.minibatches).reshape(config.minibatches, -1).T
    return Contents(np.stack(sums)[np.array(members)].sum(axis=1), grid, one[grid].prod(axis=1))


def split_groups(old: Array, config: PhaseConfig) -> Contents:
    """The phase's N·M groups are shuffled over its M mini-batches, sample by sample, as TRL and the released code do.

    What counts of a reward pattern is how many samples have each advantage; a shuffle hands these out by the
    multivariate hypergeometric law; outcomes are drawn within each mini-batch.
    """
    size, law = config.group_size, reward_law(old, config.success_prob)
    rewarded_prob = rewarded_law(size, law.success_prob)
    plus, minus = group_advantages(size, config.scale)
    batch = size * config.groups_per_minibatch
    sums: list[Array] = []
    known: dict[tuple[tuple[float, int], ...], tuple[NDArray[np.int64], Array]] = {}
    sequences, weights = [], []
    for groups in combinations_with_replacement(range(size + 1), config.groups_per_minibatch * config.minibatches):
        chance = _orders(groups) * float(np.prod(rewarded_prob[list(groups)]))
        labels: Counter[float] = Counter()
        for m in groups:
            labels[float(plus[m])] += m
            labels[float(minus[m])] += size - m
        if chance > 0.0:
            for deal, probability in _deals(labels, batch, config.minibatches):
                parts = []
                for hand in deal:
                    if hand not in known:
                        known[hand] = _hand_contents(hand, law, sums)
                    parts.append(known[hand])
                grid = np.indices([len(part[1]) for part in parts]).reshape(len(parts), -1)
                sequences.append(np.stack([part[0][at] for part, at in zip(parts, grid, strict=True)], axis=1))
                chances = [part[1][at] for part, at in zip(parts, grid, strict=True)]
                weights.append(chance * probability * np.prod(chances, axis=0))
                _refuse(sum(map(len, weights)))
    return Contents(np.stack(sums), np.concatenate(sequences), np.concatenate(weights))


def _deals(
    labels: Counter[float], batch: int, hands: int
) -> Iterator[tuple[tuple[tuple[tuple[float, int], ...], ...], float]]:
    """All ways to deal labelled samples into `hands` hands of `batch` cards: ((label, count), …) of each, and its
    probability."""
    total = sum(labels.values())
    if hands == 1:
        yield (tuple(sorted((a, c) for a, c in labels.items() if c)),), 1.0
        return
    values = sorted(labels)
    for counts in _bounded(tuple(labels[a] for a in values), batch):
        ways = math.prod(math.comb(labels[a], c) for a, c in zip(values, counts, strict=True))
        left = Counter({a: labels[a] - c for a, c in zip(values, counts, strict=True)})
        hand = tuple((a, c) for a, c in zip(values, counts, strict=True) if c)
        for rest, probability in _deals(left, batch, hands - 1):
            yield (hand, *rest), probability * ways / math.comb(total, batch)


def _bounded(limits: tuple[int, ...], total: int) -> Iterator[tuple[int, ...]]:
    """All counts that add to `total`, none above its limit."""
    if len(limits) == 1:
        if total <= limits[0]:
            yield (total,)
        return
    for first in range(min(limits[0], total) + 1):
        for rest in _bounded(limits[1:], total - first):
            yield (first, *rest)


def _hand_contents(
    hand: tuple[tuple[float, int], ...], law: RewardLaw, sums: list[Array]
) -> tuple[NDArray[np.int64], Array]:
    """Contents that a hand of labelled samples can have, appended to `sums`: their places and probabilities."""
    outcomes = len(law.rest)
    found = [(np.zeros((4, outcomes)), 1.0)]
    for advantage, count in hand:
        if advantage == 0.0:
            continue
        row = 0 if advantage > 0 else 1
        grown = []
        for counts in _compositions(count, outcomes):
            chance = _multinomial(counts, law.rewarded if row == 0 else law.rest)
            part = np.zeros((4, outcomes))
            part[row], part[row + 2] = advantage * np.array(counts, float), counts
            grown += [(content + part, probability * chance) for content, probability in found]
        found = grown
    places = np.arange(len(sums), len(sums) + len(found))
    sums.extend(content for content, _ in found)
    return places, np.array([probability for _, probability in found])
