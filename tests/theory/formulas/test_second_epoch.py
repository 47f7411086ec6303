"""A second epoch against enumeration: the order at which the rest of the series comes in, groups whole and split."""

import math
from dataclasses import replace

import numpy as np
import pytest

from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.formulas.second_epoch import second_epoch_shift
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import Cispo, Dppo, PpoClip
from setups import ONE_STEP, TINY


@pytest.mark.parametrize("surrogate", [PpoClip(0.5, 0.5), Cispo(2.0), Dppo(0.3, 0.3)])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    ("probs", "size", "groups", "gamma"),
    [((0.7, 0.3), 3, 1, 0.5), ((0.5, 0.3, 0.2), 2, 1, 0.4), ((0.7, 0.3), 2, 2, 0.3)],
)
def test_the_leading_order(probs, size, groups, gamma, split, surrogate) -> None:
    errors = []
    for eta in (0.1, 0.05):
        config = PhaseConfig(
            learning_rate=eta,
            group_size=size,
            groups_per_minibatch=groups,
            minibatches=2,
            success_prob=gamma,
            surrogate=surrogate,
        )
        found, claimed = enumerate_phase(probs, config, 2, split).logit_shift, second_epoch_shift(probs, config)
        assert np.abs(found - claimed).max() < 0.03 * np.abs(claimed).max()
        errors.append(np.abs(found - claimed).max())
    order = math.log2(errors[0] / errors[1])
    assert 3.8 < order < 4.2  # a wrong coefficient would leave order 2


def test_it_evens_the_policy_out_and_one_epoch_does_not() -> None:
    config = replace(TINY, learning_rate=0.5, group_size=3, surrogate=PpoClip(None, None))
    twice, once = enumerate_phase((0.8, 0.2), config, 2), enumerate_phase((0.8, 0.2), config)
    assert twice.log_odds_shift < -0.04
    assert abs(once.log_odds_shift) < 1e-14
    shift = second_epoch_shift((0.8, 0.2), config)
    moments = 1.0 - 2 * 0.5**3  # E[Â²], population standard deviation
    assert shift[0] - shift[1] == pytest.approx(-4 * 2 * 0.25 / 3 * moments * 0.6 * 0.16)
    np.testing.assert_allclose(second_epoch_shift((0.5, 0.5), config), 0.0, atol=1e-15)


@pytest.mark.parametrize("split", [False, True])
def test_the_next_order_is_the_third_where_advantages_are_skewed(split: bool) -> None:
    """γ = 0.2 and groups of 3: what is left falls as η³ (as η⁴ at γ = ½, above)."""
    errors = []
    for eta in (0.02, 0.01):
        config = replace(TINY, learning_rate=eta, group_size=3, success_prob=0.2, surrogate=PpoClip(0.5, 0.5))
        found, claimed = (
            enumerate_phase((0.7, 0.3), config, 2, split).logit_shift,
            second_epoch_shift((0.7, 0.3), config),
        )
        assert np.abs(found - claimed).max() < 0.03 * np.abs(claimed).max()
        errors.append(np.abs(found - claimed).max())
    assert 2.8 < math.log2(errors[0] / errors[1]) < 3.4


@pytest.mark.parametrize(("prob", "sign"), [(0.5, -1), (0.65, -1), (0.75, -1), (0.78, 1), (0.9, 1)])
def test_entropy_rises_only_from_a_skewed_policy(prob: float, sign: int) -> None:
    """Drift and noise are of one order: E[ΔH] = (4Mη²/n)·E[Â²]·p²(1−p)²·[3(2p−1)x − 2], two epochs, no clip."""
    found = enumerate_phase(
        (prob, 1 - prob), replace(ONE_STEP, learning_rate=0.1, group_size=3, surrogate=PpoClip(None, None)), 2
    ).entropy_shift
    bracket = 3 * (2 * prob - 1) * math.log(prob / (1 - prob)) - 2
    claimed = 4 * 0.1**2 / 3 * (1.0 - 2 * 0.5**3) * (prob * (1 - prob)) ** 2 * bracket
    assert sign * found > 0
    assert found == pytest.approx(claimed, rel=0.01, abs=5e-6)
