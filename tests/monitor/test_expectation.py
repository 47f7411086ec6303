"""The prediction from bins and sums against the project's own from rows."""

import math

import numpy as np
import pytest

from clipbias.monitor.expectation import Steps, expected
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.theory.surrogate import PpoClip, Sapo, Surrogate
from clipbias.validate.predict.sums import CENTRES, COLUMNS, SIGNS, Sums
from clipbias.validate.predict.token_law import clip_fractions
from clipbias.validate.recipe.training import Training

M = 6
TRAINING = Training(M, 8, M, 1e-3, phases=1, max_completion_length=8, adam_beta1=0.8)


def late(momentum: float = 0.8, rates: list[float] | None = None) -> Steps:
    return Steps(rates=rates or [1.0] * M, before=500, momentum=momentum, corrected=True)


def one_tenth(log_ratio: np.ndarray) -> tuple[Sums, np.ndarray]:
    """All tokens in the first tenth, advantages with the law that `clip_fractions` takes."""
    moments = advantage_moments(TRAINING.group_size, TRAINING.success_prob, "std-unbiased")
    values = {"praised": moments.positive_prob, "blamed": moments.negative_prob, "tokens": 1.0}
    values |= {"praise": moments.mu, "blame": moments.mu}
    columns = {name: np.zeros((M, 10)) for name in COLUMNS}
    for name, value in values.items():
        columns[name][:, 0] = value
    edges = np.concatenate([[-np.inf], (CENTRES[1:] + CENTRES[:-1]) / 2, [np.inf]])
    law = np.zeros((10, len(CENTRES)))
    law[0] = np.histogram(log_ratio, edges)[0]
    histogram = np.zeros((M, len(SIGNS), 10, len(CENTRES)))
    histogram[1, 0] = law
    return Sums(**columns, histogram=histogram), law


@pytest.mark.parametrize("gate", [PpoClip(0.2, 0.28), PpoClip(None, 0.2), PpoClip(0.1, 0.2, 1.5)])
def test_fractions_are_those_of_the_token_law(gate: Surrogate) -> None:
    log_ratio = 0.05 * np.random.default_rng(1).standard_t(3, 40_000)
    sums, law = one_tenth(log_ratio)
    steps = late()
    growth = [steps.growth(m) for m in range(M)]
    found = expected(sums, law, gate, growth)
    exact = clip_fractions(log_ratio * growth[1], TRAINING, gate, momentum=0.8)
    np.testing.assert_allclose(found.low, exact.low[2:], rtol=0.03, atol=1e-5)
    np.testing.assert_allclose(found.high, exact.high[2:], rtol=0.03, atol=1e-5)
    wrong = expected(sums, law, gate, [math.sqrt(m) for m in range(M)])  # no momentum
    assert abs(wrong.high[-1] / exact.high[-1] - 1) > 0.1


@pytest.mark.parametrize("gate", [PpoClip(0.2, 0.28), Sapo(1.0, 2.0)])
def test_the_push_is_the_mean_over_the_law(gate: Surrogate) -> None:
    log_ratio = 0.05 * np.random.default_rng(2).standard_t(5, 40_000)
    sums, law = one_tenth(log_ratio)
    moments = advantage_moments(TRAINING.group_size, TRAINING.success_prob, "std-unbiased")
    growth = [late().growth(m) for m in range(M)]
    total = 0.0
    for m in range(2, M):
        ratio = np.exp(growth[m] * log_ratio)
        above, below = gate.slopes(ratio, np.ones(len(ratio)))
        total += moments.mu * float(np.mean(ratio * (above - below)))
    assert expected(sums, law, gate, growth).push[0] == pytest.approx(total, rel=0.03)
    assert not expected(sums, law, gate, growth).push[1:].any()


def test_growth_is_the_momentum_s() -> None:
    assert [late().growth(m) ** 2 for m in range(M)] == pytest.approx([summed_noise(0.8, m) for m in range(M)])
    assert late(0.0, [3.0, 4.0, 1.0, 1.0, 1.0, 1.0]).growth(2) == pytest.approx(5.0)
    assert late(0.0, [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]).growth(1) == 0.0
    first = Steps(rates=[1.0], before=0, momentum=0.9, corrected=True)
    assert first.growth(1) ** 2 == pytest.approx(19.0)  # Adam's first step


def test_no_push_comes_from_ratios_that_no_probability_has() -> None:
    """A tail so long that its ratios overflow: in the first tenth they are at most 20."""
    sums, law = one_tenth(np.array([0.0] * 99 + [5.0]))
    found = expected(sums, law, PpoClip(0.2, 0.2), [late().growth(m) for m in range(M)]).push[0]
    moments = advantage_moments(TRAINING.group_size, TRAINING.success_prob, "std-unbiased")
    assert found == pytest.approx(-(M - 2) * moments.mu * 20.0 / 100)
