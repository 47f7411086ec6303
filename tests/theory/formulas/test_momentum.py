import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.theory.formulas.momentum import (
    effective_share,
    lasting_persistence,
    loudness,
    persistence,
    persistence_from_rest,
    phase_correlation,
    summed_noise,
    summed_noise_from_rest,
)

pytestmark = pytest.mark.statistical

BETA, M = st.floats(0.0, 0.98), st.integers(1, 12)


def covariance(beta: float, minibatches: int, phases: int) -> np.ndarray:
    """[phases, phases] covariance of phase sums, from the correlations of single updates added up one by one."""
    i = np.arange(minibatches * phases)
    single = beta ** np.abs(i[:, None] - i[None, :]) if beta else np.eye(len(i))
    blocks = single.reshape(phases, minibatches, phases, minibatches)
    return blocks.sum(axis=(1, 3))


@given(beta=BETA, minibatches=M, phases=st.integers(2, 6))
def test_every_factor_is_its_double_sum(beta: float, minibatches: int, phases: int) -> None:
    table = covariance(beta, minibatches, phases)
    one = table[0, 0]
    assert summed_noise(beta, minibatches) == pytest.approx(one, rel=1e-9)
    assert persistence(beta, minibatches, phases) == pytest.approx(math.sqrt(table.sum() / (phases * one)), rel=1e-9)
    assert phase_correlation(beta, minibatches) == pytest.approx(table[0, 1] / one, abs=1e-9)
    assert persistence(beta, minibatches, 1) == pytest.approx(1.0)


@given(beta=st.floats(0.0, 0.95), minibatches=M)
def test_the_limits(beta: float, minibatches: int) -> None:
    lasting = pytest.approx(lasting_persistence(beta, minibatches), rel=2e-3)
    assert persistence(beta, minibatches, 10**4) == lasting
    assert persistence_from_rest(beta, minibatches, 10**4) == lasting
    assert persistence_from_rest(beta, minibatches, 3) >= persistence(beta, minibatches, 3) - 1e-12
    assert persistence(0.0, minibatches, 7) == lasting_persistence(0.0, minibatches) == 1.0
    far = covariance(beta, minibatches, 60)[0] / covariance(beta, minibatches, 60)[0, 0]
    if beta ** (2 * minibatches * 59) < 1e-9:
        assert effective_share(beta, minibatches) == pytest.approx(1 / (1 + 2 * (far[1:] ** 2).sum()), rel=1e-6)


def test_learning_rates_weigh_the_updates() -> None:
    """Against the double sum over updates: Cov(v_i, v_j) = (1−β)/(1+β)·β^|i−j| long after the start."""
    rates, beta = np.array([1.0, 0.5, 2.0, 0.0, 3.0]), 0.8
    distance = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    expected = rates @ beta**distance @ rates
    assert summed_noise_from_rest(beta, 405, 400, rates=rates) == pytest.approx(expected, rel=1e-12)
    assert summed_noise_from_rest(beta, 405, 400, rates=rates[::-1]) == pytest.approx(expected, rel=1e-12)
    mixed = summed_noise_from_rest(beta, 5, 0, rates=rates)
    assert mixed != pytest.approx(
        summed_noise_from_rest(beta, 5, 0, rates=rates[::-1]), rel=0.1
    )  # Adam's start is loud
    assert summed_noise_from_rest(beta, 5, 0, rates=np.full(5, 3.0)) == pytest.approx(
        9 * summed_noise_from_rest(beta, 5)
    )


def test_adam_as_published() -> None:
    assert phase_correlation(0.9, 8) == pytest.approx(0.59, abs=5e-3)
    assert summed_noise_from_rest(0.9, 1) == pytest.approx(19.0)


def test_memory_without_end() -> None:
    """β → 1: steady motion, S(n) = n²; every digit of the closed form would be lost."""
    assert summed_noise(1 - 1e-12, 24) == pytest.approx(24**2, rel=1e-9)
    assert phase_correlation(1 - 1e-12, 8) == pytest.approx(1.0, rel=1e-9)


@given(beta=st.floats(0.0, 0.95), minibatches=M, phase=st.integers(1, 5))
def test_a_phase_after_rest_is_its_sum_over_gradients(beta: float, minibatches: int, phase: int) -> None:
    """Every gradient's weight in the phase's updates, added up one by one; long after the start nothing is louder."""
    last = minibatches * phase
    weights = [
        sum((1 - beta) * beta ** (k - j) / (1 - beta**k) for k in range(max(j, last - minibatches + 1), last + 1))
        for j in range(1, last + 1)
    ]
    unit = (1 - beta) / (1 + beta) * summed_noise(beta, minibatches)
    assert loudness(beta, minibatches, phase) == pytest.approx(np.dot(weights, weights) / unit, rel=1e-9)
    assert loudness(beta, minibatches, 500) == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.9])
def test_adam_from_rest(beta: float) -> None:
    """Bias-corrected first moments, written once more; negative control: without the correction it is another law."""
    rng, chains, steps = np.random.default_rng(1), 20_000, 16
    moment, total, uncorrected = np.zeros(chains), np.zeros(chains), np.zeros(chains)
    for k in range(1, steps + 1):
        moment = beta * moment + (1 - beta) * rng.normal(size=chains)
        total += moment / (1 - beta**k)
        uncorrected += moment
    unit, error = (1 - beta) / (1 + beta), math.sqrt(2 / chains)
    claimed = summed_noise_from_rest(beta, steps)
    assert abs(total.var() / unit / claimed - 1) < 4 * error
    if beta:
        assert abs(uncorrected.var() / unit / claimed - 1) > 8 * error


def test_a_simulated_optimizer_agrees() -> None:
    """Updates by the recursion of Adam's first moment; negative control: another β must disagree."""
    rng, chains, steps = np.random.default_rng(0), 4000, 8 * 12
    moment, updates = np.zeros(chains), np.empty((chains, steps))
    for warm in range(200 + steps):
        moment = 0.9 * moment + 0.1 * rng.normal(size=chains)
        if warm >= 200:
            updates[:, warm - 200] = moment
    change = updates.reshape(chains, 12, 8).sum(axis=2)
    measured = change.sum(axis=1).std() / (math.sqrt(12) * change.std())
    error = measured / math.sqrt(2 * chains)
    assert abs(measured - persistence(0.9, 8, 12)) < 4 * error
    assert abs(measured - persistence(0.8, 8, 12)) > 8 * error


def test_errors_name_the_field() -> None:
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\)"):
        summed_noise(1.0, 3)
    with pytest.raises(ValueError, match="phases must be at least 1"):
        persistence(0.9, 8, 0)


def test_momentum_that_starts_quietly() -> None:
    """SGD's, v_k = Σ_j β^j g_{k−j}, term by term; and the negative control, Adam's start in its place."""
    beta, minibatches, phases = 0.8, 4, 3
    steps = np.arange(minibatches * phases)
    weights = np.tril(beta ** np.abs(steps[:, None] - steps[None, :]))  # [update, gradient]
    unit = 1 / (1 - beta**2)  # the stationary variance of an update
    for phase in range(phases):
        of_phase = weights[minibatches * phase : minibatches * (phase + 1)].sum(axis=0)
        expected = float(of_phase @ of_phase) / unit / summed_noise(beta, minibatches)
        assert loudness(beta, minibatches, phase + 1, corrected=False) == pytest.approx(expected, rel=1e-12)
        assert loudness(beta, minibatches, phase + 1) > 1 > expected
    whole = weights.sum(axis=0)
    expected = math.sqrt(float(whole @ whole) / unit / (phases * summed_noise(beta, minibatches)))
    assert persistence_from_rest(beta, minibatches, phases, corrected=False) == pytest.approx(expected, rel=1e-12)
