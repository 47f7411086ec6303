"""A recipe as a configuration of TRL on several GPUs, and the commands that start it."""

from dataclasses import dataclass
from typing import Any

import yaml

from clipbias.common.errors import check
from clipbias.theory.update_rule import Sgd
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe
from clipbias.validate.recipe.training import SCALE, Training
from clipbias.validate.train.trl_words import surrogate_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """gpus: processes. micro: answers that pass at once on each."""

    gpus: int
    micro: int


def trl_keys(recipe: Recipe, arm: Arm, layout: Layout) -> dict[str, Any]:
    """Fields of GRPOConfig. A rollout's micro-steps are its mini-batches times the accumulation, so that there are as
    many optimizer steps in a phase as the recipe has mini-batches."""
    training = arm.training(recipe.training)
    accumulation, rest = divmod(training.minibatch_size, layout.gpus * layout.micro)
    check(rest == 0, f"minibatches of arm {arm.name}", f"such that {layout.gpus * layout.micro} divides one", "others")
    keys: dict[str, Any] = {
        "max_steps": training.phases * training.minibatches,
        "per_device_train_batch_size": layout.micro,
        "gradient_accumulation_steps": accumulation,
        "steps_per_generation": training.minibatches * accumulation,
        "num_generations": training.group_size,
        "num_iterations": 1,
        "max_completion_length": training.max_completion_length,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": "constant",
        "warmup_steps": 0,
        "max_grad_norm": training.max_grad_norm,
        "beta": 0.0,
        **{name: value for name, value in surrogate_options(arm.gate).items() if value is not None},
        "scale_rewards": "group",
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "bf16": training.bf16 is not False,
        "gradient_checkpointing": training.gradient_checkpointing is not False,
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_importance_sampling_mode": "token_truncate",
        "logging_steps": 1,
        "report_to": "none",
    }
    update = training.update
    if isinstance(update, Sgd):
        keys |= {"optim": "sgd"} | ({"optim_args": f"momentum={update.momentum}"} if update.momentum else {})
    else:
        keys |= {
            "adam_beta1": update.beta1,
            "adam_beta2": update.beta2,
            "adam_epsilon": update.epsilon,
            "weight_decay": update.weight_decay,
        }
    return keys


def adapter_keys(training: Training) -> dict[str, Any]:
    """Fields of TRL's ModelConfig, which its script reads from the same file."""
    rank = training.lora_rank
    if rank is None:
        return {}
    updates = {"lora_r": rank, "lora_alpha": SCALE * rank, "lora_dropout": 0.0, "lora_target_modules": "all-linear"}
    return {"use_peft": True} | updates


def as_yaml(keys: dict[str, Any]) -> str:
    return yaml.safe_dump(keys, sort_keys=False)


def changes(recipe: Recipe, layout: Layout) -> dict[str, dict[str, Any]]:
    """What each further arm's configuration has otherwise than the first's; None for a key that it lacks."""
    first = trl_keys(recipe, recipe.arm[0], layout)
    found = {}
    for arm in recipe.arm[1:]:
        own = trl_keys(recipe, arm, layout)
        names = dict.fromkeys([*first, *own])
        found[arm.name] = {name: own.get(name) for name in names if own.get(name) != first.get(name)}
    return found


def accelerate_command(gpus: int) -> str:
    """TRL's own script under accelerate; weights, gradients and moments are shared by FSDP."""
    shared = " --use_fsdp --fsdp_version 2" if gpus > 1 else ""
    return (
        f"accelerate launch --num_processes {gpus} --mixed_precision bf16{shared}"
        " -m trl.scripts.grpo --config grpo.yaml"
    )


def slurm_script(name: str, gpus: int, hours: float) -> str:
    """For one node."""
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={name}",
        "#SBATCH --nodes=1",
        f"#SBATCH --gpus-per-node={gpus}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH --time={max(1, round(2 * hours))}:00:00",
        "set -euo pipefail",
        f"srun {accelerate_command(gpus)}",
    ]
    return "\n".join(lines) + "\n"
