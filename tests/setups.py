"""Named set-ups, from which tests depart by what they are about: `replace(STANDARD, learning_rate=0.5)`."""

from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

# That of docs and README: groups of 16, 64 samples a step, eight steps a phase.
STANDARD = PhaseConfig(
    learning_rate=1.0,
    group_size=16,
    groups_per_minibatch=4,
    minibatches=8,
    success_prob=0.5,
    surrogate=PpoClip(0.2, 0.2),
)
# For engines that draw every sample.
SMALL = PhaseConfig(
    learning_rate=1.0,
    group_size=4,
    groups_per_minibatch=2,
    minibatches=3,
    success_prob=0.5,
    surrogate=PpoClip(0.2, 0.2),
)
# Few enough contents of its mini-batches to be enumerated by hand.
TINY = PhaseConfig(
    learning_rate=1.0,
    group_size=2,
    groups_per_minibatch=1,
    minibatches=2,
    success_prob=0.5,
    surrogate=PpoClip(0.2, 0.2),
)
# One group, one step: for moments of a gradient.
ONE_STEP = PhaseConfig(
    learning_rate=1.0,
    group_size=4,
    groups_per_minibatch=1,
    minibatches=1,
    success_prob=0.5,
    surrogate=PpoClip(0.2, 0.2),
)
