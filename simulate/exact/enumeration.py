"""The referee: one phase summed over every outcome and every reward of every sample, for small cases.

Fresh samples make the contents of the mini-batches independent of the policy, so their law is listed once (`contents`),
and the policy is followed along every sequence of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr, logsumexp, softmax

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.setup import PhaseConfig

from .contents import split_groups, whole_groups


@dataclass(frozen=True, slots=True)
class EnumeratedPhase:
    """Exact mean and variance over one phase; what `theory.law.Law` has, and more of a referee's.

    logit_shift, logit_variance, prob_shift, prob_variance: [K]. log_odds_*: of the first outcome, log(p/(1−p));
    log_odds_largest: its largest |shift|. clip_low_fraction, clip_high_fraction: [E·M], one for each optimizer step.
    ends [P, K] with probability weight [P]: the policies that there may be at the end.
    """

    logit_shift: Array
    logit_variance: Array
    prob_shift: Array
    prob_variance: Array
    log_odds_shift: float
    log_odds_variance: float
    log_odds_largest: float
    entropy_shift: float
    entropy_variance: float
    clip_low_fraction: Array
    clip_high_fraction: Array
    ends: Array
    weight: Array

    @property
    def prob_std(self) -> Array:
        return np.sqrt(self.prob_variance)


def enumerate_phase(probs: ArrayLike, config: PhaseConfig, epochs: int = 1, split: bool = False) -> EnumeratedPhase:
    """Exact moments of one phase from probs [K], by the step in `theory.setup`.

    epochs: how many times the M mini-batches are gone through, with the same samples in the same order. split: the
    phase's samples are shuffled over its mini-batches, groups are not kept whole. InputError where there are more than
    2,000,000 sequences of mini-batches.
    """
    check(epochs >= 1, "epochs", "at least 1", epochs)
    old = check_probs("probs", probs)
    contents = (split_groups if split else whole_groups)(old, config)
    samples = config.group_size * config.groups_per_minibatch
    steps, weight, start = epochs * config.minibatches, contents.weight, np.log(old)
    logits = np.broadcast_to(start, (len(weight), len(old)))
    low, high = np.zeros(steps), np.zeros(steps)
    for step in range(steps):
        policy = softmax(logits, axis=1) if step else np.broadcast_to(old, logits.shape)
        ratio = policy / old
        above, below = config.surrogate.slopes(ratio, old)
        praise, blame, praised, blamed = np.moveaxis(
            contents.sums[contents.sequence[:, step % config.minibatches]], 1, 0
        )
        low[step] = weight @ ((below == 0) * blamed).sum(axis=1) / samples
        high[step] = weight @ ((above == 0) * praised).sum(axis=1) / samples
        pull = ratio * (above * praise + below * blame)
        change = pull - policy * pull.sum(axis=1, keepdims=True)
        logits = logits + config.learning_rate / samples * change
    policy = softmax(logits, axis=1)
    log_odds = logits[:, 0] - logsumexp(logits[:, 1:], axis=1)
    entropy = entr(policy).sum(axis=1)

    def moments(shift: Array) -> tuple[Array, Array]:
        mean = weight @ shift
        return mean, weight @ (shift - mean) ** 2

    logit_shift, logit_variance = moments(logits - start)
    prob_shift, prob_variance = moments(policy - old)
    log_odds_change = log_odds - np.log(old[0] / (1 - old[0]))
    log_odds_shift, log_odds_variance = moments(log_odds_change)
    entropy_shift, entropy_variance = moments(entropy - entr(old).sum())
    return EnumeratedPhase(
        logit_shift,
        logit_variance,
        prob_shift,
        prob_variance,
        float(log_odds_shift),
        float(log_odds_variance),
        float(np.abs(log_odds_change).max()),
        float(entropy_shift),
        float(entropy_variance),
        low,
        high,
        policy,
        weight,
    )
