"""Split groups under a smooth gate against enumeration, as an order of convergence."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.formulas.split_groups import mate_moments, sapo_shift
from clipbias.theory.setup import PhaseConfig, Scale
from clipbias.theory.surrogate import Sapo
from setups import TINY

SHAPES = [(2, 1, 2), (2, 2, 2), (4, 1, 2), (2, 1, 3)]  # G, N, M


@pytest.mark.parametrize("gamma", [0.5, 0.2])
@pytest.mark.parametrize("scale", ["std", "none"])
def test_mates_are_all_patterns_of_a_group(gamma: float, scale: Scale) -> None:
    size = 5
    plus, minus = group_advantages(size, scale)
    found = np.zeros(2)
    for rewards in itertools.product((0, 1), repeat=size):
        m = sum(rewards)
        mass = gamma**m * (1 - gamma) ** (size - m)
        advantages = [plus[m] if r else minus[m] for r in rewards]
        found[0 if rewards[0] else 1] += mass * abs(advantages[0]) * advantages[1] ** 2
    config = replace(TINY, group_size=size, success_prob=gamma, surrogate=Sapo(), scale=scale)
    assert mate_moments(config) == pytest.approx(tuple(found), rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("gamma", [0.5, 0.3])
def test_whole_split_and_their_difference_converge(shape: tuple[int, int, int], gamma: float) -> None:
    """The error in units of the shift falls as η, so that the third order is right; also that of the difference."""
    probs = (0.7, 0.3)
    for rate in (0.1, 0.05, 0.025):
        size, groups, minibatches = shape
        config = PhaseConfig(
            learning_rate=rate,
            group_size=size,
            groups_per_minibatch=groups,
            minibatches=minibatches,
            success_prob=gamma,
            surrogate=Sapo(1.0, 3.0),
        )
        whole, split = (enumerate_phase(probs, config, split=split).logit_shift[0] for split in (False, True))
        claimed_whole, claimed_split = (sapo_shift(probs, config, split)[0] for split in (False, True))
        allowed = 0.3 * rate * abs(whole)
        assert abs(whole - claimed_whole) < allowed
        assert abs(split - claimed_split) < allowed
        assert abs((split - whole) - (claimed_split - claimed_whole)) < 4 * allowed
    if abs(claimed_split / claimed_whole - 1) > 0.1:  # negative control: the law of whole groups is another
        assert abs(split - claimed_whole) > 5 * allowed


def test_three_outcomes() -> None:
    config = replace(TINY, learning_rate=0.05, success_prob=0.4, surrogate=Sapo(1.0, 2.0))
    for split in (False, True):
        exact = enumerate_phase((0.6, 0.3, 0.1), config, split=split).logit_shift
        np.testing.assert_allclose(sapo_shift((0.6, 0.3, 0.1), config, split), exact, atol=0.03 * abs(exact).max())


def test_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="surrogate must be a Sapo"):
        sapo_shift((0.5, 0.5), replace(TINY, learning_rate=0.1, group_size=4), True)
