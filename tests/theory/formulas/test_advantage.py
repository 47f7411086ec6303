import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.theory.formulas.advantage import advantage_moments, group_advantages, pair_moments

SCALES = st.sampled_from(["std", "std-unbiased", "none"])


def normalised(rewards: np.ndarray, scale: str) -> np.ndarray:
    """A group's advantages straight from the rewards, as a trainer computes them."""
    centred = rewards - rewards.mean()
    if scale == "none":
        return centred
    std = rewards.std(ddof=1 if scale == "std-unbiased" else 0)
    return centred / std if std > 0 else centred


def patterns(size: int, gamma: float, scale: str) -> list[tuple[float, np.ndarray]]:
    """All 2^G reward patterns with their probabilities and advantages."""
    out = []
    for bits in itertools.product((0.0, 1.0), repeat=size):
        rewards = np.array(bits)
        mass = gamma ** rewards.sum() * (1 - gamma) ** (size - rewards.sum())
        out.append((mass, normalised(rewards, scale)))
    return out


@given(size=st.integers(2, 8), gamma=st.one_of(st.sampled_from([0.0, 1.0]), st.floats(1e-6, 1 - 1e-6)), scale=SCALES)
def test_moments_are_those_of_all_reward_patterns(size: int, gamma: float, scale: str) -> None:
    found = advantage_moments(size, gamma, scale)
    table = patterns(size, gamma, scale)

    def mean(f: Callable[[np.ndarray], float]) -> float:
        return sum(mass * f(a) for mass, a in table)

    first = [
        (found.mu, mean(lambda a: max(a[0], 0.0))),
        (-found.mu, mean(lambda a: min(a[0], 0.0))),
        (found.v_plus, mean(lambda a: max(a[0], 0.0) ** 2)),
        (found.v_minus, mean(lambda a: min(a[0], 0.0) ** 2)),
        (found.positive_prob, mean(lambda a: float(a[0] > 0))),
        (found.negative_prob, mean(lambda a: float(a[0] < 0))),
        (found.degenerate_prob, mean(lambda a: float(not a.any()))),
    ]
    for closed, brute in first:
        assert closed == pytest.approx(brute, abs=1e-10)
    assert found.max_abs == pytest.approx(max((np.abs(a).max() for mass, a in table if mass > 0)), abs=1e-12)
    pairs = pair_moments(size, gamma, scale)
    assert pairs.plus_plus == pytest.approx(mean(lambda a: max(a[0], 0) * max(a[1], 0)), abs=1e-10)
    assert pairs.plus_minus == pytest.approx(mean(lambda a: max(a[0], 0) * min(a[1], 0)), abs=1e-10)
    assert pairs.minus_minus == pytest.approx(mean(lambda a: min(a[0], 0) * min(a[1], 0)), abs=1e-10)


@given(size=st.integers(2, 200), gamma=st.floats(0.001, 0.999), scale=SCALES)
def test_identities(size: int, gamma: float, scale: str) -> None:
    found, pairs = advantage_moments(size, gamma, scale), pair_moments(size, gamma, scale)
    total = pairs.plus_plus + 2 * pairs.plus_minus + pairs.minus_minus
    assert total == pytest.approx(-(found.v_plus + found.v_minus) / (size - 1), abs=1e-10)
    plus, minus = group_advantages(size, scale)
    m = np.arange(size + 1)
    np.testing.assert_allclose(m * plus + (size - m) * minus, 0.0, atol=1e-9)
    if scale == "std":
        assert found.v_plus + found.v_minus == pytest.approx(1 - found.degenerate_prob, abs=1e-10)


def test_published_values() -> None:
    assert advantage_moments(16, 0.5).mu == pytest.approx(0.4835, abs=5e-5)
    assert advantage_moments(16, 0.5, "std-unbiased").mu == pytest.approx(0.4682, abs=5e-5)
    assert advantage_moments(16, 0.5, "std-unbiased").max_abs == pytest.approx(15 / math.sqrt(16), abs=1e-12)


def test_coins_that_always_fall_alike_say_nothing() -> None:
    for gamma in (0.0, 1.0):
        found = advantage_moments(16, gamma)
        assert (found.mu, found.v_plus, found.v_minus, found.max_abs, found.degenerate_prob) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((1, 0.5, "std"), "group_size must be at least 2"), ((4, 1.5, "std"), r"success_prob must be in \[0, 1\]"),
     ((4, 0.5, "mad"), "scale must be one of")],
)  # fmt: skip
def test_errors_name_the_field(arguments: tuple, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        advantage_moments(*arguments)
