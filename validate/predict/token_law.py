"""The law of the clip token by token, with nothing fitted: the ratios of mini-batch 2 say what it does in all others.

In mini-batch m the log-ratio of a token has the law of √S(m−1)·ℓ, ℓ that of mini-batch 2 (S of `theory.momentum`;
√(m−1) without momentum), and the sign of its advantage is independent of it. So the shares that are clipped are

    low = P(Â<0)·P(√S·ℓ < ln(1−ε_l)),  high = P(Â>0)·P(√S·ℓ > ln(1+ε_h)),

and the push that the clip adds (T2, μ = E[Â; Â>0] = −E[Â; Â<0]), positive where it raises tokens, is

    push = μ·E[R; R < 1−ε_l] − μ·E[R; R > 1+ε_h],  R = exp(√S·ℓ).

The law of ℓ is the measured one, since log-ratios have tails far heavier than a normal law's. Other surrogates leave of
a gradient the part f′: a token is clipped where f′ = 0, and the push is μ·E[R(1 − f₋′)] − μ·E[R(1 − f₊′)]. Where all
tokens of an answer share one ratio, ℓ is the mean of theirs.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from clipbias.common.arrays import Array
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.momentum import summed_noise
from clipbias.theory.surrogate import PpoClip, Surrogate
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.gate import per_answer, token_gate
from clipbias.validate.recipe.training import Training

from .prediction import ClipFractions

TENTHS = 10
_LARGEST = 50.0  # log-ratio whose ratio is still a number to add


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """Tokens as they will be in a later mini-batch: log R, and the part of their gradient that the surrogate removes if
    their answer was not paid (low) and if it was (high); [n] each."""

    log_ratio: Array
    low: Array
    high: Array

    @classmethod
    def to(cls, log_ratio: Array, gate: Surrogate) -> "Moved":
        return cls(log_ratio, *_removed(log_ratio, token_gate(gate)))

    @property
    def ratio(self) -> Array:
        return np.asarray(np.exp(np.clip(self.log_ratio, -_LARGEST, _LARGEST)))


def _moved(log_ratio: Array, gate: Surrogate, momentum: float, minibatches: int) -> Iterator[Moved]:
    """The tokens of mini-batch 2 in mini-batches 1…M."""
    for steps in range(minibatches):
        yield Moved.to(math.sqrt(summed_noise(momentum, steps)) * log_ratio, gate)


def _removed(log_ratio: Array, gate: Surrogate) -> tuple[Array, Array]:
    """1 − f₋′ and 1 − f₊′; PPO's bounds are compared with log-ratios, which do not overflow."""
    if not isinstance(gate, PpoClip):
        ratio = np.exp(np.clip(log_ratio, -_LARGEST, _LARGEST))
        above, below = gate.slopes(ratio, np.ones_like(ratio))
        return 1.0 - below, 1.0 - above
    blamed = log_ratio < (-math.inf if gate.low is None else math.log1p(-gate.low))
    if gate.dual is not None:
        blamed |= log_ratio > math.log(gate.dual)
    praised = log_ratio > (math.inf if gate.high is None else math.log1p(gate.high))
    return blamed.astype(np.float64), praised.astype(np.float64)


def shared_log_ratio(tokens: pa.Table) -> Array:
    """By token the mean log-ratio of its answer's tokens. Rows: of whole answers, each from position 0 on."""
    log_ratio = tokens["log_ratio"].to_numpy().astype(np.float64)
    first = np.flatnonzero(tokens["position"].to_numpy() == 0)
    lengths = np.diff([*first, len(log_ratio)])
    return np.repeat(np.add.reduceat(log_ratio, first) / lengths, lengths) if len(first) else log_ratio


def clip_fractions(log_ratio: Array, training: Training, gate: Surrogate, momentum: float) -> ClipFractions:
    """Shares of all tokens clipped low and high in mini-batches 1…M. log_ratio [n]: ℓ, all tokens of mini-batch 2 of
    the pilot."""
    moments = advantage_moments(training.group_size, training.success_prob, "std-unbiased")
    later = list(_moved(log_ratio, gate, momentum, training.minibatches))
    return ClipFractions(
        low=np.array([moments.negative_prob * float(np.mean(tokens.low == 1.0)) for tokens in later]),
        high=np.array([moments.positive_prob * float(np.mean(tokens.high == 1.0)) for tokens in later]),
    )


def tenth_counts(tokens: pa.Table, arm: Arm, training: Training) -> pa.Table:
    """One row for each tenth of the old probability and mini-batch: tokens, those clipped low and high, the sum of
    their pushes; and from the `reference` tokens of mini-batch 2 in that tenth the sums of what is expected of them in
    each mini-batch. tokens: of one cell; training: the arm's.

    Measured push: the sum of −Â·R·(1 − f′), with the clip of what it removes: +|Â|R for a blamed token, −|Â|R for a
    praised one.
    """
    minibatch, clipped = tokens["minibatch"].to_numpy(), tokens["clipped"].to_numpy()
    gate, own = arm.gate, tokens["log_ratio"].to_numpy().astype(np.float64)
    log_ratio = shared_log_ratio(tokens) if per_answer(gate) else own
    prob = np.exp(tokens["old_log_prob"].to_numpy().astype(np.float64))
    tenth = np.minimum((TENTHS * prob).astype(np.int64), TENTHS - 1)
    advantage = tokens["advantage"].to_numpy().astype(np.float64)
    part = clipped != 0
    if not isinstance(token_gate(gate), PpoClip):
        part = np.where(advantage < 0, *_removed(log_ratio, gate))
    removed = np.where(part > 0, -advantage * np.exp(log_ratio) * part, 0.0)
    place, size = tenth * training.minibatches + minibatch, TENTHS * training.minibatches
    rows = {
        "tenth": np.repeat(np.arange(TENTHS), training.minibatches),
        "minibatch": np.tile(np.arange(training.minibatches), TENTHS),
        "tokens": np.bincount(place, minlength=size),
        "low": np.bincount(place, clipped < 0, size),
        "high": np.bincount(place, clipped > 0, size),
        "push": np.bincount(place, removed, size),
    }
    second = minibatch == 1

    def by_tenth(values: Array) -> Array:
        return np.asarray(np.bincount(tenth[second], values, TENTHS), dtype=np.float64)

    expected = expected_counts(log_ratio[second], by_tenth, gate, training)
    reference = np.repeat(np.bincount(tenth[second], minlength=TENTHS), training.minibatches)
    return pa.table(rows | expected | {"reference": reference})


def expected_counts(
    log_ratio: Array, by_tenth: Callable[[Array], Array], gate: Surrogate, training: Training
) -> dict[str, Array]:
    """What mini-batch 2 says of each mini-batch, [10·M], tenth by tenth. log_ratio [n]: of its tokens; by_tenth: the
    sums over the tokens of each tenth of what is given for each of the n."""
    moments = advantage_moments(training.group_size, training.success_prob, "std-unbiased")
    shape = (TENTHS, training.minibatches)
    found = {name: np.zeros(shape) for name in ("low_expected", "high_expected", "push_expected")}
    for step, later in enumerate(_moved(log_ratio, gate, training.momentum, training.minibatches)):
        if step == 0:
            continue
        found["low_expected"][:, step] = moments.negative_prob * by_tenth(later.low == 1.0)
        found["high_expected"][:, step] = moments.positive_prob * by_tenth(later.high == 1.0)
        found["push_expected"][:, step] = moments.mu * by_tenth(later.ratio * (later.low - later.high))
    return {name: values.reshape(-1) for name, values in found.items()}
