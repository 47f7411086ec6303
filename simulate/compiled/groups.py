"""The samples of a phase, by counts: what a mini-batch tells the policy is in a few sums per outcome.

A group is drawn exactly in law as c ~ Multinomial(G, b), one binomial after another, and k_a ~ Bin(c_a, γ_a) rewarded
ones among them, which fixes m = Σk and both advantages. That costs 2K − 1 draws whatever G is. Only where samples are
shuffled over the mini-batches (`UpdateRule.split`) each has to be written down: then the cost grows with G.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.update_rule import UpdateRule

from .stream import MAX_TABLE, Words, binomial, compiled, uniform
from .tables import binomial_tables, from_row

MAX_ENTRIES = 1 << 23  # of all alias rows together, 64 MB
PRAISE, BLAME, PRAISED, BLAMED, SEEN = range(5)  # sums of a mini-batch: Σ Â₊k, Σ Â₋(c − k), Σ k, Σ (c − k), Σ c
SUMS = 5


class Rows(NamedTuple):
    """`tables.binomial_tables`: heads [levels, G + 1]."""

    table: Words
    heads: Words


class Groups(NamedTuple):
    """plus, minus [G + 1]: Â₊, Â₋ by m. success [K]: γ.

    tabled: draw outcomes of the first phase from `outcomes` [K − 1 levels] and rewards from `rewards`, where outcome a
    has level level_of[a]; otherwise all by `stream.binomial`. correction: 1 where whitening divides by n − 1.
    """

    size: int
    groups: int
    minibatches: int
    plus: Array
    minus: Array
    success: Array
    tabled: bool
    outcomes: Rows
    rewards: Rows
    level_of: NDArray[np.int64]
    split: bool
    whiten: bool
    correction: float


class Room(NamedTuple):
    """Memory for one phase: sums [M, SUMS, K]; counts, rewarded [K] of a group; outcome, advantage of every sample."""

    sums: Array
    counts: NDArray[np.int64]
    rewarded: NDArray[np.int64]
    outcome: NDArray[np.int64]
    advantage: Array


def groups_of(config: PhaseConfig, probs: Array, update: UpdateRule) -> Groups:
    size, outcomes = config.group_size, len(probs)
    success = np.broadcast_to(np.asarray(config.success_prob, dtype=np.float64), probs.shape).copy()
    levels, level_of = np.unique(success, return_inverse=True)
    tabled = size <= MAX_TABLE and (outcomes + len(levels)) * (size + 1) ** 2 <= MAX_ENTRIES
    remaining = probs[::-1].cumsum()[::-1]
    shares = np.minimum(probs / remaining, 1.0)[:-1]
    plus, minus = group_advantages(size, config.scale)
    return Groups(
        size=size,
        groups=config.groups_per_minibatch,
        minibatches=config.minibatches,
        plus=plus,
        minus=minus,
        success=success,
        tabled=tabled,
        outcomes=Rows(*binomial_tables(size if tabled else 0, shares)),
        rewards=Rows(*binomial_tables(size if tabled else 0, levels)),
        level_of=level_of.astype(np.int64),
        split=update.split,
        whiten=update.whiten,
        correction=float(config.scale == "std-unbiased"),
    )


@compiled
def make_room(groups: Groups) -> Room:
    outcomes = len(groups.success)
    samples = groups.size * groups.groups * groups.minibatches if groups.split else 0
    return Room(
        np.empty((groups.minibatches, SUMS, outcomes)),
        np.empty(outcomes, np.int64),
        np.empty(outcomes, np.int64),
        np.empty(samples, np.int64),
        np.empty(samples),
    )


@compiled
def draw_group(
    groups: Groups, shared: bool, b: Array, room: Room, position: np.uint64, increment: np.uint64
) -> tuple[int, np.uint64]:
    """(m, the new stream position), with room.counts and room.rewarded; shared: b is what the tables are made for."""
    left, remaining, m = groups.size, 1.0, 0
    for a in range(len(b)):
        count, rewarded = left, 0
        if a < len(b) - 1 and left > 0:
            if shared and groups.tabled:
                position += increment
                count = from_row(groups.outcomes.table, groups.outcomes.heads[a, left], position)
            else:
                share = min(b[a] / remaining, 1.0) if remaining > 0.0 else 1.0
                count, position = binomial(left, share, position, increment)
        remaining -= b[a]
        left -= count
        if count > 0 and groups.tabled:
            position += increment
            head = groups.rewards.heads[groups.level_of[a], count]
            rewarded = from_row(groups.rewards.table, head, position)
        elif count > 0:
            rewarded, position = binomial(count, groups.success[a], position, increment)
        room.counts[a] = count
        room.rewarded[a] = rewarded
        m += rewarded
    return m, position


@compiled
def draw_phase(
    groups: Groups, shared: bool, b: Array, room: Room, position: np.uint64, increment: np.uint64
) -> np.uint64:
    """Fill room.sums with fresh samples from b [K]; the new stream position."""
    room.sums[:] = 0.0
    squares, at = 0.0, 0
    for step in range(groups.minibatches):
        sums = room.sums[step]
        for _ in range(groups.groups):
            m, position = draw_group(groups, shared, b, room, position, increment)
            plus, minus = groups.plus[m], groups.minus[m]
            squares += plus * plus * m + minus * minus * (groups.size - m)
            for a in range(len(b)):
                k, rest = room.rewarded[a], room.counts[a] - room.rewarded[a]
                if groups.split:
                    room.outcome[at : at + k + rest] = a
                    room.advantage[at : at + k] = plus
                    room.advantage[at + k : at + k + rest] = minus
                    at += k + rest
                    continue
                sums[SEEN, a] += k + rest
                if 0 < m < groups.size:
                    sums[PRAISE, a] += plus * k
                    sums[BLAME, a] += minus * rest
                    sums[PRAISED, a] += k
                    sums[BLAMED, a] += rest
    if groups.split:
        position = deal(room, position, increment)
    if groups.whiten and squares > 0.0:
        samples = groups.size * groups.groups * groups.minibatches
        room.sums[:, : BLAME + 1] *= math.sqrt((samples - groups.correction) / squares)
    return position


@compiled
def deal(room: Room, position: np.uint64, increment: np.uint64) -> np.uint64:
    """Shuffle the phase's samples (Fisher & Yates) and deal them to the mini-batches; the new stream position."""
    samples = len(room.outcome)
    each = samples // len(room.sums)
    for i in range(samples - 1, -1, -1):
        position += increment
        j = int(uniform(position) * (i + 1))
        a, advantage = room.outcome[j], room.advantage[j]
        room.outcome[j], room.advantage[j] = room.outcome[i], room.advantage[i]
        sums = room.sums[i // each]
        sums[SEEN, a] += 1.0
        if advantage > 0.0:
            sums[PRAISE, a] += advantage
            sums[PRAISED, a] += 1.0
        elif advantage < 0.0:
            sums[BLAME, a] += advantage
            sums[BLAMED, a] += 1.0
    return position
