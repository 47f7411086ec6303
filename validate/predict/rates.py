"""What an arm's own shape of training does to the size of its steps, and to the toy's learning rate."""

import math

from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.theory.update_rule import Adam
from clipbias.validate.recipe.training import Training


def _second_moment(of: Training, prob: float) -> float:
    """v = v₊ + v₋ of the advantages."""
    moments = advantage_moments(of.group_size, prob, "std-unbiased")
    return moments.v_plus + moments.v_minus


def _unit(of: Training) -> float:
    """Variance of one update whose gradients have variance 1: (1−β)/(1+β) of Adam's mean, 1/(1−β²) of SGD's sum."""
    beta = of.momentum
    return (1 - beta) / (1 + beta) if isinstance(of.update, Adam) else 1 / (1 - beta**2)


def relative_step(training: Training, shared: Training, success_prob: float | None = None) -> float:
    """The size of one step's noise under an arm's training over that under the shared one.

    (lr′/lr)·√(u′/u), u: the variance of one update in units of its gradient's. Adam divides by the gradient's own size,
    here mostly noise of variance ∝ v/n (n: samples of a step, v = v₊ + v₋ at the success probability, of which an
    arm's may be given: γ̄ of a reward that looks), so that its steps have the size lr whatever n and v are. Those of SGD
    have not: times √((v′/n′)/(v/n)).
    """
    size = training.learning_rate / shared.learning_rate * math.sqrt(_unit(training) / _unit(shared))
    if isinstance(training.update, Adam):
        return size
    later = _second_moment(training, training.success_prob if success_prob is None else success_prob)
    noise = later / _second_moment(shared, shared.success_prob)
    return size * math.sqrt(noise * shared.minibatch_size / training.minibatch_size)


def relative_rate(training: Training, shared: Training, success_prob: float | None = None) -> float:
    """The toy's learning rate under an arm's training over that under the shared one.

    `relative_step`·√(n′/n)·√(v/v′)·√((S(M′)/M′)/(S(M)/M)), S: `theory.momentum`. The steps of plain ascent have the
    size √(v/n), which the first two roots make up for; the last one is the part of momentum's noise that a phase of M′
    steps shows. 1 for the shared training itself, and where no reward can say anything (v′ = 0: nothing moves). Not
    covered: v that changes during training.
    """
    prob = training.success_prob if success_prob is None else success_prob
    later = _second_moment(training, prob)
    if later == 0.0:
        return 1.0
    noise = _second_moment(shared, shared.success_prob) / later
    sizes = training.minibatch_size / shared.minibatch_size
    shown = [summed_noise(t.momentum, t.minibatches) / t.minibatches for t in (training, shared)]
    rate = relative_step(training, shared, prob)
    return rate * math.sqrt(sizes) * math.sqrt(noise) * math.sqrt(shown[0] / shown[1])
