"""What an arm's own shape of training does to the toy's learning rate."""

import math

from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.validate.recipe.arm import Training


def relative_rate(training: Training, shared: Training, success_prob: float | None = None) -> float:
    """The toy's learning rate under an arm's training over that under the shared one.

    (lr′/lr)·√(n′/n)·√(v/v′)·√((S(M′)/M′)/(S(M)/M)), n: samples of a step, v = v₊ + v₋ at the success probability (an
    arm's may be given, γ̄ of a reward that looks), S: `theory.momentum`. Adam divides by the gradient's own size, here
    mostly noise of variance ∝ v/n, so that its steps have the size lr whatever n and v are, where those of plain ascent
    shrink. The last factor is the part of momentum's noise that a phase of M′ steps shows. 1 for the shared training
    itself, and where no reward can say anything (v′ = 0: nothing moves). Not covered: v that changes during training.
    """

    def second_moment(of: Training, prob: float) -> float:
        moments = advantage_moments(of.group_size, prob, "std-unbiased")
        return moments.v_plus + moments.v_minus

    later = second_moment(training, training.success_prob if success_prob is None else success_prob)
    if later == 0.0:
        return 1.0
    noise = second_moment(shared, shared.success_prob) / later
    sizes = training.minibatch_size / shared.minibatch_size
    shown = [summed_noise(t.adam_beta1, t.minibatches) / t.minibatches for t in (training, shared)]
    rate = training.learning_rate / shared.learning_rate
    return rate * math.sqrt(sizes) * math.sqrt(noise) * math.sqrt(shown[0] / shown[1])
