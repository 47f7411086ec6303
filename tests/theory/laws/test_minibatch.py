"""A mini-batch's draws against all contents of a mini-batch, and Poisson quantiles against SciPy's."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from clipbias.simulate.exact.contents import whole_groups
from clipbias.theory.laws.minibatch import Advantages, poisson_quantile, rewarded_laws
from clipbias.theory.setup import Scale
from clipbias.theory.surrogate import UNCLIPPED
from setups import ONE_STEP, SMALL

pytestmark = pytest.mark.statistical

PROBS = np.array([0.6, 0.3, 0.1])
REPLICATES = 200_000


@given(rate=st.floats(0.0, 8.0), level=st.floats(1e-9, 1 - 1e-9))
def test_small_rates_have_their_quantiles(rate: float, level: float) -> None:
    found = poisson_quantile(np.array([level]), np.array([rate]))[0]
    below, at = poisson.cdf(found - 1, rate), poisson.cdf(found, rate)
    assert below - 1e-12 <= level <= at + 1e-12


@pytest.mark.parametrize("rate", [8.5, 20.0, 200.0])
def test_large_rates_have_their_cumulants(rate: float) -> None:
    """Mean, variance and third central moment are all λ, by a fine grid of levels."""
    levels = (np.arange(200_000) + 0.5) / 200_000
    count = poisson_quantile(levels, np.full(levels.shape, rate))
    centred = count - count.mean()
    assert count.mean() == pytest.approx(rate, rel=1e-6)
    assert (centred**2).mean() == pytest.approx(rate, rel=2e-3)
    assert (centred**3).mean() == pytest.approx(rate, rel=0.02)
    assert np.abs(count - poisson.ppf(levels, rate)).max() < 1.3  # not rounded: at most about one off


@pytest.mark.parametrize("gamma", [0.2, 0.7, (0.9, 0.1, 0.5)])
@pytest.mark.parametrize("scale", ["std", "none"])
@pytest.mark.parametrize("groups", [1, 4])
def test_sums_have_the_cumulants_of_the_enumeration(
    gamma: float | tuple[float, ...], scale: Scale, groups: int
) -> None:
    """Means and covariances of V₊, V₋ and third moments of their noise, by z-score; negative control: without the
    skewness the third moments are missed by far."""
    config = replace(ONE_STEP, groups_per_minibatch=groups, success_prob=gamma, surrogate=UNCLIPPED, scale=scale)
    single = replace(ONE_STEP, success_prob=gamma, surrogate=UNCLIPPED, scale=scale)
    contents = whole_groups(PROBS, single)
    weight, sums = contents.weight, contents.sums[contents.sequence[:, 0]]
    old = np.broadcast_to(PROBS, (REPLICATES, 3))
    rewarded, rest, rate = rewarded_laws(old, config)
    points = np.random.default_rng(3).random((REPLICATES, 7))
    praise, blame = Advantages.at(rate, config).sums(points, rewarded, rest, config)
    for side, law, drawn in ((0, rewarded, praise), (1, rest, blame)):
        exact = sums[:, side]
        exact_noise = exact - law[0] * exact.sum(axis=1, keepdims=True)
        noise = drawn - law * drawn.sum(axis=1, keepdims=True)
        exact_mean = weight @ exact
        centred = exact - exact_mean

        def close(found: np.ndarray, expected: np.ndarray) -> None:
            error = found.std(axis=0) / np.sqrt(REPLICATES)
            assert np.all(np.abs(found.mean(axis=0) - groups * expected) < 5 * error + 1e-9)

        close(drawn, exact_mean)
        pairs = np.einsum("ra,rb->rab", drawn - groups * exact_mean, drawn - groups * exact_mean)
        close(pairs, np.einsum("r,ra,rb->ab", weight, centred, centred))
        close(noise**3, weight @ exact_noise**3)
        assert abs(groups * (weight @ exact_noise**3)).max() > 20 * (noise**3).std(axis=0).max() / np.sqrt(REPLICATES)


def test_outcomes_without_reward_are_never_praised() -> None:
    config = replace(SMALL, minibatches=1, success_prob=(1.0, 0.0, 0.5), surrogate=UNCLIPPED)
    rewarded, rest, rate = rewarded_laws(np.broadcast_to(PROBS, (50, 3)), config)
    praise, blame = Advantages.at(rate, config).sums(np.random.default_rng(0).random((50, 7)), rewarded, rest, config)
    assert not praise[:, 1].any()
    assert not blame[:, 0].any()
