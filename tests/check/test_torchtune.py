"""torchtune's losses: most have no ratio to an older policy, whatever the epochs; the others clip by epsilon."""

from typing import Any

import pytest

from asked import asked

GRPO = (
    "batch_size: 1\ngrpo_samples: 2\nppo_epochs: {epochs}\nloss:\n  _component_: torchtune.dev.{loss}\n  epsilon: 0.2\n"
)
SIMPLE, CLIPPED = "grpo.loss.GRPOSimpleLoss", "grpo.loss.GRPOLoss"


def torchtune(loss: str, epochs: int = 1, more: str = "") -> dict[str, Any]:
    return asked(GRPO.format(loss=loss, epochs=epochs) + more, "yaml")


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


@pytest.mark.parametrize("loss", [SIMPLE, "rl.linear_grpo_loss.LinearGRPOLoss", "grpo.loss.GRPOWithChunkedOutputLoss"])
@pytest.mark.parametrize("epochs", [1, 4])
def test_the_ratio_is_one_in_every_epoch_and_epsilon_is_ignored(loss: str, epochs: int) -> None:
    found = torchtune(loss, epochs)
    assert found["framework"] == "torchtune"
    assert (found["verdict"], found["ratio_moves_by"]) == ("no-ratio-clip", "identical")
    assert found["optimizer_steps_per_rollout"] == epochs
    assert (found["lower_bound"], found["upper_bound"]) == (None, None)
    assert [entry["key"] for entry in found["ignored"]] == ["loss.epsilon"]
    assert "constant-metrics" in codes(found)
    assert ("no-correction" in codes(found)) == (epochs > 1)


@pytest.mark.parametrize(("epochs", "moves", "acts"), [(1, "noise", False), (3, "updates", True)])
def test_the_clipped_loss_keeps_a_second_pass(epochs: int, moves: str, acts: bool) -> None:
    found = torchtune(CLIPPED, epochs)
    assert (found["ratio_moves_by"], found["clip_can_act"]) == (moves, acts)
    assert (found["lower_bound"], found["upper_bound"]) == (pytest.approx(0.8), pytest.approx(1.2))
    assert found["ignored"] == []


def test_epsilon_is_a_tenth_by_default() -> None:
    text = GRPO.format(loss=CLIPPED, epochs=2).replace("  epsilon: 0.2\n", "")
    assert asked(text, "yaml")["upper_bound"] == pytest.approx(1.1)


def test_the_loss_on_completions_takes_their_product() -> None:
    found = torchtune("grpo.loss.GRPOCompletionLoss", 2)
    assert found["ratio_of"] == "sequence"
    assert "product-ratio" in codes(found)


def test_the_asynchronous_recipe_has_a_table_for_training() -> None:
    text = (
        "orchestration:\n  num_steps: 250\ninference:\n  batch_size: 1\n  group_size: 16\ntraining:\n  batch_size: 16\n"
        "  ppo_epochs: {epochs}\n  steps_before_weight_sync: 2\n  loss:\n    _component_: torchtune.dev.rl.{loss}\n"
        "    epsilon: 0.2\n"
    )
    found = asked(text.format(epochs=2, loss="linear_grpo_loss.LinearGRPOLoss"), "yaml")
    assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("torchtune", 2)
    assert {"constant-metrics", "stale-rollouts"} <= codes(found)


@pytest.mark.parametrize(("batch", "mini", "epochs", "steps"), [(128, 128, 1, 1), (128, 32, 1, 4), (128, 32, 3, 12)])
def test_ppo(batch: int, mini: int, epochs: int, steps: int) -> None:
    text = f"batch_size: {batch}\nppo_batch_size: {mini}\nppo_epochs: {epochs}\nloss:\n"
    found = asked(text + "  _component_: torchtune.rlhf.loss.PPOLoss\n  epsilon: 0.3\n", "yaml")
    assert found["optimizer_steps_per_rollout"] == steps
    assert found["ratio_moves_by"] == ("noise" if steps == 1 else "updates")
    assert found["upper_bound"] == pytest.approx(1.3)


def test_ppo_refuses_uneven_batches() -> None:
    text = "batch_size: 100\nppo_batch_size: 32\nppo_epochs: 1\nloss:\n  _component_: torchtune.rlhf.loss.PPOLoss\n"
    assert asked(text, "yaml")["verdict"] == "refused"


def test_advantages_and_kl() -> None:
    found = torchtune(SIMPLE)
    assert found["max_abs_advantage"] == pytest.approx(0.5 / (0.5**0.5 + 1e-4))
    assert found["confounders"] == [{"key": "loss.kl_coeff", "value": "0.1"}]
    assert torchtune(SIMPLE, more="  kl_coeff: 0.0\n")["confounders"] == []
