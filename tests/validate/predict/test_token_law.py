"""The token law for other surrogates than PPO's clip, on tokens that walk as it says."""

import math

import numpy as np
import pyarrow as pa
import pytest

from clipbias.theory.formulas.momentum import summed_noise
from clipbias.theory.surrogate import Surrogate
from clipbias.validate.predict.token_law import TENTHS, clip_fractions, shared_log_ratio, tenth_counts
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.training import Training

pytestmark = pytest.mark.statistical

TRAINING = Training(6, 4, 6, 1e-4, phases=6, max_completion_length=32)


def walked(gate: Surrogate | None, count: int = 300_000) -> pa.Table:
    """Tokens of all mini-batches; an answer has three, so that positions go 0, 1, 2. Signs are drawn apart."""
    rng, size = np.random.default_rng(0), TRAINING.group_size
    minibatch = np.repeat(rng.integers(TRAINING.minibatches, size=count // 3), 3)
    scale = np.sqrt([summed_noise(TRAINING.momentum, m) for m in range(TRAINING.minibatches)])
    log_ratio = 0.1 * scale[minibatch] * rng.normal(size=count)
    m = np.repeat(rng.binomial(size, 0.5, size=count // 3), 3)
    paid = np.repeat(rng.random(count // 3), 3) < m / size
    std = np.sqrt(np.maximum(m * (size - m), 1) / (size * (size - 1)))
    return pa.table(
        {
            "minibatch": minibatch,
            "position": np.tile([0, 1, 2], count // 3),
            "clipped": np.zeros(count, np.int8),
            "log_ratio": log_ratio,
            "old_log_prob": np.log(rng.random(count)).astype(np.float32),
            "advantage": np.where((m == 0) | (m == size), 0.0, (paid - m / size) / std),
        }
    )


@pytest.mark.parametrize("text", ["sapo:plus=1,minus=3", "cispo:cap=1.1"])
def test_a_soft_gate_clips_nothing_and_pushes_as_mini_batch_two_says(text: str) -> None:
    arm = Arm("a", None, None, surrogate=text)
    found = tenth_counts(walked(arm.gate), arm, TRAINING)
    for name in ("low", "high", "low_expected", "high_expected"):
        assert not any(found[name].to_pylist())

    def later(name: str) -> np.ndarray:
        return found[name].to_numpy().reshape(TENTHS, -1)[:, 2:]

    per_reference = later("push_expected") / later("reference")
    expected = float((per_reference * later("tokens")).sum())
    measured, tokens = float(later("push").sum()), float(later("tokens").sum())
    assert abs(measured - expected) < 4 * math.sqrt(tokens) * 0.2  # an addend's standard deviation is below 0.2
    if text.startswith("sapo"):
        assert expected > 20 * math.sqrt(tokens) * 0.2 / 4  # penalties fade first: pushed up
    fractions = clip_fractions(np.array([0.5, -0.5]), TRAINING, arm.gate, 0.9)
    assert not fractions.low.any()
    assert not fractions.high.any()


def test_the_dual_bound_takes_from_the_blamed() -> None:
    log_ratio, half = np.full(100, math.log(1.5)), (1 - 2 * 0.5**4) / 2  # of all tokens: those in mixed groups
    arm = Arm("a", None, None, surrogate="ppo:low=0.2,high=0.2,dual=1.3")
    found = clip_fractions(log_ratio, TRAINING, arm.gate, 0.0)
    assert [found.low[1], found.high[1]] == pytest.approx([half, half])
    assert clip_fractions(log_ratio, TRAINING, Arm("a", 0.2, 0.2).gate, 0.0).low[1] == 0.0


def test_an_answer_s_tokens_share_the_mean_of_their_log_ratios() -> None:
    table = pa.table({"log_ratio": [0.1, 0.3, -0.2, 0.0, 0.5], "position": [0, 1, 0, 1, 0]})
    np.testing.assert_allclose(shared_log_ratio(table), [0.2, 0.2, -0.1, -0.1, 0.5])
    arm = Arm("a", None, None, surrogate="gspo:low=0.15,high=0.15,length=3")
    tokens = walked(arm.gate)
    counts = tenth_counts(tokens, arm, TRAINING)
    expected = clip_fractions(shared_log_ratio(tokens)[tokens["minibatch"].to_numpy() == 1], TRAINING, arm.gate, 0.9)
    for side, claimed in (("low", expected.low), ("high", expected.high)):
        by_tenth = counts[f"{side}_expected"].to_numpy().reshape(TENTHS, -1).sum(axis=0)
        reference = counts["reference"].to_numpy().reshape(TENTHS, -1).sum(axis=0)
        np.testing.assert_allclose(by_tenth / reference, claimed, atol=1e-12)
    assert expected.low[-1] > 0.05
    own = clip_fractions(tokens["log_ratio"].to_numpy()[tokens["minibatch"].to_numpy() == 1], TRAINING, arm.gate, 0.9)
    assert own.low[-1] > 1.3 * expected.low[-1]  # negative control: a mean moves less than its tokens
