import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipbias.theory.formulas.whitening import whitened_moments, whitening_factors


def buffers(size: int, groups: int, gamma: float, ddof: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and whitened advantages of all 2^(BG) buffers, straight from the rewards."""
    masses, rows = [], []
    for bits in itertools.product((0.0, 1.0), repeat=size * groups):
        rewards = np.array(bits).reshape(groups, size)
        std = rewards.std(axis=1, ddof=ddof, keepdims=True)
        advantages = np.where(std > 0, (rewards - rewards.mean(axis=1, keepdims=True)) / np.where(std > 0, std, 1), 0)
        whole = advantages.std(ddof=ddof)
        masses.append(gamma ** sum(bits) * (1 - gamma) ** (len(bits) - sum(bits)))
        rows.append((advantages / whole if whole > 0 else advantages).ravel())
    return np.array(masses), np.array(rows)


@settings(max_examples=20)
@given(size=st.integers(2, 4), groups=st.integers(1, 3), gamma=st.floats(0.05, 0.95),
       scale=st.sampled_from(["std", "std-unbiased"]))  # fmt: skip
def test_against_all_buffers(size: int, groups: int, gamma: float, scale: str) -> None:
    masses, advantages = buffers(size, groups, gamma, 0 if scale == "std" else 1)
    found, one = whitened_moments(size, gamma, groups, scale), advantages[:, 0]
    assert found.mu == pytest.approx(masses @ np.maximum(one, 0), abs=1e-12)
    assert found.mu == pytest.approx(-masses @ np.minimum(one, 0), abs=1e-12)
    assert found.v_plus == pytest.approx(masses @ np.maximum(one, 0) ** 2, abs=1e-12)
    assert found.v_minus == pytest.approx(masses @ np.minimum(one, 0) ** 2, abs=1e-12)
    assert found.max_abs == pytest.approx(np.abs(one).max(), abs=1e-12)


def test_it_makes_rare_rewards_louder() -> None:
    assert whitening_factors(16, 0.5, 64)[0] == pytest.approx(1.0, abs=1e-3)
    assert whitening_factors(16, 0.01, 64)[0] > 2.0


@pytest.mark.parametrize(("groups", "scale", "words"), [(0, "std", "groups must be"), (4, "none", "scale must be")])
def test_errors_name_the_field(groups: int, scale: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        whitening_factors(4, 0.5, groups, scale)
