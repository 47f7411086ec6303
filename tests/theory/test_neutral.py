import math

import numpy as np
import pytest
from clipbias.theory.immunity import immune_above
from clipbias.theory.neutral import expected_push, neutral_clip_high, neutral_ratio_std
from clipbias.theory.surrogate import PpoClip
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

LOW, HIGH, SIGMA = st.floats(1e-6, 0.9), st.floats(1e-6, 2.0), st.floats(0.02, 1.5)


def pushed(low: float | None, high: float | None, sigma: float) -> float:
    """∫ e^y s(e^y) N(y; −σ²/2, σ²) dy by quadrature over the two tails."""
    density = norm(-(sigma**2) / 2, sigma)

    def weight(y: float) -> float:
        return math.exp(y) * density.pdf(y)

    ends = (-12 * sigma - sigma**2, 12 * sigma + sigma**2)
    total = 0.0
    if low is not None and math.log1p(-low) > ends[0]:
        total += quad(weight, ends[0], math.log1p(-low), epsabs=1e-13, epsrel=1e-12, limit=200)[0]
    if high is not None and math.log1p(high) < ends[1]:
        total -= quad(weight, math.log1p(high), ends[1], epsabs=1e-13, epsrel=1e-12, limit=200)[0]
    return total


@given(low=st.one_of(st.none(), LOW), high=st.one_of(st.none(), HIGH), sigma=SIGMA)
def test_push_is_the_integral(low: float | None, high: float | None, sigma: float) -> None:
    assert expected_push(PpoClip(low, high), sigma) == pytest.approx(pushed(low, high, sigma), abs=1e-10)


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
