"""The referee: one phase summed over every outcome and every reward of every sample, for small cases.

Samples enter through counts. Given m of G rewarded (probability Bin(G, γ)), the outcomes of the rewarded have counts k
and those of the rest n, with multinomial probabilities under b. Fresh samples make the counts of a mini-batch
independent of the policy, so their law is listed once; the policy is followed along every sequence of M of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, softmax, xlogy

from ..theory.advantage import group_advantages, rewarded_law
from ..theory.config import PhaseConfig
from ..theory.drift import check_probs
from ..theory.surrogate import slopes
from .estimate import Array

MAX_PATHS = 2_000_000


@dataclass(frozen=True, slots=True)
class EnumeratedPhase:
    """Exact mean and variance over one phase; the fields of `tabular.SimulationResult`, without errors.

    logit_shift, logit_variance, prob_shift, prob_variance: [K]. log_odds_*: of the first outcome, log(p/(1−p)).
    clip_low_fraction, clip_high_fraction: [M].
    """

    logit_shift: Array
    logit_variance: Array
    prob_shift: Array
    prob_variance: Array
    log_odds_shift: float
    log_odds_variance: float
    entropy_shift: float
    entropy_variance: float
    clip_low_fraction: Array
    clip_high_fraction: Array

    @property
    def prob_std(self) -> Array:
        return np.sqrt(self.prob_variance)


@dataclass(frozen=True, slots=True)
class _MinibatchLaw:
    """Every content of a mini-batch: weight [Q]; praise, blame [Q, K], sums of Â₊k and Â₋n over groups; expected
    numbers of samples with Â > 0 and Â < 0 by outcome, [K]."""

    weight: Array
    praise: Array
    blame: Array
    praised: Array
    blamed: Array


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


def _group_patterns(outcomes: int, size: int) -> int:
    def ways(total: int) -> int:
        return math.comb(total + outcomes - 1, outcomes - 1)

    return 1 + sum(ways(m) * ways(size - m) for m in range(1, size))


def _minibatch_law(old: Array, config: PhaseConfig) -> _MinibatchLaw:
    size, outcomes = config.group_size, len(old)
    law = rewarded_law(size, config.success_prob)
    plus, minus = group_advantages(size, config.scale)
    weight, counts = [float(law[0] + law[-1])], [np.zeros((4, outcomes))]  # all alike: no gradient
    for m in range(1, size):
        for rewarded in _compositions(m, outcomes):
            for rest in _compositions(size - m, outcomes):
                weight.append(float(law[m]) * _multinomial(rewarded, old) * _multinomial(rest, old))
                k, n = np.array(rewarded, float), np.array(rest, float)
                counts.append(np.stack([plus[m] * k, minus[m] * n, k, n]))
    group_weight, group = np.array(weight), np.stack(counts)
    members = np.array(list(combinations_with_replacement(range(len(weight)), config.groups_per_minibatch)))
    orders = [
        math.factorial(config.groups_per_minibatch)
        / math.prod(math.factorial(int(c)) for c in np.unique(row, return_counts=True)[1])
        for row in members
    ]
    total_weight = np.array(orders) * group_weight[members].prod(axis=1)
    total = group[members].sum(axis=1)
    praised, blamed = total_weight @ total[:, 2], total_weight @ total[:, 3]
    return _MinibatchLaw(total_weight, total[:, 0], total[:, 1], praised, blamed)


def enumerate_phase(probs: ArrayLike, config: PhaseConfig) -> EnumeratedPhase:
    """Exact moments of one phase from probs [K], by the step in `theory.config`.

    At most 2,000,000 sequences of mini-batch contents (there are C(P + N − 1, N)^M, P patterns of one group), else
    ValueError.
    """
    old = check_probs("probs", probs)
    patterns = math.comb(
        _group_patterns(len(old), config.group_size) + config.groups_per_minibatch - 1, config.groups_per_minibatch
    )
    if patterns**config.minibatches > MAX_PATHS:
        raise ValueError(
            f"group_size, groups_per_minibatch, minibatches and the number of probs must give at most {MAX_PATHS} "
            f"paths, got {patterns}^{config.minibatches}"
        )
    law = _minibatch_law(old, config)
    samples = config.group_size * config.groups_per_minibatch
    start = np.log(old)
    logits, weight = start[None, :], np.ones(1)
    low, high = np.zeros(config.minibatches), np.zeros(config.minibatches)
    for step in range(config.minibatches):
        policy = softmax(logits, axis=1) if step else old[None, :]
        ratio = policy / old
        above, below = slopes(ratio, config.clip)
        low[step] = weight @ (1 - below) @ law.blamed / samples
        high[step] = weight @ (1 - above) @ law.praised / samples
        pull = (ratio * above)[:, None] * law.praise + (ratio * below)[:, None] * law.blame
        change = pull - policy[:, None] * pull.sum(axis=2, keepdims=True)
        logits = (logits[:, None] + config.learning_rate / samples * change).reshape(-1, len(old))
        weight = np.outer(weight, law.weight).ravel()
    policy = softmax(logits, axis=1)
    log_odds = logits[:, 0] - np.log(np.exp(logits[:, 1:]).sum(axis=1))
    entropy = entr(policy).sum(axis=1)

    def moments(shift: Array) -> tuple[Array, Array]:
        mean = weight @ shift
        return mean, weight @ (shift - mean) ** 2

    logit_shift, logit_variance = moments(logits - start)
    prob_shift, prob_variance = moments(policy - old)
    log_odds_shift, log_odds_variance = moments(log_odds - np.log(old[0] / (1 - old[0])))
    entropy_shift, entropy_variance = moments(entropy - entr(old).sum())
    return EnumeratedPhase(
        logit_shift,
        logit_variance,
        prob_shift,
        prob_variance,
        float(log_odds_shift),
        float(log_odds_variance),
        float(entropy_shift),
        float(entropy_variance),
        low,
        high,
    )
