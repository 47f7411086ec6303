"""TRL's configurations as the tangent model's training, held to GRPOConfig itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipbias.common.errors import InputError
from clipbias.forecast.config import Configured, read_config
from clipbias.theory.surrogate import Cispo, PpoClip, Sapo, Surrogate
from clipbias.theory.update_rule import Adam, Sgd

CASES: list[dict[str, Any]] = [
    {},
    {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4, "num_generations": 8},
    {"steps_per_generation": 8, "num_generations": 16, "per_device_train_batch_size": 16, "num_iterations": 3},
    {"steps_per_generation": 8, "gradient_accumulation_steps": 2, "learning_rate": 5e-6, "adam_beta2": 0.99},
    {"generation_batch_size": 64, "per_device_train_batch_size": 16, "max_grad_norm": 0.2, "num_generations": 4},
]


def read(tmp_path: Path, **keys: Any) -> Configured:
    path = tmp_path / "grpo.yaml"
    path.write_text(yaml.safe_dump(keys or {"num_generations": 8}))
    return read_config((path,), ())


def bounds(surrogate: Surrogate) -> tuple[float, float]:
    assert isinstance(surrogate, PpoClip)
    return surrogate.lower_bound, surrogate.upper_bound


@pytest.mark.parametrize("keys", CASES, ids=range(len(CASES)))
def test_sizes_and_steps_are_those_of_trl(tmp_path: Path, keys: dict[str, Any]) -> None:
    trl = pytest.importorskip("trl")
    args = trl.GRPOConfig(output_dir=str(tmp_path), bf16=False, use_cpu=True, report_to=[], **keys)
    found = read(tmp_path, **keys)
    training = found.training
    assert training.groups * training.group_size == args.generation_batch_size
    assert training.group_size == args.num_generations
    assert training.minibatches * args.gradient_accumulation_steps == args.steps_per_generation
    assert training.update.epochs == args.num_iterations
    assert training.learning_rate == args.learning_rate
    assert training.update.max_grad_norm == args.max_grad_norm
    assert training.update.optimizer == Adam(args.adam_beta1, args.adam_beta2, args.adam_epsilon)
    assert bounds(training.surrogate) == pytest.approx((1 - args.epsilon, 1 + args.epsilon))
    assert (found.temperature, found.max_completion_length) == (args.temperature, args.max_completion_length)


def test_several_rollouts_in_a_step_are_one_phase(tmp_path: Path) -> None:
    keys = {"steps_per_generation": 1, "gradient_accumulation_steps": 4, "per_device_train_batch_size": 8}
    training = read(tmp_path, **keys).training
    assert (training.groups, training.minibatches) == (4, 1)


def test_losses_optimizers_and_scales(tmp_path: Path) -> None:
    assert read(tmp_path, loss_type="grpo").training.weigh == "answer"
    assert read(tmp_path, loss_type="dapo").training.weigh == "token"
    assert read(tmp_path, loss_type="cispo", epsilon_high=5.0).training.surrogate == Cispo(5.0)
    assert read(tmp_path, loss_type="sapo", sapo_temperature_pos=2.0).training.surrogate == Sapo(2.0, 1.05)
    assert bounds(read(tmp_path, epsilon_high=0.28).training.surrogate) == pytest.approx((0.8, 1.28))
    assert read(tmp_path, optim="sgd").training.update.optimizer == Sgd()
    assert read(tmp_path, scale_rewards=False).training.scale == "none"
    assert read(tmp_path, importance_sampling_level="sequence").whole_answers
    assert read(tmp_path, max_grad_norm=0).training.update.max_grad_norm is None
    assert read(tmp_path, **{"chat_template_kwargs": {"enable_thinking": False}}).template == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"beta": 0.04}, "beta 0.04 is left out"),
        ({"weight_decay": 0.1}, "weight_decay 0.1"),
        ({"warmup_steps": 10}, "warmup_steps 10"),
        ({"lr_scheduler_type": "cosine"}, "cosine"),
        ({"use_peft": True}, "adapters"),
        ({"optim": "adamw_8bit"}, "adamw_8bit"),
        ({"loss_type": "dr_grpo"}, "dr_grpo"),
        ({"mask_truncated_completions": True}, "length limit"),
        ({"reward_weights": [1, 2]}, "reward_weights"),
        ({"learning_rate": 1e-5}, "from TRL's defaults"),
    ],
)
def test_what_is_not_carried_is_said(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    assert any(said in warning for warning in read(tmp_path, **keys).warnings)
    if "defaults" not in said:
        assert not any(said in warning for warning in read(tmp_path, lr_scheduler_type="constant").warnings)


@pytest.mark.parametrize(
    "keys",
    [
        {"loss_type": "vespo"},
        {"optim": "lion_32bit"},
        {"scale_rewards": "batch"},
        {"num_generations": 7},
        {"steps_per_generation": 3, "gradient_accumulation_steps": 2},
        {"learning_rate": -1.0},
        {"temperature": 0},
    ],
)
def test_what_cannot_be_forecast_is_refused(tmp_path: Path, keys: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        read(tmp_path, **keys)
