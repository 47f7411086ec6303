"""The Tinker cookbook: thresholds are absolute, the sampler is the denominator, substeps are the updates."""

from typing import Any

import pytest

from asked import asked
from clipbias.common.errors import InputError


def tinker(arguments: str, **options: Any) -> dict[str, Any]:
    return asked(f"from tinker_cookbook.rl.train import Config\nconfig = Config({arguments})\n", "py", **options)


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


@pytest.mark.parametrize(
    ("arguments", "low", "high", "acts"),
    [
        ("", None, None, False),
        ('loss_fn="ppo"', 0.8, 1.2, True),
        ('loss_fn="ppo", loss_fn_config={"clip_high_threshold": 1.28}', 0.8, 1.28, True),
        ('loss_fn="ppo", loss_fn_config={"clip_low_threshold": 0.9, "clip_high_threshold": 1.1}', 0.9, 1.1, True),
        ('loss_fn="cispo"', None, 4.0, True),
        ('loss_fn="cispo", loss_fn_config={"clip_low_threshold": 0.5, "clip_high_threshold": 5.0}', 0.5, 5.0, True),
        ('loss_fn="dro"', None, None, False),
        ('loss_fn="cross_entropy"', None, None, False),
    ],
)
def test_absolute_bounds(arguments: str, low: float | None, high: float | None, acts: bool) -> None:
    found = tinker(arguments)
    assert (found["framework"], found["clip_can_act"]) == ("tinker", acts)
    assert (found["lower_bound"], found["upper_bound"]) == (low, high)


@pytest.mark.parametrize(("substeps", "moves"), [(1, "mismatch"), (4, "updates")])
def test_substeps_are_the_updates(substeps: int, moves: str) -> None:
    found = tinker(f'loss_fn="ppo", num_substeps={substeps}')
    assert (found["optimizer_steps_per_rollout"], found["ratio_moves_by"]) == (substeps, moves)


def test_increments_in_the_place_of_bounds() -> None:
    found = tinker('loss_fn="ppo", loss_fn_config={"clip_low_threshold": 0.2, "clip_high_threshold": 0.28}')
    assert {"increments", "upper-below-one"} <= codes(found)
    (fix,) = [finding["fix"] for finding in found["findings"] if finding["code"] == "increments"]
    assert fix == "clip_low_threshold 0.8, clip_high_threshold 1.28"
    assert "increments" not in codes(tinker('loss_fn="ppo"'))


def test_thresholds_of_a_loss_without_bounds_are_ignored() -> None:
    found = tinker('loss_fn_config={"clip_high_threshold": 1.2}')
    assert [entry["key"] for entry in found["ignored"]] == ["loss_fn_config.clip_high_threshold"]
    assert "unbounded" in codes(found)


def test_no_ratio_in_cross_entropy() -> None:
    assert tinker('loss_fn="cross_entropy"')["ratio_moves_by"] == "none"


def test_thresholds_that_only_running_would_tell() -> None:
    with pytest.raises(InputError, match="loss_fn_config must be a table"):
        tinker('loss_fn="ppo", loss_fn_config=cli.loss_fn_config')
    with pytest.raises(InputError, match="say num_substeps=VALUE"):
        tinker("num_substeps=cli.num_substeps")


def test_words_of_a_recipe() -> None:
    words = "loss_fn=ppo num_substeps=2 group_size=2 max_steps_off_policy=3 loss_fn_config.clip_high_threshold=1.3"
    found = asked(f"python -m tinker_cookbook.recipes.math_rl.train {words}\n", "sh")
    assert (found["framework"], found["optimizer_steps_per_rollout"], found["upper_bound"]) == ("tinker", 2, 1.3)
    assert found["max_abs_advantage"] == pytest.approx(0.5)  # centred, not divided
    assert "asynchronous" in codes(found)


def test_streamed_minibatches_share_a_substep() -> None:
    stream = "stream_minibatch_config={'groups_per_batch': %d, 'num_minibatches': 4}, num_substeps=2"
    assert tinker(stream % 64)["optimizer_steps_per_rollout"] == 2
    assert tinker(stream % 63)["verdict"] == "refused"


def test_gates_kl_and_temperature() -> None:
    found = tinker("remove_constant_reward_groups=True, kl_penalty_coef=0.1, temperature=0.7")
    assert [gate["name"] for gate in found["gates"]] == ["constant groups"]
    assert found["confounders"] == [{"key": "kl_penalty_coef", "value": "0.1"}]
    assert "tempered-sampling" in codes(found)
    assert "tempered-sampling" not in codes(tinker(""))
