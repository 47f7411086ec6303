"""One property: all that can compute a quantity compute the same, for every surrogate, with rewards by outcome or not.

200 set-ups in `make test`; `pytest tests/theory/test_all_methods_agree.py --hypothesis-profile thorough` draws 20,000.
"""

import math
import warnings

import numpy as np
from clipbias.simulate.enumeration import enumerate_phase
from clipbias.simulate.tabular import simulate
from clipbias.theory.advantage import advantage_moments
from clipbias.theory.config import PhaseConfig
from clipbias.theory.covariance import gradient_covariance
from clipbias.theory.drift import expected_gradient
from clipbias.theory.paths import paths
from clipbias.theory.phase import phase
from clipbias.theory.reward import reward_drift
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo
from hypothesis import given, settings
from hypothesis import strategies as st

SIDE = st.one_of(st.none(), st.floats(0.02, 0.6))
SURROGATES = st.one_of(
    st.just(UNCLIPPED),
    st.builds(PpoClip, SIDE, SIDE),
    st.builds(lambda low, high, c: PpoClip(low, high, 1 + high + c), SIDE, st.floats(0.05, 0.3), st.floats(0.01, 0.5)),
    st.builds(Cispo, st.floats(1.01, 2.0)),
    st.builds(Sapo, st.floats(0.2, 5.0), st.floats(0.2, 5.0)),
    st.builds(Dppo, st.floats(0.01, 0.3), st.floats(0.01, 0.3)),
    st.builds(Gspo, st.floats(0.01, 0.2), st.floats(0.01, 0.2), st.integers(1, 5)),
    st.just(Probability()),
)
CHANCE = st.floats(0.05, 0.95)
# (G, N, M) whose sequences of mini-batches can be listed
SHAPES = st.sampled_from(
    [(2, 1, 1), (2, 1, 3), (2, 2, 2), (3, 1, 1), (3, 1, 2), (3, 2, 1), (4, 1, 2), (5, 1, 1), (8, 1, 1)]
)


@settings(max_examples=max(200, settings().max_examples))
@given(
    prob=CHANCE, rate=st.floats(0.05, 2.0), shape=SHAPES, gamma=st.one_of(CHANCE, st.tuples(CHANCE, CHANCE)),
    surrogate=SURROGATES, scale=st.sampled_from(["std", "std-unbiased", "none"]), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_all_methods_agree(prob, rate, shape, gamma, surrogate, scale, seed) -> None:
    size, groups, minibatches = shape
    config = PhaseConfig(rate, size, groups, minibatches, gamma, surrogate, scale)
    probs, axis = np.array([prob, 1 - prob]), np.array([1.0, -1.0])
    enumerated, law = enumerate_phase(probs, config), phase(prob, config)
    spread = math.sqrt(enumerated.log_odds_variance)

    # T4 and enumeration: the same numbers
    assert abs(law.log_odds_shift - enumerated.log_odds_shift) < 1e-9 * (1 + spread)
    assert abs(law.log_odds_std - spread) < 1e-9 * (1 + spread)
    np.testing.assert_allclose(law.mean_prob_shift, enumerated.prob_shift, atol=1e-9)
    np.testing.assert_allclose(law.prob_std, enumerated.prob_std, atol=1e-8)
    assert abs(law.entropy_shift - enumerated.entropy_shift) < 1e-9
    np.testing.assert_allclose(law.clip_low_fraction, enumerated.clip_low_fraction, atol=1e-9)
    np.testing.assert_allclose(law.clip_high_fraction, enumerated.clip_high_fraction, atol=1e-9)

    # T2, T3 and T9 are the first step; without meaning in the reward and without a push nothing drifts, ever
    first = enumerate_phase(probs, PhaseConfig(rate, size, groups, 1, gamma, surrogate, scale))
    np.testing.assert_allclose(rate * reward_drift(probs, probs, config).total @ axis, first.log_odds_shift, atol=1e-10)
    np.testing.assert_allclose(
        rate**2 * axis @ gradient_covariance(probs, probs, config) @ axis, first.log_odds_variance, atol=1e-10
    )
    if not isinstance(gamma, tuple):
        mu = advantage_moments(size, gamma, scale).mu
        assert not expected_gradient(probs, probs, surrogate, mu).any()
        if surrogate == UNCLIPPED or isinstance(surrogate, Cispo | Probability):
            assert abs(enumerated.log_odds_shift) < 1e-12 * (1 + spread)

    # T5: the same mean and variance of a step; its stated error needs samples of every kind, not once in a thousand
    rates = gamma if isinstance(gamma, tuple) else (gamma, gamma)
    rarest = size * groups * min(b * share for b, g in zip(probs, rates, strict=True) for share in (g, 1 - g))
    if rarest > 0.05:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # single samples matter in more than one step
            found = paths(probs, PhaseConfig(rate, size, groups, 1, gamma, surrogate, scale), points=64, seed=seed)
        std_error = abs(found.log_odds_std.value[0] - math.sqrt(first.log_odds_variance))
        assert abs(found.log_odds_shift.value[0] - first.log_odds_shift) < 8 * found.log_odds_shift.stderr[0] + 1e-9
        assert std_error < 8 * found.log_odds_std.stderr[0] + 1e-9

    # Monte Carlo, by z-score: the compiled engine knows PPO's clip and outcome-blind rewards
    if isinstance(surrogate, PpoClip) and surrogate.dual is None and not isinstance(gamma, tuple):
        sampled = simulate(config, probs, 1, 2_000, seed=seed)
        for name in ("log_odds_shift", "entropy_shift"):
            estimate = getattr(sampled, name)
            assert abs(estimate.mean - getattr(enumerated, name)) < 6 * estimate.stderr + 0.01 * spread
