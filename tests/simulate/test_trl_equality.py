"""L2: TRL's own trainer on a tabular policy, replayed through both engines: sample by sample through the one by
autograd, as the sums over mini-batches that it is made of through the compiled one.

What TRL sampled and rewarded is written down (`tabular_trl`), and the engines, given the same, must arrive at the same
z after every optimizer step. Advantages are computed here as TRL does (`scale_rewards="batch"` is no `Scale` of ours;
1e-4 in the denominator). TRL's log-probabilities are float32: that is what TOLERANCE allows.

Per token losses average over the L tokens, of which the first alone has a gradient: TRL's step is 1/L of the toy's
(grpo, bnpo, dapo, cispo, sapo; dr_grpo too, where all completions have max_completion_length). At the sequence level
ρ = R^(1/L) counts once, and TRL's step is the toy's (grpo), or L times it (luspo).

One thing cannot be compared: a gradient that is 0 but for rounding, met by Adam's first step, which makes ±η of it. The
seed of the runs is one at which this does not happen.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from clipbias.simulate.autograd.engine import Samples, train_on
from clipbias.simulate.autograd.policy import Tabular
from clipbias.simulate.compiled.gate import gate_of
from clipbias.simulate.compiled.groups import BLAME, PRAISE, SEEN, SUMS
from clipbias.simulate.compiled.kernel import gradient
from clipbias.simulate.compiled.record import Setup, softmax
from clipbias.simulate.compiled.update import advance, update_of
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.setup import Scale
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Gspo, PpoClip, Sapo
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule
from tabular_trl import GROUP, OUTCOMES, PROBS, Row, Run, run_trl

pytestmark = pytest.mark.training

TOLERANCE = 1e-6
GUARDED: dict[str, tuple[Scale, float]] = {"group": ("std-unbiased", 1e-4), "none": ("none", 0.0)}


def advantages(rewards: np.ndarray, scale: str) -> np.ndarray:
    """Of rewards [phases, samples], whole groups one after another; TRL adds 1e-4 to the standard deviation."""
    groups = rewards.reshape(len(rewards), -1, GROUP)
    if scale == "batch":  # the deviation of all rewards of the phase, not of the advantages: no `Scale` has it
        centred = groups - groups.mean(axis=2, keepdims=True)
        return (centred / (groups.std(axis=(1, 2), ddof=1, keepdims=True) + 1e-4)).reshape(rewards.shape)
    plus, minus = group_advantages(GROUP, *GUARDED[scale])
    count = groups.sum(axis=2, keepdims=True).astype(int)
    return np.where(groups == 1, plus[count], minus[count]).reshape(rewards.shape)


def replay(row: Row, run: Run) -> np.ndarray:
    """z after every step [1 + steps, K] by the torch engine."""
    worth = advantages(run.rewards, row.trl.get("scale_rewards", "group"))
    first = run.rows[:, : row.minibatches]
    assert (run.rows == np.tile(first, (1, row.update.epochs, 1))).all()  # every iteration in the same order
    assert (np.sort(first.reshape(row.phases, -1)) == np.arange(run.outcomes.shape[1])).all()
    given = [
        Samples(torch.tensor(outcome[at])[None], torch.tensor(value[at])[None])
        for outcome, value, at in zip(run.outcomes, worth, first, strict=True)
    ]
    policy = Tabular(torch.tensor(PROBS, dtype=torch.float64))
    found = train_on(policy, given, row.surrogate, row.shrink * row.learning_rate, row.update)
    return np.concatenate([np.log([PROBS]), found[:, 0].numpy()])


def replay_compiled(row: Row, run: Run) -> np.ndarray:
    """z after every step [1 + steps, K] by the compiled loop's own gradient and step."""
    worth = advantages(run.rewards, row.trl.get("scale_rewards", "group"))
    start, z = np.array(PROBS), np.log(PROBS)
    setup = Setup(
        key=np.uint64(0),
        logits=z.copy(),
        gate=gate_of(row.surrogate),
        update=update_of(row.shrink * row.learning_rate, row.update),
        kl_coefficient=row.update.kl_coefficient,
        inverse_samples=1.0 / run.rows.shape[2],
        epochs=row.update.epochs,
        phases=row.phases,
        thresholds=np.zeros(0),
    )
    pi, pull, mean, square = start.copy(), np.empty(OUTCOMES), np.zeros(OUTCOMES), np.zeros(OUTCOMES)
    events, found = np.zeros((2, run.rows.shape[1])), [z.copy()]
    for outcomes, values, steps in zip(run.outcomes, worth, run.rows, strict=True):
        old = pi.copy()
        for step, at in enumerate(steps):
            sums = np.zeros((SUMS, OUTCOMES))
            for outcome, value in zip(outcomes[at], values[at], strict=True):
                sums[PRAISE, outcome] += max(value, 0.0)
                sums[BLAME, outcome] += min(value, 0.0)
                sums[SEEN, outcome] += 1.0
            gradient(setup, sums, old, pi, start, pull, events, step)
            advance(setup.update, len(found), pull, mean, square, z)
            softmax(z, pi)
            found.append(z.copy())
    return np.array(found)


def worst(row: Row, run: Run) -> float:
    """Largest difference in any logit after any step, by the engine that is nearer to TRL."""
    return min(float(np.abs(by(row, run) - run.z).max()) for by in (replay, replay_compiled))


PPO = PpoClip(0.2, 0.2)
PLAIN_KL = {"use_bias_correction_kl": False}  # TRL 1.16 weights k3 by the ratio unless told otherwise
ADAM = Adam(0.9, 0.95, 1e-8, 0.1)
ROWS = {
    "grpo": Row({"loss_type": "grpo"}, PPO),
    "grpo-3-tokens": Row({"loss_type": "grpo"}, PPO, learning_rate=9.0, length=3, shrink=1 / 3),
    "clip-higher": Row({"epsilon_high": 0.28}, PpoClip(0.2, 0.28)),
    "high-only": Row({"epsilon": 1.0, "epsilon_high": 0.2}, PpoClip(None, 0.2)),
    "low-only": Row({"epsilon": 0.2, "epsilon_high": 1e6}, PpoClip(0.2, None)),
    "no-clip": Row({"epsilon": 1.0, "epsilon_high": 1e6}, UNCLIPPED),
    "bnpo": Row({"loss_type": "bnpo"}, PPO, learning_rate=9.0, length=3, shrink=1 / 3),
    "dr_grpo": Row({"loss_type": "dr_grpo", "scale_rewards": "none"}, PPO, learning_rate=9.0, length=3, shrink=1 / 3),
    "dapo": Row(
        {"loss_type": "dapo", "epsilon_high": 0.5}, PpoClip(0.2, 0.5), learning_rate=12.0, length=2, shrink=0.5
    ),
    "cispo": Row({"loss_type": "cispo", "epsilon_high": 1.3}, Cispo(1.3), learning_rate=6.0, length=2, shrink=0.5),
    "sapo": Row({"loss_type": "sapo"}, Sapo(1.0, 1.05)),
    "sapo-asymmetric": Row(
        {"loss_type": "sapo", "sapo_temperature_pos": 0.5, "sapo_temperature_neg": 3.0}, Sapo(0.5, 3.0)
    ),
    "delta": Row({"delta": 1.3}, PpoClip(0.2, 0.2, dual=1.3), UpdateRule(epochs=3)),
    "sequence": Row(
        {"importance_sampling_level": "sequence", "epsilon": 0.05, "epsilon_high": 0.08},
        Gspo(0.05, 0.08, 3),
        learning_rate=9.0,
        length=3,
    ),
    "luspo": Row(
        {"loss_type": "luspo", "importance_sampling_level": "sequence", "epsilon": 0.05},
        Gspo(0.05, 0.05, 3),
        length=3,
        shrink=3.0,
    ),
    "scale-none": Row({"scale_rewards": "none"}, PPO, learning_rate=6.0),
    "scale-batch": Row({"scale_rewards": "batch"}, PPO),
    "one-step": Row({}, PPO, minibatches=1, phases=4),
    "eight-steps": Row({}, PPO, learning_rate=1.5, minibatches=8),
    "iterations": Row({}, PPO, UpdateRule(epochs=3), learning_rate=1.5),
    "iterations-of-one-step": Row({}, PPO, UpdateRule(epochs=4), minibatches=1),
    "accumulation": Row({}, PPO, UpdateRule(epochs=2), accumulation=2),
    "momentum": Row({}, PPO, UpdateRule(optimizer=Sgd(0.9)), learning_rate=0.5),
    "grad-norm": Row({}, PPO, UpdateRule(max_grad_norm=0.1), learning_rate=6.0),
    "adam": Row({}, PPO, UpdateRule(optimizer=Adam()), learning_rate=0.3),
    "adamw": Row({}, PPO, UpdateRule(optimizer=ADAM, max_grad_norm=0.2, epochs=2), learning_rate=0.1),
    "kl": Row(PLAIN_KL, PPO, UpdateRule(kl_coefficient=0.3, epochs=2)),
    "kl-adamw-cispo": Row(
        PLAIN_KL | {"loss_type": "cispo", "epsilon_high": 1.3},
        Cispo(1.3),
        UpdateRule(optimizer=ADAM, max_grad_norm=0.2, kl_coefficient=0.3),
        0.2,
    ),
}


def wrong(row: Row) -> Iterator[Row]:
    """What the row would be if the engine ignored one of its settings."""
    if row.minibatches * row.update.epochs > 1:  # else every ratio is 1 and no gate acts
        yield replace(row, surrogate=PPO if row.surrogate == UNCLIPPED else UNCLIPPED)
        if isinstance(row.surrogate, PpoClip) and row.surrogate not in (UNCLIPPED, PPO):
            yield replace(row, surrogate=PPO)
    plain = UpdateRule(epochs=row.update.epochs)
    if row.update.optimizer != plain.optimizer:
        yield replace(row, update=replace(row.update, optimizer=plain.optimizer))
    if row.update.max_grad_norm is not None:
        yield replace(row, update=replace(row.update, max_grad_norm=None))
    if row.update.kl_coefficient > 0:
        yield replace(row, update=replace(row.update, kl_coefficient=0.0))
    if "scale_rewards" in row.trl:
        yield replace(row, trl={**row.trl, "scale_rewards": "group"})
    if row.shrink != 1:
        yield replace(row, shrink=1.0)


@pytest.mark.parametrize("name", ROWS)
def test_same_samples_same_parameters(name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    run = run_trl(row, tmp_path)
    for by in (replay, replay_compiled):
        assert np.abs(by(row, run) - run.z).max() < TOLERANCE
    for other in wrong(row):
        assert worst(other, run) > 100 * TOLERANCE, other


def test_order_and_guard_are_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative controls: mini-batches in another order; a standard deviation without TRL's 1e-4."""
    row = ROWS["grpo"]
    run = run_trl(row, tmp_path)
    assert worst(row, replace(run, rows=run.rows[:, ::-1])) > 100 * TOLERANCE
    monkeypatch.setitem(GUARDED, "group", ("std-unbiased", 0.0))
    assert worst(row, run) > 10 * TOLERANCE


def test_trl_weights_its_penalty_by_the_ratio_unless_told_otherwise(tmp_path: Path) -> None:
    """R·k3 is not `UpdateRule.kl_coefficient`'s k3: a known difference from TRL's default, not from its beta."""
    row = ROWS["kl"]
    assert worst(row, run_trl(replace(row, trl={}), tmp_path)) > 100 * TOLERANCE


def test_with_one_step_a_phase_no_gate_acts(tmp_path: Path) -> None:
    row = ROWS["one-step"]
    run = run_trl(row, tmp_path)
    for surrogate in (UNCLIPPED, Cispo(1.3), Sapo(), Gspo(0.01, 0.01, 1)):
        assert worst(replace(row, surrogate=surrogate), run) < TOLERANCE
