import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma, norm

from clipbias.theory.formulas.immunity import immune_above
from clipbias.theory.formulas.neutral import (
    expected_push,
    neutral_clip_high,
    neutral_clip_high_for_law,
    neutral_ratio_std,
    shares_beyond,
)
from clipbias.theory.laws.neutral_phase import neutral_clip_high_of_phase
from clipbias.theory.laws.phase import phase
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from setups import STANDARD

pytestmark = pytest.mark.statistical

LOW, HIGH, SIGMA = st.floats(1e-6, 0.9), st.floats(1e-6, 2.0), st.floats(0.02, 1.5)


def pushed(
    low: float | None, high: float | None, sigma: float, dual: float | None = None, rest: float | None = None
) -> float:
    """∫ e^y s(e^y) N(y; −σ̄²/2, σ²) dy by quadrature over the two tails, the upper one as far as a dual clip."""
    mean = -(((sigma if rest is None else rest) ** 2) / 2)
    density = norm(mean, sigma)

    def weight(y: float) -> float:
        return math.exp(y) * density.pdf(y)

    ends = (mean - 12 * sigma - sigma**2, mean + 12 * sigma + sigma**2)
    total = 0.0
    if low is not None and math.log1p(-low) > ends[0]:
        total += quad(weight, ends[0], math.log1p(-low), epsabs=1e-13, epsrel=1e-12, limit=200)[0]
    last = ends[1] if dual is None else min(math.log(dual), ends[1])
    if high is not None and math.log1p(high) < last:
        total -= quad(weight, math.log1p(high), last, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
    return total


@given(low=st.one_of(st.none(), LOW), high=st.one_of(st.none(), HIGH), sigma=SIGMA)
def test_push_is_the_integral(low: float | None, high: float | None, sigma: float) -> None:
    assert expected_push(PpoClip(low, high), sigma) == pytest.approx(pushed(low, high, sigma), abs=1e-10)


@given(low=st.one_of(st.none(), LOW), high=HIGH, more=st.floats(0.01, 1.0), sigma=SIGMA)
def test_a_dual_clip_loses_the_upper_tail_beyond_it(low: float | None, high: float, more: float, sigma: float) -> None:
    clip = PpoClip(low, high, 1 + high + more)
    assert expected_push(clip, sigma) == pytest.approx(pushed(low, high, sigma, clip.dual), abs=1e-10)
    assert expected_push(clip, sigma) >= expected_push(PpoClip(low, high), sigma)


@given(low=LOW, high=HIGH, sigma=SIGMA, share=st.floats(0.0, 1.4))
def test_push_where_the_rest_spreads_otherwise(low: float, high: float, sigma: float, share: float) -> None:
    rest = share * sigma
    assert expected_push(PpoClip(low, high), sigma, rest) == pytest.approx(
        pushed(low, high, sigma, rest=rest), abs=1e-9
    )
    assert abs(pushed(low, neutral_clip_high(low, sigma, rest), sigma, rest=rest)) < 1e-9


@given(low=LOW, sigma=SIGMA)
def test_the_neutral_clip_is_neutral_and_its_neighbours_are_not(low: float, sigma: float) -> None:
    high = neutral_clip_high(low, sigma)
    assert abs(pushed(low, high, sigma)) < 1e-10
    assert neutral_ratio_std(low, high) == pytest.approx(sigma, rel=1e-6)
    if abs(pushed(low, None, sigma)) > 1e-6:  # where the clip is reached at all
        assert pushed(low, high * 0.9, sigma) < 0 < pushed(low, high * 1.1 + 1e-3, sigma)


@given(epsilon=st.floats(0.01, 0.9), sigma=SIGMA)
def test_a_symmetric_clip_lowers_rare_outcomes(epsilon: float, sigma: float) -> None:
    assert expected_push(PpoClip(epsilon, epsilon), sigma) <= 0


def test_push_is_that_of_sampled_ratios() -> None:
    rng, sigma, clip = np.random.default_rng(0), 0.2, PpoClip(0.2, 0.28)
    ratio = np.exp(rng.normal(-(sigma**2) / 2, sigma, size=2_000_000))
    values = ratio * ((ratio < 0.8).astype(float) - (ratio > 1.28))
    z = (values.mean() - expected_push(clip, sigma)) / (values.std() / math.sqrt(len(values)))
    assert abs(z) < 4
    wrong = expected_push(PpoClip(0.28, 0.2), sigma)  # sides swapped
    assert abs(values.mean() - wrong) / (values.std() / math.sqrt(len(values))) > 10


@given(low=st.none() | st.floats(0.05, 0.9), high=st.none() | st.floats(0.05, 3.0), sigma=st.floats(0.05, 1.0))
def test_shares_beyond_are_integrals_of_the_density(low: float | None, high: float | None, sigma: float) -> None:
    z = np.linspace(-12, 12, 400_001)
    weight = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    ratio = np.exp(-(sigma**2) / 2 + sigma * z)
    below = 0.0 if low is None else weight[ratio < 1 - low].sum()
    above = 0.0 if high is None else weight[ratio > 1 + high].sum()
    assert shares_beyond(PpoClip(low, high), sigma) == pytest.approx((below, above), abs=5e-5)


def test_published_values() -> None:
    assert neutral_clip_high(0.2, 0.0) == pytest.approx(0.25)
    assert neutral_ratio_std(0.2, 0.28) == pytest.approx(0.154, abs=5e-4)
    assert immune_above(PpoClip(0.2, 0.2)) == pytest.approx(0.8333, abs=5e-5)
    assert immune_above(PpoClip(0.2, 0.28)) == pytest.approx(0.78125)
    assert immune_above(PpoClip(0.2, None)) == 0.0


def test_errors_name_the_field() -> None:
    with pytest.raises(ValueError, match=r"clip_low must be in \[0, 1\)"):
        neutral_clip_high(1.0, 0.1)
    with pytest.raises(ValueError, match=r"clip_high must be at least 0\.2500"):
        neutral_ratio_std(0.2, 0.2)
    with pytest.raises(ValueError, match="ratio_std must be positive"):
        expected_push(PpoClip(0.2, 0.2), 0.0)
    with pytest.raises(ValueError, match="rest_std must be at least 0"):
        expected_push(PpoClip(0.2, 0.2), 0.1, -0.1)
    with pytest.raises(ValueError, match=r"rest_std must be in \[0, 0\.141421\]"):
        neutral_clip_high(0.2, 0.1, 0.2)


@given(clip_low=st.floats(0.02, 0.5), sigma=st.floats(0.1, 0.5))
def test_the_rule_for_any_law_is_the_rule_for_a_log_normal_one(clip_low: float, sigma: float) -> None:
    grid = np.linspace(-8, 8, 40_001)
    ratio, weight = np.exp(sigma * grid - sigma**2 / 2), np.exp(-(grid**2) / 2)
    assume(1 - clip_low > ratio[0] * 1.01)
    found = neutral_clip_high_for_law(clip_low, ratio, weight / weight.sum())
    assert found == pytest.approx(neutral_clip_high(clip_low, sigma), rel=2e-3)


def test_the_size_biased_rule_makes_the_push_vanish_for_a_skewed_law() -> None:
    """A law that is nothing like log-normal: the push at its ε_h, summed directly, is 0; at the rule's it is not."""
    rng = np.random.default_rng(0)
    ratio = np.exp(0.3 * (rng.exponential(size=400_000) - 1.0))
    weight = np.full(len(ratio), 1 / len(ratio))

    def push(clip_high: float) -> float:
        return float(ratio @ ((ratio < 0.9).astype(float) - (ratio > 1 + clip_high)) / len(ratio))

    found = neutral_clip_high_for_law(0.1, ratio, weight)
    assert abs(push(found)) < 1e-4
    assert abs(push(neutral_clip_high(0.1, 0.3))) > 0.02


@pytest.mark.parametrize("clip_low", [0.1, 0.2, 0.3])
@pytest.mark.parametrize(("shape", "scale"), [(100, 0.015), (400, 0.01), (100, -0.01), (25, -0.03), (16, 0.05)])
def test_the_correction_for_a_skewed_log_ratio(shape: float, scale: float, clip_low: float) -> None:
    """log R = shift + scale·Gamma(shape), E[R] = 1, so that under the size-biased law the scale is scale/(1 − scale).
    Cornish and Fisher, with the mean that E[R] = 1 implies, leaves less than half of the plain rule's error."""
    level = (np.arange(100_000) + 0.5) / 100_000
    log_ratio = shape * math.log(1 - scale) + scale * gamma(shape).ppf(level)
    exact = neutral_clip_high_for_law(clip_low, np.exp(log_ratio), np.full(len(level), 1 / len(level)))
    sigma, skewness = abs(scale / (1 - scale)) * math.sqrt(shape), math.copysign(2 / math.sqrt(shape), scale)
    mean = sigma**2 / 2 - skewness * sigma**3 / 6
    assert mean == pytest.approx(float(np.exp(log_ratio) @ log_ratio) / len(level), rel=0.01)
    z = (mean - math.log1p(-clip_low)) / sigma
    corrected = math.exp(sigma**2 + skewness * sigma * (z**2 - 1 - sigma**2) / 3) / (1 - clip_low) - 1
    plain = neutral_clip_high(clip_low, abs(scale) * math.sqrt(shape))
    assert abs(corrected - exact) < 0.5 * abs(plain - exact)


def test_the_neutral_bound_of_a_whole_phase() -> None:
    """Where the phase's own neutral bound is used nothing drifts; T6's rule is too low, since what lies beyond a bound
    is no longer log-normal: clipping itself has shaped it."""
    config = replace(STANDARD, groups_per_minibatch=16, surrogate=PpoClip(0.2, 0.28))
    found = neutral_clip_high_of_phase(0.05, config, "drift", "gaussian")
    at = phase(0.05, replace(config, surrogate=PpoClip(0.2, found)), "gaussian")
    assert abs(at.log_odds_shift) < 1e-3 * at.log_odds_std
    assert found == pytest.approx(0.3156, abs=2e-3)
    assert neutral_clip_high(0.2, 0.073) < 0.26
    entropy = neutral_clip_high_of_phase(0.05, config, "entropy", "gaussian")
    free = phase(0.05, replace(config, surrogate=UNCLIPPED), "gaussian").entropy_shift
    kept = phase(0.05, replace(config, surrogate=PpoClip(0.2, entropy)), "gaussian").entropy_shift
    assert kept == pytest.approx(free, abs=1e-6)


@pytest.mark.parametrize("of", ["drift", "entropy"])
@pytest.mark.parametrize(("prob", "bound"), [(0.05, 0.315), (0.3, 0.25)])
def test_the_largest_root_is_found_though_tiny_bounds_turn_the_sign_back(prob: float, bound: float, of) -> None:
    """At p = 0.3 the excess has one sign at both ends of [0.001, 10] and a root between; at p = 0.05 it has not."""
    config = replace(STANDARD, learning_rate=0.6 if prob == 0.3 else 1.0, groups_per_minibatch=16)
    found = neutral_clip_high_of_phase(prob, config, of, "gaussian")
    assert found == pytest.approx(bound, abs=0.012)
    free = phase(prob, replace(config, surrogate=UNCLIPPED), "gaussian")

    def excess(high: float) -> float:
        law = phase(prob, replace(config, surrogate=PpoClip(0.2, high)), "gaussian")
        return law.log_odds_shift if of == "drift" else law.entropy_shift - free.entropy_shift

    assert excess(0.95 * found) < 0 < excess(1.05 * found)
    assert (excess(0.001) > 0) == (prob == 0.3)


def test_a_clip_without_a_neutral_partner_is_refused() -> None:
    with pytest.raises(ValueError, match="dual must be none"):
        neutral_clip_high_of_phase(0.05, replace(STANDARD, surrogate=PpoClip(0.2, 0.2, 2.0)))
    with pytest.raises(ValueError, match="clip_low must have a neutral clip_high"):  # the phase does not reach ε_l
        neutral_clip_high_of_phase(
            0.2, replace(STANDARD, learning_rate=0.2, groups_per_minibatch=16), "drift", "gaussian"
        )
    with pytest.raises(ValueError, match="clip_low must be a number"):
        neutral_clip_high_of_phase(0.05, replace(STANDARD, surrogate=PpoClip(None, 0.2)))
    with pytest.raises(ValueError, match="clip_low must have a neutral clip_high"):
        neutral_clip_high_of_phase(0.5, STANDARD, "drift", "gaussian")
    with pytest.raises(ValueError, match="clip_low must cut off part"):
        neutral_clip_high_for_law(0.5, [0.9, 1.1], [0.5, 0.5])
