"""The compiled inner loop: phases of GRPO on a softmax over K outcomes, one replicate after another.

One step's gradient is (W − π·ΣW)/n with W_a = R_a·(f₊′(R_a)·Σ Â₊k_a + f₋′(R_a)·Σ Â₋(c_a − k_a)) − β·(1 − r_a)·Σ c_a,
sums over the groups of the mini-batch (`groups`), R = π/b, r = π_ref/π (`theory.setup`, T2, `theory.update_rule`).
"""

import math

import numpy as np

from clipbias.common.arrays import Array

from .gate import slopes
from .groups import BLAME, BLAMED, PRAISE, PRAISED, SEEN, Groups, draw_phase, make_room
from .record import Setup, Sums, add_powers, entropy, own_log_odds, record_clipping, record_place, softmax
from .stream import compiled, open_stream
from .update import advance


@compiled
def gradient(run: Setup, sums: Array, b: Array, pi: Array, start: Array, pull: Array, events: Array, step: int) -> None:
    """pull [K] ← the gradient in the logits from one mini-batch's sums [SUMS, K]; adds to events [2, E·M]."""
    whole = 0.0
    for a in range(len(pi)):
        ratio = pi[a] / b[a] if b[a] > 0.0 else 1.0  # underflowed: never sampled again, so that its ratio is moot
        above, below = slopes(run.gate, ratio, b[a])
        pull[a] = ratio * (above * sums[PRAISE, a] + below * sums[BLAME, a])
        if above == 0.0:
            events[1, step] += sums[PRAISED, a]
        if below == 0.0:
            events[0, step] += sums[BLAMED, a]
        if run.kl_coefficient > 0.0:
            away = start[a] / pi[a] if pi[a] > 0.0 else math.inf
            pull[a] -= run.kl_coefficient * (1.0 - away) * sums[SEEN, a]
        whole += pull[a]
    for a in range(len(pi)):
        pull[a] = (pull[a] - pi[a] * whole) * run.inverse_samples


@compiled
def run_chunk(run: Setup, groups: Groups, first: int, count: int, sums: Sums) -> None:
    """Replicates first … first + count − 1, added to `sums`."""
    outcomes = len(run.logits)
    z, pi, b, start = np.empty(outcomes), np.empty(outcomes), np.empty(outcomes), np.empty(outcomes)
    pull, mean, square = np.empty(outcomes), np.empty(outcomes), np.empty(outcomes)
    room = make_room(groups)
    events = np.empty((2, run.epochs * groups.minibatches))
    softmax(run.logits, start)
    start_entropy, start_log_odds = entropy(start), own_log_odds(run.logits, 0)
    for replicate in range(first, first + count):
        position, increment = open_stream(run.key, replicate)
        z[:] = run.logits
        pi[:] = start
        mean[:], square[:] = 0.0, 0.0
        events[:] = 0.0
        done = 0
        for phase in range(run.phases):
            if replicate < len(sums.paths):
                sums.paths[replicate, phase] = pi
            b[:] = pi
            position = draw_phase(groups, phase == 0, b, room, position, increment)
            for step in range(run.epochs * groups.minibatches):
                gradient(run, room.sums[step % groups.minibatches], b, pi, start, pull, events, step)
                done += 1
                advance(run.update, done, pull, mean, square, z)
                softmax(z, pi)
        if replicate < len(sums.paths):
            sums.paths[replicate, run.phases] = pi
        record_clipping(sums.clipped, events, run.inverse_samples / run.phases)
        for a in range(outcomes):
            add_powers(sums.powers[a], z[a] - run.logits[a])
            add_powers(sums.powers[outcomes + a], pi[a] - start[a])
            record_place(sums, a, own_log_odds(z, a), pi[a], run.thresholds)
        add_powers(sums.powers[2 * outcomes], entropy(pi) - start_entropy)
        add_powers(sums.powers[2 * outcomes + 1], own_log_odds(z, 0) - start_log_odds)
