"""One property: all that can compute a quantity compute the same, for every surrogate, with rewards by outcome or not.

200 set-ups in `make test`; `pytest tests/theory/test_all_methods_agree.py --hypothesis-profile thorough` draws 20,000.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from clipbias.simulate.exact.contents import whole_groups
from clipbias.simulate.exact.enumeration import EnumeratedPhase, enumerate_phase
from clipbias.simulate.methods import Enumeration, MonteCarlo
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.covariance import gradient_covariance
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.formulas.reward import reward_drift
from clipbias.theory.law import Exact, Law, Paths, law
from clipbias.theory.laws.paths import single_jump
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo

pytestmark = pytest.mark.statistical

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
POLICIES = st.one_of(
    st.builds(lambda p: (p, 1 - p), CHANCE),
    st.builds(lambda p, share: (p, (1 - p) * share, (1 - p) * (1 - share)), CHANCE, CHANCE),
)
POINTS = 256
REPLICATES = 20_000 if settings().max_examples <= 200 else 2_000
# At most 20,000 × 12 means are drawn in a thorough run: one such run in a thousand may fail by chance.
DOUBT = math.log(2 * 240_000 * 1_000)


@st.composite
def set_ups(draw: st.DrawFn) -> tuple[np.ndarray, PhaseConfig]:
    probs = np.array(draw(POLICIES))
    size, groups, minibatches = draw(SHAPES)
    gamma = draw(st.one_of(CHANCE, st.tuples(*[CHANCE] * len(probs))))
    scale = draw(st.sampled_from(["std", "std-unbiased", "none"]))
    return probs, PhaseConfig(
        learning_rate=draw(st.floats(0.05, 2.0)),
        group_size=size,
        groups_per_minibatch=groups,
        minibatches=minibatches,
        success_prob=gamma,
        surrogate=draw(SURROGATES),
        scale=scale,
    )


@settings(max_examples=max(200, settings().max_examples))
@given(set_up=set_ups(), moved=st.lists(st.floats(-0.7, 0.7), min_size=3, max_size=3), seed=st.integers(0, 2**32 - 1))
def test_all_methods_agree(set_up, moved, seed) -> None:
    probs, config = set_up
    enumerated = enumerate_phase(probs, config)
    same_numbers(law(probs, config, method=Enumeration()), enumerated, 0.0)
    if len(probs) == 2:
        same_numbers(law(probs, config, method=Exact()), enumerated, 1e-9)
    if not isinstance(config.success_prob, tuple) and (
        config.surrogate == UNCLIPPED or isinstance(config.surrogate, Cispo | Probability)
    ):
        np.testing.assert_allclose(enumerated.logit_shift, 0, atol=1e-12)
    gradient(softmax(np.log(probs) + moved[: len(probs)]), probs, config)
    quasi_random(probs, config, enumerated, seed)
    monte_carlo(probs, config, enumerated, seed)


def same_numbers(found: Law, enumerated: EnumeratedPhase, error: float) -> None:
    """T4 and enumeration: within `error` of the referee's own numbers, in units of the spread."""
    spread = math.sqrt(enumerated.log_odds_variance)
    assert abs(found.log_odds_shift.value - enumerated.log_odds_shift) <= error * (1 + spread)
    assert abs(found.log_odds_std.value - spread) <= error * (1 + spread)
    np.testing.assert_allclose(found.prob_shift.value, enumerated.prob_shift, rtol=0, atol=error)
    np.testing.assert_allclose(found.prob_std.value, enumerated.prob_std, rtol=0, atol=10 * error)
    assert abs(found.entropy_shift.value - enumerated.entropy_shift) <= error
    np.testing.assert_allclose(found.clip_low_fraction.value, enumerated.clip_low_fraction, rtol=0, atol=error)
    np.testing.assert_allclose(found.clip_high_fraction.value, enumerated.clip_high_fraction, rtol=0, atol=error)
    assert not found.log_odds_shift.stderr.any()


def gradient(policy: np.ndarray, old: np.ndarray, config: PhaseConfig) -> None:
    """T2, T3 and T9 at a policy that has moved away from b, where gates act: mean and covariance of one step's gradient
    over every content of a mini-batch."""
    contents = whole_groups(old, replace(config, minibatches=1))
    praise, blame, _, _ = np.moveaxis(contents.sums[contents.sequence[:, 0]], 1, 0)
    above, below = config.surrogate.slopes(policy / old, old)
    pull = policy / old * (above * praise + below * blame)
    found = (pull - policy * pull.sum(axis=1, keepdims=True)) / (config.group_size * config.groups_per_minibatch)
    mean = contents.weight @ found
    np.testing.assert_allclose(reward_drift(policy, old, config).total, mean, atol=1e-10)
    centred = found - mean
    covariance = (contents.weight[:, None] * centred).T @ centred
    np.testing.assert_allclose(gradient_covariance(policy, old, config), covariance, atol=1e-10)
    if not isinstance(config.success_prob, tuple):
        mu = advantage_moments(config.group_size, config.success_prob, config.scale).mu
        np.testing.assert_allclose(expected_gradient(policy, old, config.surrogate, mu), mean, atol=1e-10)


def quasi_random(probs: np.ndarray, config: PhaseConfig, enumerated: EnumeratedPhase, seed: int) -> None:
    """T5 against enumeration: the first step always, the whole phase where it does not warn."""
    # its stated error needs samples of every kind, not once in a thousand mini-batches
    rates = np.broadcast_to(config.success_prob, probs.shape)
    if config.group_size * config.groups_per_minibatch * (probs * np.minimum(rates, 1 - rates)).min() < 0.05:
        return
    for of, exact in ((replace(config, minibatches=1), None), (config, enumerated)):
        found = law(probs, of, method=Paths(points=POINTS, seed=seed))
        if exact is not None and found.warnings:
            return
        exact = exact or enumerate_phase(probs, of)
        # Of a set's points, the share beyond the level of a rare count is right to one point. Where all sets round
        # alike their scatter does not show it: one point that jumps, beside 8 standard errors (t with 15 degrees of
        # freedom). Over a phase, the error that `paths` states: 1 % of the spread and 5 % of the shift.
        jump, std, stderr = float(single_jump(probs, of).max()), found.logit_std.value, found.logit_std.stderr
        stated = 0.01 * np.sqrt(exact.logit_variance) + 0.05 * abs(exact.logit_shift) if of.minibatches > 1 else 0.0
        allowed = 8 * found.logit_shift.stderr + of.minibatches * jump / POINTS + stated
        assert (abs(found.logit_shift.value - exact.logit_shift) < allowed).all()
        if of.minibatches == 1:
            assert (abs(std**2 - exact.logit_variance) < 16 * std * stderr + jump**2 / POINTS).all()


def monte_carlo(probs: np.ndarray, config: PhaseConfig, enumerated: EnumeratedPhase, seed: int) -> None:
    """The compiled engine's means against the true ones, in true standard errors and with what rare draws add to them.

    Of n draws with variance σ², none further than B from its mean, the average errs by more than
    BL/3n + √((BL/3n)² + 2σ²L/n) with probability below 2e^(−L) (Bernstein): for L = DOUBT 6.3 standard errors, and more
    only where an outcome of probability about 1/n carries σ. A sample's own standard error would be 0 there.
    """
    sampled = law(probs, config, method=MonteCarlo(replicates=REPLICATES, seed=seed, threads=1))

    def agree(mean: object, truth: object, variance: object, bound: float) -> None:
        rare = bound * DOUBT / (3 * REPLICATES)
        errors = rare + np.sqrt(rare**2 + 2 * np.asarray(variance) * DOUBT / REPLICATES)
        assert (np.abs(np.asarray(mean) - truth) <= errors + 1e-9).all()

    shift, largest = sampled.log_odds_shift.value, enumerated.log_odds_largest
    agree(shift, enumerated.log_odds_shift, enumerated.log_odds_variance, 2 * largest)
    square = enumerated.log_odds_variance + enumerated.log_odds_shift**2
    agree(sampled.log_odds_std.value**2 + shift**2, square, largest**2 * square, largest**2)
    agree(sampled.prob_shift.value, enumerated.prob_shift, enumerated.prob_variance, 1.0)
    span = math.log(len(probs))
    agree(sampled.entropy_shift.value, enumerated.entropy_shift, enumerated.entropy_variance, span)
    for name in ("clip_low_fraction", "clip_high_fraction"):
        share = getattr(enumerated, name)
        agree(getattr(sampled, name).value, share, share * (1 - share), 1.0)
