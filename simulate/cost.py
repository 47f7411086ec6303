"""What a Monte Carlo costs, told from its sizes; see `theory.laws.cost`."""

from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip
from clipbias.theory.update_rule import PLAIN, UpdateRule

from .compiled.stream import MAX_TABLE
from .compiled.two_outcomes import MOST
from .sweeps.point import Point

_START = 1.2e9  # the compiled code is read
_STEP = 30.0  # of a policy, an outcome
_GROUP = 12.0  # two outcomes, tables
_GROUP_SAMPLE = 0.15
_OUTCOME = 60.0  # of a group, by tables
_DRAWN_OUTCOME = 150.0  # by rejection
_DEALT = 15.0  # a sample that is shuffled
_REWARD = 200.0  # of tables over a group's rewards, each


def monte_carlo_work(
    outcomes: int, config: PhaseConfig, phases: int, replicates: int, update: UpdateRule = PLAIN
) -> float:
    """Nanoseconds of one core."""
    size, groups, clip = config.group_size, config.groups_per_minibatch, config.surrogate
    tabled = size <= MAX_TABLE
    plain = update == PLAIN and isinstance(clip, PpoClip) and clip.dual is None
    steps = float(replicates) * phases * config.minibatches
    if outcomes == 2 and tabled and plain and size * groups <= MOST:
        drawn = groups * (_GROUP + _GROUP_SAMPLE * size)
    else:
        drawn = groups * outcomes * (_OUTCOME if tabled else _DRAWN_OUTCOME)
    if update.split:
        drawn += groups * size * _DEALT
    return _START + _REWARD * size + steps * (drawn + _STEP * outcomes * update.epochs)


def sweep_work(point: Point) -> float:
    """Of one point of a sweep."""
    run = len(point.probs), point.config(), point.phases, point.replicates, point.training()
    return monte_carlo_work(*run) - _START
